#include "builtin/datagrams.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>

#include <netinet/in.h>
#include <sys/socket.h>

namespace xsv::builtin {
namespace {

constexpr int kAtOnce = 64;
char buffer[64 * 1024];

/// echo, discard, systat, daytime, netstat, qotd, chargen, time: whoever speaks from there answers answers.
constexpr int kAnsweringPorts[] = {0, 7, 9, 11, 13, 15, 17, 19, 37};

bool is_one_host(std::uint32_t address) { return address >> 24 != 0 && address >> 24 < 224; }

bool is_one_host(const in6_addr& address)
{
    if (IN6_IS_ADDR_V4MAPPED(&address)) {
        std::uint32_t four = 0;
        std::memcpy(&four, address.s6_addr + 12, sizeof four);
        return is_one_host(ntohl(four));
    }
    return !IN6_IS_ADDR_MULTICAST(&address) && !IN6_IS_ADDR_UNSPECIFIED(&address);
}

bool may_be_answered(const sockaddr_storage& from, int own_port)
{
    int port = 0;
    if (from.ss_family == AF_INET) {
        const auto& four = reinterpret_cast<const sockaddr_in&>(from);
        port = ntohs(four.sin_port);
        if (!is_one_host(ntohl(four.sin_addr.s_addr))) return false;
    } else if (from.ss_family == AF_INET6) {
        const auto& six = reinterpret_cast<const sockaddr_in6&>(from);
        port = ntohs(six.sin6_port);
        if (!is_one_host(six.sin6_addr)) return false;
    } else {
        return true;
    }
    return port != own_port && std::find(std::begin(kAnsweringPorts), std::end(kAnsweringPorts), port) == std::end(kAnsweringPorts);
}

/// Was it sent to us and nobody else? The answer goes out from that address: the message carries it back to the kernel.
bool is_for_us_alone(msghdr& message)
{
    for (cmsghdr* control = CMSG_FIRSTHDR(&message); control != nullptr; control = CMSG_NXTHDR(&message, control)) {
        if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
            in_pktinfo info{};
            std::memcpy(&info, CMSG_DATA(control), sizeof info);
            if (info.ipi_spec_dst.s_addr == 0) {  // it came before the kernel was asked for these
                info.ipi_spec_dst = info.ipi_addr;
                std::memcpy(CMSG_DATA(control), &info, sizeof info);
            }
            return is_one_host(ntohl(info.ipi_addr.s_addr)) && info.ipi_addr.s_addr == info.ipi_spec_dst.s_addr;
        }
        if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO) {
            in6_pktinfo info{};
            std::memcpy(&info, CMSG_DATA(control), sizeof info);
            return is_one_host(info.ipi6_addr);
        }
    }
    return true;
}

}  // namespace

Datagrams::Datagrams(Service service, int fd) : service_(service), fd_(fd)
{
    sockaddr_storage own{};
    socklen_t length = sizeof own;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &length);
    const int yes = 1;
    if (own.ss_family == AF_INET) {
        own_port_ = ntohs(reinterpret_cast<const sockaddr_in&>(own).sin_port);
        ::setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &yes, sizeof yes);
    } else if (own.ss_family == AF_INET6) {
        own_port_ = ntohs(reinterpret_cast<const sockaddr_in6&>(own).sin6_port);
        ::setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &yes, sizeof yes);
    }
}

void Datagrams::serve()
{
    for (int n = 0; n < kAtOnce; ++n) {
        sockaddr_storage from{};
        alignas(cmsghdr) char space[CMSG_SPACE(sizeof(in6_pktinfo))] = {};
        iovec bytes{buffer, sizeof buffer};
        msghdr message{};
        message.msg_name = &from;
        message.msg_namelen = sizeof from;
        message.msg_iov = &bytes;
        message.msg_iovlen = 1;
        message.msg_control = space;
        message.msg_controllen = sizeof space;
        const ssize_t got = ::recvmsg(fd_, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (got < 0 && errno == EAGAIN) return;
        if (got < 0 || service_ == Service::Discard || service_ == Service::Sensor) continue;
        if (message.msg_namelen <= sizeof(sa_family_t) || !may_be_answered(from, own_port_) || !is_for_us_alone(message)) continue;

        std::string text;
        if (service_ == Service::Chargen) ring_.append_line(text);
        if (service_ == Service::Daytime) text = daytime();
        if (service_ == Service::Time) text = time_of_rfc868();
        bytes = service_ == Service::Echo ? iovec{buffer, static_cast<std::size_t>(got)} : iovec{text.data(), text.size()};
        (void)::sendmsg(fd_, &message, MSG_DONTWAIT | MSG_NOSIGNAL);  // whoever cannot take it now goes without, as on any network
    }
}

}  // namespace xsv::builtin
