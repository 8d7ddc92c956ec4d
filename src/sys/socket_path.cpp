// Unix sockets and FIFOs: the part of them that lies in a folder.

#include <array>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "sys/diagnostics.h"
#include "sys/socket_address.h"

namespace xsv::sys {
namespace {

/// The process's umask takes part in what bind and mkdir make; the engine has one thread, so it can be put aside.
class NoUmask {
public:
    NoUmask() : before_(::umask(0)) {}
    ~NoUmask() { ::umask(before_); }
    NoUmask(const NoUmask&) = delete;
    NoUmask& operator=(const NoUmask&) = delete;

private:
    mode_t before_;
};

Status make_parents(const std::string& path, mode_t mode)
{
    const NoUmask open_handed;
    for (auto slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
        const std::string folder = path.substr(0, slash);
        if (::mkdir(folder.c_str(), mode) < 0 && errno != EEXIST) return fail_errno("making the folder " + folder, errno);
    }
    return {};
}

tl::unexpected<Error> in_use(const std::string& holder)
{
    const std::string by = holder.empty() ? "" : " by " + holder;
    return tl::unexpected(Error{"is in use" + by, EADDRINUSE});
}

/// Only a socket that refuses a caller is a leftover (rule C2).
Status remove_stale(const Endpoint& endpoint, const SocketAddress& address)
{
    struct stat status{};
    if (!stat_path(endpoint.path, status)) return {};
    if (!S_ISSOCK(status.st_mode)) return fail("{} exists and is not a socket", endpoint.path);
    const UniqueFd caller(::socket(AF_UNIX, kernel_type(endpoint.type) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!caller) return fail_errno("socket", errno);
    if (::connect(caller.get(), address.get(), address.length) == 0) {
        ucred peer{};
        socklen_t size = sizeof peer;
        const bool known = kernel_type(endpoint.type) != SOCK_DGRAM &&
                           ::getsockopt(caller.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid > 0;
        return in_use(known ? diagnostics::process_text(peer.pid) : std::string());
    }
    if (errno == ENOENT) return {};
    if (errno != ECONNREFUSED) return in_use({});  // EAGAIN: its queue is full; EPROTOTYPE: a socket of another type
    log::info("Unlinking stale socket {}", endpoint.path);
    if (::unlink(endpoint.path.c_str()) < 0 && errno != ENOENT) return fail_errno("removing the stale socket " + endpoint.path, errno);
    return {};
}

Status make_symlinks(const Endpoint& endpoint, const SocketOptions& options)
{
    if (endpoint.path.front() != '/') return {};
    for (const std::string& link : options.symlinks) {
        struct stat status{};
        if (stat_path(link, status)) {
            if (!S_ISLNK(status.st_mode)) return fail("{} exists and is not a link", link);
            ::unlink(link.c_str());
        }
        if (auto made = make_parents(link, options.dir_mode); !made) return made;
        if (::symlink(endpoint.path.c_str(), link.c_str()) < 0) return fail_errno("making the link " + link, errno);
    }
    return {};
}

/// Holds what is at the path, whatever somebody does with the name meanwhile.
UniqueFd hold_path(const std::string& path) { return UniqueFd(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC)); }

bool is_bound_file(int fd, const Endpoint& endpoint, const struct stat& file)
{
    struct stat own{};
    if (::fstat(fd, &own) < 0) return false;
    if (endpoint.family == Family::Fifo) return own.st_dev == file.st_dev && own.st_ino == file.st_ino;
    const auto socket = diagnostics::unix_socket(static_cast<std::uint32_t>(own.st_ino));
    // The kernel's own form of a device number, 12 bits major and 20 minor.
    const auto device = static_cast<std::uint32_t>(major(file.st_dev) << 20 | minor(file.st_dev));
    return socket && socket->file_inode != 0 && socket->file_inode == static_cast<std::uint32_t>(file.st_ino) && socket->file_device == device;
}

}  // namespace

bool stat_path(const std::string& path, struct stat& status) { return ::lstat(path.c_str(), &status) == 0; }

void remove_symlinks(const Endpoint& endpoint, const SocketOptions& options)
{
    for (const std::string& link : options.symlinks) {
        std::array<char, 256> target{};
        const auto length = ::readlink(link.c_str(), target.data(), target.size());
        if (length > 0 && endpoint.path == std::string_view(target.data(), static_cast<std::size_t>(length))) ::unlink(link.c_str());
    }
}

bool is_own_path(int fd, const Endpoint& endpoint)
{
    struct stat file{};
    return !endpoint.path.empty() && endpoint.path.front() == '/' && stat_path(endpoint.path, file) && is_bound_file(fd, endpoint, file);
}

Status set_path_owner(int fd, const Endpoint& endpoint, const SocketOptions& options)
{
    if (endpoint.path.empty() || endpoint.path.front() != '/') return {};
    const UniqueFd held = hold_path(endpoint.path);
    struct stat file{};
    if (!held || ::fstat(held.get(), &file) < 0 || !is_bound_file(fd, endpoint, file)) {
        return fail("{} is no longer this socket's", endpoint.path);
    }
    if (options.owner || options.group) {
        const uid_t owner = options.owner.value_or(static_cast<uid_t>(-1));
        const gid_t group = options.group.value_or(static_cast<gid_t>(-1));
        if (::fchownat(held.get(), "", owner, group, AT_EMPTY_PATH) < 0) return fail_errno("chown " + endpoint.path, errno);
    }
    if ((file.st_mode & 07777) == options.mode) return {};
    if (::chmod(fmt::format("/proc/self/fd/{}", held.get()).c_str(), options.mode) < 0) return fail_errno("chmod " + endpoint.path, errno);
    return {};
}

Result<UniqueFd> open_unix(const Endpoint& endpoint, const SocketOptions& options)
{
    auto address = socket_address(endpoint);
    if (!address) return tl::unexpected(std::move(address).error());
    UniqueFd fd(::socket(AF_UNIX, kernel_type(endpoint.type) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) return fail_errno("socket", errno);
    const bool is_abstract = endpoint.path.front() == '@';
    if (!is_abstract) {
        if (auto made = make_parents(endpoint.path, options.dir_mode); !made) return tl::unexpected(std::move(made).error());
        if (auto removed = remove_stale(endpoint, *address); !removed) return tl::unexpected(std::move(removed).error());
        // Before bind the socket's own mode decides the file's; so there is no moment with another one.
        if (::fchmod(fd.get(), options.mode) < 0) return fail_errno("fchmod", errno);
    }
    {
        const NoUmask as_asked;
        if (::bind(fd.get(), address->get(), address->length) < 0) {
            if (errno == EADDRINUSE) return in_use({});
            return fail_errno("bind", errno);
        }
    }
    Status owned = is_abstract ? Status{} : set_path_owner(fd.get(), endpoint, options);
    if (owned) owned = make_symlinks(endpoint, options);
    if (owned) return fd;
    if (!is_abstract) ::unlink(endpoint.path.c_str());
    return tl::unexpected(std::move(owned).error());
}

Result<UniqueFd> open_fifo(const Endpoint& endpoint, const SocketOptions& options)
{
    if (auto made = make_parents(endpoint.path, options.dir_mode); !made) return tl::unexpected(std::move(made).error());
    // Closed to others until the mode is set below.
    if (::mkfifo(endpoint.path.c_str(), 0600) < 0 && errno != EEXIST) return fail_errno("mkfifo", errno);
    // O_RDWR, so that it never reports end of file when a writer leaves.
    UniqueFd fd(::open(endpoint.path.c_str(), O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) return fail_errno("open", errno);
    struct stat status{};
    if (::fstat(fd.get(), &status) < 0) return fail_errno("fstat", errno);
    if (!S_ISFIFO(status.st_mode)) return fail("{} exists and is not a FIFO", endpoint.path);
    if (options.pipe_buffer > 0) ::fcntl(fd.get(), F_SETPIPE_SZ, options.pipe_buffer);
    if (auto owned = set_path_owner(fd.get(), endpoint, options); !owned) return tl::unexpected(std::move(owned).error());
    if (auto linked = make_symlinks(endpoint, options); !linked) return tl::unexpected(std::move(linked).error());
    return fd;
}

}  // namespace xsv::sys
