#include "base/log_path.h"

#include <array>
#include <cerrno>
#include <climits>

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace xsv::log {
namespace {

bool is_ours(const struct stat& status) { return status.st_uid == 0 || status.st_uid == ::geteuid(); }

/// A link of /proc/PID/fd has no path behind it. Under our own number, or that of a guardian that is process 1 of its
/// container, it means a stream that we have too.
Result<std::optional<std::string>> behind_magic(int directory, const std::string& name, const std::string& path)
{
    struct stat there {}, own{};
    if (::fstatat(directory, name.c_str(), &there, 0) < 0) return fail_errno(path, errno);
    for (const auto& [stream, known_as] : {std::pair{1, "/dev/stdout"}, std::pair{2, "/dev/stderr"}})
        if (::fstat(stream, &own) == 0 && own.st_dev == there.st_dev && own.st_ino == there.st_ino) return known_as;
    return fail("{}: is an open file of a process, and neither stdout nor stderr of this one", path);
}

}  // namespace

int standard_stream(std::string_view path)
{
    if (path == "/dev/stdout" || path == "/dev/fd/1" || path == "/proc/self/fd/1") return 1;
    if (path == "/dev/stderr" || path == "/dev/fd/2" || path == "/proc/self/fd/2") return 2;
    return -1;
}

Result<std::optional<std::string>> own_link(int directory, const std::string& name, const std::string& path)
{
    struct stat link {}, folder{};
    if (::fstatat(directory, name.c_str(), &link, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISLNK(link.st_mode)) return std::nullopt;
    if (::fstat(directory, &folder) < 0) return fail_errno(path, errno);
    if (!is_ours(link) || !is_ours(folder) || (folder.st_mode & 022) != 0)
        return fail("{}: is a link where others could have made it, and is not followed", path);
    struct statfs filesystem {};
    if (::fstatfs(directory, &filesystem) == 0 && filesystem.f_type == PROC_SUPER_MAGIC)
        return behind_magic(directory, name, path);
    std::array<char, PATH_MAX> target{};
    const auto length = ::readlinkat(directory, name.c_str(), target.data(), target.size());
    if (length < 0) return fail_errno(path, errno);
    const std::string where(target.data(), static_cast<std::size_t>(length));
    return where.starts_with('/') ? where : path.substr(0, path.rfind('/') + 1) + where;
}

}  // namespace xsv::log
