#include "sys/trusted_path.h"

#include <array>
#include <cerrno>
#include <climits>
#include <deque>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

namespace xsv::sys {
namespace {

constexpr int kMostLinks = 40;  // as the kernel
constexpr int kDirectoryFlags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

bool is_trusted_owner(uid_t uid) { return uid == 0 || uid == ::geteuid(); }

Status check_directory(int fd, const std::string& shown)
{
    struct stat status{};
    if (::fstat(fd, &status) < 0) return fail_errno(shown, errno);
    if (!is_trusted_owner(status.st_uid)) {
        return fail("the directory {} belongs to uid {}, who could replace what is in it (chown root {})", shown, status.st_uid, shown);
    }
    if ((status.st_mode & 022) && !(status.st_mode & S_ISVTX)) {
        return fail("the directory {} is writable by others, who could replace what is in it (chmod go-w {})", shown, shown);
    }
    return {};
}

std::deque<std::string> components(const std::string& path)
{
    std::deque<std::string> parts;
    for (std::string& part : text::split(path, '/')) {
        if (!part.empty() && part != ".") parts.push_back(std::move(part));
    }
    return parts;
}

}  // namespace

Result<TrustedDirectory> open_trusted_parent(const std::string& path, bool create)
{
    if (path.empty() || path.front() != '/') return fail("'{}' is not an absolute path", path);
    auto left = components(path);
    if (left.empty() || path.back() == '/') return fail("'{}' names a directory", path);
    std::string shown = "/";
    UniqueFd here(::open("/", kDirectoryFlags));
    if (!here) return fail_errno("/", errno);
    if (auto checked = check_directory(here.get(), shown); !checked) return tl::unexpected(std::move(checked).error());
    for (int links = 0; left.size() > 1;) {
        const std::string name = left.front();
        left.pop_front();
        struct stat status{};
        int found = ::fstatat(here.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW);
        const std::string next = (shown == "/" ? "/" : shown + "/") + name;
        if (found < 0 && errno == ENOENT && create) {
            if (::mkdirat(here.get(), name.c_str(), 0755) < 0 && errno != EEXIST) return fail_errno("making " + next, errno);
            found = ::fstatat(here.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW);
        }
        if (found < 0) return fail_errno(next, errno);
        if (S_ISLNK(status.st_mode)) {
            if (++links > kMostLinks) return fail_errno(path, ELOOP);
            if (!is_trusted_owner(status.st_uid)) return fail("the link {} belongs to uid {}", next, status.st_uid);
            std::array<char, PATH_MAX> target{};
            const auto length = ::readlinkat(here.get(), name.c_str(), target.data(), target.size());
            if (length < 0) return fail_errno(next, errno);
            const std::string where(target.data(), static_cast<std::size_t>(length));
            auto parts = components(where);
            left.insert(left.begin(), parts.begin(), parts.end());
            if (where.starts_with('/')) {
                here.reset(::open("/", kDirectoryFlags));
                if (!here) return fail_errno("/", errno);
                shown = "/";
            }
            continue;
        }
        UniqueFd entered(::openat(here.get(), name.c_str(), kDirectoryFlags));
        if (!entered) return fail_errno(next, errno);
        here = std::move(entered);
        shown = next;
        if (auto checked = check_directory(here.get(), shown); !checked) return tl::unexpected(std::move(checked).error());
    }
    return TrustedDirectory{std::move(here), left.front()};
}

}  // namespace xsv::sys
