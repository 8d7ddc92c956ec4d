#include "sys/service_manager.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/result.h"
#include "sys/fd.h"

namespace xsv::sys {
namespace {

constexpr int kPatience = 20;  // ms, should its queue be full

/// With the descriptor, and with the process in whose name it is said.
class Ancillary {
public:
    Ancillary(msghdr& message, int fd, pid_t main)
    {
        message.msg_control = bytes_;
        if (fd >= 0) add(SCM_RIGHTS, &fd, sizeof fd);
        const ucred sender{main, ::geteuid(), ::getegid()};
        if (main > 0) add(SCM_CREDENTIALS, &sender, sizeof sender);
        message.msg_controllen = size_;
        if (size_ == 0) message.msg_control = nullptr;
    }

private:
    void add(int type, const void* data, std::size_t size)
    {
        cmsghdr head{};
        head.cmsg_level = SOL_SOCKET;
        head.cmsg_type = type;
        head.cmsg_len = CMSG_LEN(size);
        std::memcpy(bytes_ + size_, &head, sizeof head);
        std::memcpy(bytes_ + size_ + CMSG_LEN(0), data, size);
        size_ += CMSG_SPACE(size);
    }

    alignas(cmsghdr) char bytes_[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(ucred))] = {};
    std::size_t size_ = 0;
};

}  // namespace

ServiceManager ServiceManager::from_environment(pid_t main)
{
    ServiceManager manager;
    const char* const address = ::getenv("NOTIFY_SOCKET");
    const bool is_usable = address != nullptr && (*address == '/' || *address == '@') && std::strlen(address) < sizeof(sockaddr_un::sun_path);
    if (is_usable) manager.address_ = address;
    manager.main_ = main;
    return manager;
}

void ServiceManager::store(const std::string& name, int fd) { send("FDSTORE=1\nFDPOLL=0\nFDNAME=" + name, fd); }

void ServiceManager::forget(const std::string& name) { send("FDSTOREREMOVE=1\nFDNAME=" + name, -1); }

void ServiceManager::send(std::string_view text, int fd)
{
    if (address_.empty()) return;
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    std::copy(address_.begin(), address_.end(), to.sun_path);
    if (to.sun_path[0] == '@') to.sun_path[0] = '\0';
    const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    iovec data{const_cast<char*>(text.data()), text.size()};
    msghdr message{};
    message.msg_name = &to;
    message.msg_namelen = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    const Ancillary ancillary(message, fd, ::geteuid() == 0 ? main_ : 0);
    if (::sendmsg(socket.get(), &message, MSG_NOSIGNAL) >= 0) return;
    if (errno == EAGAIN && !has_failed_) {
        pollfd room{socket.get(), POLLOUT, 0};
        ::poll(&room, 1, kPatience);
        if (::sendmsg(socket.get(), &message, MSG_NOSIGNAL) >= 0) return;
    }
    if (!std::exchange(has_failed_, true)) log::warn("the service manager cannot be told {}: {}", text.substr(0, text.find('=')), errno_text(errno));
}

}  // namespace xsv::sys
