#include "sys/notify_socket.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.h"
#include "sys/files.h"

namespace xsv::sys {
namespace {

constexpr std::size_t kMostDescriptors = 253;  // the kernel's SCM_MAX_FD
constexpr int kReceiveBuffer = 1 << 20;

void take_ancillary(msghdr& message, Notification& result)
{
    for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
        if (part->cmsg_level != SOL_SOCKET) continue;
        if (part->cmsg_type == SCM_CREDENTIALS && part->cmsg_len >= CMSG_LEN(sizeof(ucred))) {
            ucred sender{};
            std::memcpy(&sender, CMSG_DATA(part), sizeof sender);
            result.pid = sender.pid;
            result.uid = sender.uid;
        }
        if (part->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
            result.fds.emplace_back(fd);
        }
    }
}

}  // namespace

Result<UniqueFd> open_notify_socket(const std::string& path, std::optional<uid_t> owner)
{
    UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return fail_errno("opening a notification socket", errno);
    const int on = 1;
    // Before it has a name: no datagram may come without its sender.
    if (::setsockopt(fd.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0) return fail_errno("SO_PASSCRED", errno);
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof kReceiveBuffer);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socklen_t length = offsetof(sockaddr_un, sun_path);
    if (path.size() >= sizeof address.sun_path) return fail("the path {} is longer than a socket's may be", path);
    if (!path.empty()) {
        std::memcpy(address.sun_path, path.data(), path.size());
        length = sizeof address;
        ::unlink(path.c_str());
    }
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), length) < 0) return fail_errno("binding " + path, errno);
    if (path.empty()) return fd;
    const mode_t mode = owner || ::geteuid() != 0 ? 0600 : 0666;
    if (::chmod(path.c_str(), mode) < 0) return fail_errno("chmod " + path, errno);
    if (owner && ::lchown(path.c_str(), *owner, static_cast<gid_t>(-1)) < 0) return fail_errno("chown " + path, errno);
    return fd;
}

std::string notify_address(int socket)
{
    sockaddr_un address{};
    socklen_t length = sizeof address;
    if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length) < 0) return {};
    const std::size_t size = std::min<std::size_t>(length, sizeof address) - offsetof(sockaddr_un, sun_path);
    if (length <= offsetof(sockaddr_un, sun_path)) return {};
    if (address.sun_path[0] != '\0') return {address.sun_path, ::strnlen(address.sun_path, size)};
    return "@" + std::string(address.sun_path + 1, size - 1);
}

std::optional<Notification> receive_notification(int socket)
{
    std::array<char, kLongestNotification + 1> text;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(ucred)) + CMSG_SPACE(kMostDescriptors * sizeof(int))> control;
    iovec data{text.data(), text.size()};
    msghdr message{nullptr, 0, &data, 1, control.data(), control.size(), 0};
    const ssize_t size = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size < 0) return std::nullopt;
    Notification result;
    take_ancillary(message, result);
    result.text.assign(text.data(), static_cast<std::size_t>(size));
    const bool cut = (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
    result.whole = !cut && result.text.size() <= kLongestNotification;
    return result;
}

pid_t pid_of(int pidfd)
{
    constexpr std::string_view kPid = "Pid:";
    const auto text = read_file(fmt::format("/proc/self/fdinfo/{}", pidfd), 4096);
    if (!text) return 0;
    for (const std::string& line : text::split(*text, '\n')) {
        if (!line.starts_with(kPid)) continue;
        const auto pid = text::to_int(text::trim(std::string_view(line).substr(kPid.size())));
        return pid && *pid > 0 ? static_cast<pid_t>(*pid) : 0;
    }
    return 0;
}

std::optional<ProcessFacts> process_facts(pid_t pid)
{
    const auto text = read_file(fmt::format("/proc/{}/stat", pid), 4096);
    if (!text) return std::nullopt;
    const auto end = text->rfind(')');  // the name before it may hold anything
    if (end == std::string::npos) return std::nullopt;
    const auto fields = text::words(std::string_view(*text).substr(end + 1));
    if (fields.size() < 20 || fields[0].size() != 1) return std::nullopt;
    const auto number = [&](std::size_t i) { return text::to_int(fields[i]).value_or(0); };
    return ProcessFacts{static_cast<pid_t>(number(1)), static_cast<pid_t>(number(2)), static_cast<pid_t>(number(3)), fields[0][0],
                        static_cast<std::uint64_t>(number(19))};
}

}  // namespace xsv::sys
