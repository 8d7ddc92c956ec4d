// What can wake a program besides callers: devices and files of the kernel, message queues, netlink; and the sockets of virtual
// machines. What this kernel lacks is one error when it is opened, and tried again like any other.

#include <cerrno>

#include <fcntl.h>
#include <mqueue.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/socket_address.h"

namespace xsv::sys {
namespace {

/// Nobody can wait for an ordinary file.
Status check_waitable(int fd)
{
    const UniqueFd poll(::epoll_create1(EPOLL_CLOEXEC));
    if (!poll) return fail_errno("epoll_create1", errno);
    epoll_event nothing{};
    if (::epoll_ctl(poll.get(), EPOLL_CTL_ADD, fd, &nothing) == 0) return {};
    if (errno == EPERM) return fail("expected a device or a file of the kernel that tells of changes");
    return fail_errno("epoll_ctl", errno);
}

Result<UniqueFd> open_file(const Endpoint& endpoint, const SocketOptions& options)
{
    const int access = options.write ? O_RDWR : O_RDONLY;
    UniqueFd fd(::open(endpoint.path.c_str(), access | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC));
    if (!fd) return fail_errno("open", errno);
    struct stat status{};
    if (::fstat(fd.get(), &status) < 0) return fail_errno("fstat", errno);
    if (!S_ISCHR(status.st_mode) && !S_ISREG(status.st_mode)) return fail("expected a device or a file of the kernel");
    if (auto waitable = check_waitable(fd.get()); !waitable) return tl::unexpected(std::move(waitable).error());
    return fd;
}

Result<UniqueFd> open_queue(const Endpoint& endpoint, const SocketOptions& options)
{
    mq_attr wanted{};
    wanted.mq_maxmsg = options.queue_length > 0 ? options.queue_length : 10;
    wanted.mq_msgsize = options.message_size > 0 ? options.message_size : 8192;
    const bool sized = options.queue_length > 0 || options.message_size > 0;
    // Closed to others until the mode is set below, whatever the umask lets through.
    UniqueFd fd(::mq_open(endpoint.path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_CREAT, 0600, sized ? &wanted : nullptr));
    if (!fd) return fail_errno("mq_open", errno);
    if (options.owner || options.group) {
        const uid_t owner = options.owner.value_or(static_cast<uid_t>(-1));
        const gid_t group = options.group.value_or(static_cast<gid_t>(-1));
        if (::fchown(fd.get(), owner, group) < 0) return fail_errno("chown", errno);
    }
    if (::fchmod(fd.get(), options.mode) < 0) return fail_errno("chmod", errno);
    return fd;
}

Result<UniqueFd> open_bound(const Endpoint& endpoint)
{
    auto address = socket_address(endpoint);
    if (!address) return tl::unexpected(std::move(address).error());
    UniqueFd fd(::socket(address->family(), kernel_type(endpoint.type) | SOCK_NONBLOCK | SOCK_CLOEXEC, kernel_protocol(endpoint)));
    if (!fd && (errno == EAFNOSUPPORT || errno == EPROTONOSUPPORT || errno == ESOCKTNOSUPPORT))
        return fail_errno("this kernel has no such sockets", errno);
    if (!fd) return fail_errno("socket", errno);
    if (::bind(fd.get(), address->get(), address->length) < 0) return fail_errno("bind", errno);
    return fd;
}

}  // namespace

Result<UniqueFd> open_special(const Endpoint& endpoint, const SocketOptions& options)
{
    if (endpoint.family == Family::File) return open_file(endpoint, options);
    if (endpoint.family == Family::Queue) return open_queue(endpoint, options);
    return open_bound(endpoint);
}

bool is_special_file(int fd, const Endpoint& endpoint)
{
    struct stat own{}, named{};
    if (::fstat(fd, &own) < 0) return false;
    if (endpoint.family == Family::File) return stat_path(endpoint.path, named) && own.st_dev == named.st_dev && own.st_ino == named.st_ino;
    const UniqueFd queue(::mq_open(endpoint.path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    return queue && ::fstat(queue.get(), &named) == 0 && own.st_dev == named.st_dev && own.st_ino == named.st_ino;
}

}  // namespace xsv::sys
