#include "sys/files.h"

#include <array>
#include <cerrno>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/trusted_path.h"

namespace xsv::sys {
namespace {

/// Reads to the end; a file that is longer than `limit` is an error, not cut off.
Result<std::string> read_to_end(int fd, const std::string& path, std::size_t limit)
{
    std::string bytes;
    std::array<char, 16384> buffer;
    for (;;) {
        const auto count = ::read(fd, buffer.data(), buffer.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail_errno(path, errno);
        if (count == 0) return bytes;
        bytes.append(buffer.data(), static_cast<std::size_t>(count));
        if (bytes.size() > limit) return fail("{}: larger than {} bytes", path, limit);
    }
}

Result<UniqueFd> open_regular(const std::string& path)
{
    // O_NONBLOCK: a FIFO with nobody at its other end must not hang us.
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (!fd) return fail_errno(path, errno);
    struct stat status{};
    if (::fstat(fd.get(), &status) < 0) return fail_errno(path, errno);
    if (S_ISDIR(status.st_mode)) return fail("{}: is a directory", path);
    if (!S_ISREG(status.st_mode)) return fail("{}: is not a regular file", path);
    return fd;
}

/// Every folder on the way and every link belongs to root, and the file too (rule P2).
Status check_trusted(int fd, std::string path)
{
    struct stat opened{};
    if (::fstat(fd, &opened) < 0) return fail_errno(path, errno);
    if (opened.st_uid != 0) return fail("{}: belongs to uid {}, not to root (chown root {})", path, opened.st_uid, path);
    if (opened.st_mode & 022) return fail("{}: is writable by others than root (chmod go-w {})", path, path);
    const std::string written = path;
    for (int links = 0; links <= 40; ++links) {
        auto parent = open_trusted_parent(path);
        if (!parent) return wrap(parent, written);
        struct stat entry{};
        if (::fstatat(parent->fd.get(), parent->name.c_str(), &entry, AT_SYMLINK_NOFOLLOW) < 0) return fail_errno(written, errno);
        if (!S_ISLNK(entry.st_mode)) {
            // Nobody but root can have changed the way, so what was opened is what stands there, unless root swapped it.
            if (entry.st_dev == opened.st_dev && entry.st_ino == opened.st_ino) return {};
            return fail("{}: was replaced while it was read, try again", written);
        }
        if (entry.st_uid != 0) return fail("{}: is a link that belongs to uid {}", written, entry.st_uid);
        std::array<char, 4096> target{};
        const auto length = ::readlinkat(parent->fd.get(), parent->name.c_str(), target.data(), target.size());
        if (length < 0) return fail_errno(written, errno);
        const std::string where(target.data(), static_cast<std::size_t>(length));
        path = where.starts_with('/') ? where : path.substr(0, path.rfind('/') + 1) + where;
    }
    return fail_errno(written, ELOOP);
}

}  // namespace

Result<std::string> read_config_file(const std::string& path, bool trusted_only, std::size_t limit)
{
    auto fd = open_regular(path);
    if (!fd) return tl::unexpected(std::move(fd).error());
    if (trusted_only && ::geteuid() == 0) {
        if (auto trusted = check_trusted(fd->get(), path); !trusted) return tl::unexpected(std::move(trusted).error());
    }
    return read_to_end(fd->get(), path, limit);
}

Result<std::string> read_file(const std::string& path, std::size_t limit)
{
    auto fd = open_regular(path);
    if (!fd) return tl::unexpected(std::move(fd).error());
    return read_to_end(fd->get(), path, limit);
}

Result<UniqueFd> open_log_file(const std::string& path, mode_t mode)
{
    auto parent = open_log_parent(path);
    if (!parent) return wrap(parent, "log file " + path);
    if (parent->stream >= 0) {   // opening it anew fails for sockets
        UniqueFd copy(::fcntl(parent->stream, F_DUPFD_CLOEXEC, 3));
        if (!copy) return fail_errno(path, errno);
        return copy;
    }
    struct stat folder{};
    if (::fstat(parent->fd.get(), &folder) < 0) return fail_errno("log file " + path, errno);
    const bool shared = parent->shared;                                  // others can change the way or the names
    const bool is_roots = !shared && (folder.st_mode & 022) == 0;        // only root can
    UniqueFd fd(::openat(parent->fd.get(), parent->name.c_str(),
                         O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, mode));
    if (!fd && errno == ELOOP) return fail("log file {}: is a link, which is not followed", path);
    if (!fd && errno == ENXIO) return fail("log file {}: is a FIFO nobody reads, or a socket", path);
    if (!fd) return fail_errno("log file " + path, errno);
    struct stat status{};
    if (::fstat(fd.get(), &status) < 0) return fail_errno("log file " + path, errno);
    if (shared && !S_ISREG(status.st_mode)) return fail("log file {}: is no regular file, where others than root can write", path);
    if (S_ISCHR(status.st_mode)) return fd;
    // What stands in a folder of root's, root has put there: logrotate's "create 640 www-data" is fine.
    const bool is_fine = status.st_uid == 0 || status.st_uid == ::geteuid() || (::geteuid() == 0 && (is_roots || status.st_uid == folder.st_uid));
    if (!is_fine) return fail("log file {}: belongs to uid {}, in a folder where others than root can write (chown root {})", path, status.st_uid, path);
    if (S_ISFIFO(status.st_mode)) return fd;
    if (!S_ISREG(status.st_mode)) return fail("log file {}: is neither a regular file nor a character device", path);
    if (status.st_nlink > 1) return fail("log file {}: has a second name (hard link)", path);
    return fd;
}

}  // namespace xsv::sys
