#include "sys/trusted_path.h"

#include <array>
#include <cerrno>
#include <climits>
#include <deque>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log_path.h"
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

enum class Way { TrustedOnly, Log };

Result<TrustedDirectory> walk(const std::string& path, bool create, Way way)
{
    bool shared = false;
    const auto enter = [&](int fd, const std::string& shown) -> Status {
        auto checked = check_directory(fd, shown);
        if (checked || way == Way::TrustedOnly) return checked;
        shared = true;
        return {};
    };
    if (path.empty() || path.front() != '/') return fail("'{}' is not an absolute path", path);
    auto left = components(path);
    if (left.empty() || path.back() == '/') return fail("'{}' names a directory", path);
    std::string shown = "/";
    UniqueFd here(::open("/", kDirectoryFlags));
    if (!here) return fail_errno("/", errno);
    if (auto entered = enter(here.get(), shown); !entered) return tl::unexpected(std::move(entered).error());
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
            if (shared) return fail("the link {} stands where others than root can write, and is not followed", next);
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
        UniqueFd opened(::openat(here.get(), name.c_str(), kDirectoryFlags));
        if (!opened) return fail_errno(next, errno);
        here = std::move(opened);
        shown = next;
        if (auto entered = enter(here.get(), shown); !entered) return tl::unexpected(std::move(entered).error());
    }
    return TrustedDirectory{std::move(here), left.front(), shared};
}

/// For an ordinary user, who has nothing to give away that the kernel would not guard.
Result<TrustedDirectory> parent_of(const std::string& path)
{
    const auto slash = path.rfind('/');
    if (slash == std::string::npos || slash + 1 == path.size()) return fail("'{}' is not the path of a file", path);
    UniqueFd fd(::open(path.substr(0, slash + 1).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!fd) return fail_errno(path.substr(0, slash), errno);
    return TrustedDirectory{std::move(fd), path.substr(slash + 1)};
}

}  // namespace

Result<TrustedDirectory> open_trusted_parent(const std::string& path, bool create) { return walk(path, create, Way::TrustedOnly); }

Result<TrustedDirectory> open_log_parent(const std::string& path)
{
    std::string at = path;
    for (int links = 0; links <= kMostLinks; ++links) {
        if (const int stream = log::standard_stream(at); stream >= 0) return TrustedDirectory{{}, {}, false, stream};
        auto parent = ::geteuid() == 0 ? walk(at, false, Way::Log) : parent_of(at);
        if (!parent || parent->shared) return parent;
        auto link = log::own_link(parent->fd.get(), parent->name, at);
        if (!link) return tl::unexpected(std::move(link).error());
        if (!*link) return parent;
        at = std::move(**link);
    }
    return fail_errno(path, ELOOP);
}

}  // namespace xsv::sys
