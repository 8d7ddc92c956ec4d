#include "sys/endpoint.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "base/text.h"

namespace xsv::sys {
namespace {

struct Scheme {
    std::string_view word;
    SocketType type;
    Family family;
    Protocol protocol = Protocol::Usual;
};

constexpr Scheme kSchemes[] = {
    {"tcp", SocketType::Stream, Family::Dual},           {"tcp4", SocketType::Stream, Family::Inet4},
    {"tcp6", SocketType::Stream, Family::Inet6},         {"udp", SocketType::Datagram, Family::Dual},
    {"udp4", SocketType::Datagram, Family::Inet4},       {"udp6", SocketType::Datagram, Family::Inet6},
    {"unix", SocketType::Stream, Family::Unix},          {"unix-dgram", SocketType::Datagram, Family::Unix},
    {"unix-seqpacket", SocketType::SeqPacket, Family::Unix}, {"fifo", SocketType::Fifo, Family::Fifo},
    {"file", SocketType::File, Family::File},            {"mqueue", SocketType::Queue, Family::Queue},
    {"netlink", SocketType::Raw, Family::Netlink},       {"inherited", SocketType::Stream, Family::Inherited},
    {"tcpmux", SocketType::Passed, Family::Unix},
    {"vsock", SocketType::Stream, Family::Vsock},        {"vsock-dgram", SocketType::Datagram, Family::Vsock},
    {"vsock-seqpacket", SocketType::SeqPacket, Family::Vsock},
    {"sctp", SocketType::Stream, Family::Dual, Protocol::Sctp},   {"sctp4", SocketType::Stream, Family::Inet4, Protocol::Sctp},
    {"sctp6", SocketType::Stream, Family::Inet6, Protocol::Sctp}, {"mptcp", SocketType::Stream, Family::Dual, Protocol::Mptcp},
    {"mptcp4", SocketType::Stream, Family::Inet4, Protocol::Mptcp}, {"mptcp6", SocketType::Stream, Family::Inet6, Protocol::Mptcp},
    {"udplite", SocketType::Datagram, Family::Dual, Protocol::UdpLite}, {"udplite4", SocketType::Datagram, Family::Inet4, Protocol::UdpLite},
    {"udplite6", SocketType::Datagram, Family::Inet6, Protocol::UdpLite},
};

constexpr std::size_t kLongestUnixPath = sizeof(sockaddr_un::sun_path) - 1;
constexpr std::size_t kLongestFilePath = 120;  // "socket mqueue:" before it is a key of the guardian, which has 135 bytes

constexpr std::size_t kLongestName = 100;      // as are the names of sockets that our parent passes on

bool has_control_bytes(std::string_view text)
{
    return std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

Result<std::uint16_t> parse_port(std::string_view word, SocketType type, bool any_port)
{
    if (word.empty()) return fail("expected a port number or a name from /etc/services, got nothing");
    if (auto number = text::to_int(word)) {
        if (*number < (any_port ? 0 : 1) || *number > 65535) return fail("expected a port from 1 to 65535, got {}", word);
        return static_cast<std::uint16_t>(*number);
    }
    servent entry{}, *found = nullptr;
    std::array<char, 2048> buffer{};
    const char* protocol = type == SocketType::Datagram ? "udp" : "tcp";
    ::getservbyname_r(std::string(word).c_str(), protocol, &entry, buffer.data(), buffer.size(), &found);
    if (!found) return fail("expected a port number or a name from /etc/services, got '{}'", word);
    return ntohs(static_cast<std::uint16_t>(found->s_port));
}

/// The address as inet_ntop writes it, so that equal sockets have equal text.
Status set_host(Endpoint& endpoint, std::string_view host)
{
    if (host.empty() || host == "*") return {};
    if (text::iequals(host, "localhost")) {
        host = endpoint.family == Family::Inet6 ? "::1" : "127.0.0.1";
    }
    std::string address(host), zone;
    if (const auto percent = address.find('%'); percent != std::string::npos) {
        zone = address.substr(percent + 1);
        address.resize(percent);
        if (zone.empty() || zone.size() >= IF_NAMESIZE) return fail("'%{}' is not the name of an interface", zone);
    }
    std::array<char, INET6_ADDRSTRLEN> buffer{};
    if (in_addr four{}; zone.empty() && ::inet_pton(AF_INET, address.c_str(), &four) == 1) {
        if (endpoint.family == Family::Inet6) return fail("'{}' is an IPv4 address, expected an IPv6 one", host);
        endpoint.family = Family::Inet4;
        if (four.s_addr != INADDR_ANY) endpoint.host = ::inet_ntop(AF_INET, &four, buffer.data(), buffer.size());
        return {};
    }
    if (in6_addr six{}; ::inet_pton(AF_INET6, address.c_str(), &six) == 1) {
        if (endpoint.family == Family::Inet4) return fail("'{}' is an IPv6 address, expected an IPv4 one", host);
        endpoint.family = Family::Inet6;
        if (IN6_IS_ADDR_UNSPECIFIED(&six)) return {};
        endpoint.host = ::inet_ntop(AF_INET6, &six, buffer.data(), buffer.size());
        if (!zone.empty()) endpoint.host += "%" + zone;
        return {};
    }
    return fail("expected a numeric address, localhost or *, got '{}'", host);
}

Status parse_inet(Endpoint& endpoint, std::string_view rest, bool any_port)
{
    std::string_view host, port = rest;
    if (!rest.empty() && rest.front() == '[') {
        const auto close = rest.find("]:");
        if (close == std::string_view::npos) return fail("expected [address]:port, got '{}'", rest);
        host = rest.substr(1, close - 1);
        port = rest.substr(close + 2);
        if (endpoint.family == Family::Dual) endpoint.family = Family::Inet6;
    } else if (const auto colon = rest.rfind(':'); colon != std::string_view::npos) {
        host = rest.substr(0, colon);
        port = rest.substr(colon + 1);
        if (host.find(':') != std::string_view::npos) {
            return fail("expected an IPv6 address in brackets, as in [{}]:{}", host, port);
        }
    }
    auto number = parse_port(port, endpoint.type, any_port);
    if (!number) return tl::unexpected(std::move(number).error());
    endpoint.port = *number;
    return set_host(endpoint, host);
}

Status parse_path(Endpoint& endpoint, std::string_view rest)
{
    const bool is_file = endpoint.family != Family::Unix;
    const std::size_t longest = is_file ? kLongestFilePath : kLongestUnixPath;
    const bool is_abstract = !is_file && !rest.empty() && rest.front() == '@';
    if (is_abstract ? rest.size() < 2 : (rest.size() < 2 || rest.front() != '/')) {
        return fail("expected an absolute path{}, got '{}'", is_file ? "" : " or @name", rest);
    }
    if (has_control_bytes(rest)) return fail("a path may not contain control characters");
    std::string path(rest);
    if (!is_abstract) {
        while (path.find("//") != std::string::npos) path = text::replace_all(path, "//", "/");
        while (path.find("/./") != std::string::npos) path = text::replace_all(path, "/./", "/");
        if (path.back() == '/') return fail("'{}' names a directory", rest);
    }
    if (path.size() > longest) return fail("'{}' is {} bytes long, at most {} are possible", path, path.size(), longest);
    if (endpoint.family == Family::Queue && path.find('/', 1) != std::string::npos) return fail("expected one '/' at the beginning, got '{}'", rest);
    endpoint.path = path;
    return {};
}

/// The path is the daemon's to choose; whoever opens the socket puts the folder in front.
Status parse_mux(Endpoint& endpoint, std::string_view rest)
{
    constexpr std::size_t kLongest = 40;
    const std::string_view name = rest.substr(rest.starts_with('+') ? 1 : 0);
    if (name.empty() || name.size() > kLongest || has_control_bytes(name) || name.find_first_of("/ +") != std::string_view::npos)
        return fail("expected NAME or +NAME, at most {} letters without blanks and slashes, got '{}'", kLongest, rest);
    endpoint.path = rest;
    return {};
}

Result<std::uint32_t> parse_word(std::string_view word, std::string_view what)
{
    const auto number = text::to_int(word);
    if (!number || *number < 0 || *number >= UINT32_MAX) return fail("expected {}, got '{}'", what, word);
    return static_cast<std::uint32_t>(*number);
}

/// "any:22", "3:22"
Status parse_vsock(Endpoint& endpoint, std::string_view rest)
{
    const auto colon = rest.find(':');
    if (colon == std::string_view::npos) return fail("expected CID:port, got '{}'", rest);
    const std::string_view cid = rest.substr(0, colon);
    if (cid != "any" && !cid.empty()) {
        const auto number = parse_word(cid, "a context number or any");
        if (!number) return tl::unexpected(number.error());
        endpoint.host = std::to_string(*number);
    }
    const auto port = parse_word(rest.substr(colon + 1), "a port");
    if (!port) return tl::unexpected(port.error());
    endpoint.number = *port;
    return {};
}

/// "kobject-uevent/1": the number is a mask of multicast groups, as systemd reads it.
Status parse_netlink(Endpoint& endpoint, std::string_view rest)
{
    const auto slash = rest.find('/');
    endpoint.host = rest.substr(0, slash);
    if (!netlink_protocol(endpoint.host)) return fail("expected the name of a netlink family such as route or kobject-uevent, got '{}'", endpoint.host);
    if (slash == std::string_view::npos) return {};
    const auto groups = parse_word(rest.substr(slash + 1), "a number of multicast groups");
    if (!groups) return tl::unexpected(groups.error());
    endpoint.number = *groups;
    return {};
}

Status parse_name(Endpoint& endpoint, std::string_view rest)
{
    if (rest.empty() || rest.size() > kLongestName || has_control_bytes(rest) || rest.find(':') != std::string_view::npos)
        return fail("expected the name of a socket, at most {} bytes without ':', got '{}'", kLongestName, rest);
    endpoint.path = rest;
    return {};
}

Status parse_rest(Endpoint& endpoint, std::string_view rest, bool any_port)
{
    if (endpoint.type == SocketType::Passed) return parse_mux(endpoint, rest);
    switch (endpoint.family) {
        case Family::Vsock: return parse_vsock(endpoint, rest);
        case Family::Netlink: return parse_netlink(endpoint, rest);
        case Family::Unix: case Family::Fifo: case Family::File: case Family::Queue: return parse_path(endpoint, rest);
        case Family::Inherited: return parse_name(endpoint, rest);
        case Family::Dual: case Family::Inet4: case Family::Inet6: break;
    }
    return parse_inet(endpoint, rest, any_port);
}

}  // namespace

std::optional<int> netlink_protocol(std::string_view name)
{
    static constexpr std::pair<std::string_view, int> kNames[] = {
        {"route", 0}, {"firewall", 3}, {"inet-diag", 4}, {"nflog", 5}, {"xfrm", 6}, {"selinux", 7}, {"iscsi", 8}, {"audit", 9},
        {"fib-lookup", 10}, {"connector", 11}, {"netfilter", 12}, {"ip6-fw", 13}, {"dnrtmsg", 14}, {"kobject-uevent", 15},
        {"generic", 16}, {"scsitransport", 18}, {"ecryptfs", 19}, {"rdma", 20},
    };
    for (const auto& [word, number] : kNames)
        if (word == name) return number;
    return std::nullopt;
}

Result<Endpoint> Endpoint::parse(std::string_view written, bool any_port)
{
    Endpoint endpoint;
    std::string_view rest = text::trim(written);
    const auto equals = rest.find('=');
    if (equals != std::string_view::npos && equals < rest.find(':')) {
        endpoint.name = text::trim(rest.substr(0, equals));
        rest = text::trim(rest.substr(equals + 1));
        if (endpoint.name.empty() || has_control_bytes(endpoint.name)) return fail("'{}': the name before '=' is missing", written);
    }
    const auto colon = rest.find(':');
    const std::string word = text::lower(rest.substr(0, colon));
    const auto scheme = std::find_if(std::begin(kSchemes), std::end(kSchemes), [&](auto& s) { return s.word == word; });
    if (colon == std::string_view::npos || scheme == std::end(kSchemes)) {
        return fail("'{}': expected tcp:, tcp4:, tcp6:, udp:, udp4:, udp6:, unix:, unix-dgram:, unix-seqpacket:, fifo: or another kind of socket", written);
    }
    endpoint.type = scheme->type;
    endpoint.family = scheme->family;
    endpoint.protocol = scheme->protocol;
    rest.remove_prefix(colon + 1);
    if (rest.substr(0, 2) == "//") rest.remove_prefix(2);  // Supervisor's tcp://host:80 and unix:///run/x.sock
    if (Status parsed = parse_rest(endpoint, rest, any_port); !parsed) return wrap(parsed, fmt::format("'{}'", written));
    return endpoint;
}

std::string Endpoint::text() const
{
    if (family == Family::Fifo) return "fifo:" + path;
    if (family == Family::File) return "file:" + path;
    if (family == Family::Inherited) return "inherited:" + path;
    if (family == Family::Queue) return "mqueue:" + path;
    if (family == Family::Netlink) return number == 0 ? "netlink:" + host : fmt::format("netlink:{}/{}", host, number);
    if (family == Family::Vsock) {
        const char* word = type == SocketType::Stream ? "vsock" : type == SocketType::Datagram ? "vsock-dgram" : "vsock-seqpacket";
        return fmt::format("{}:{}:{}", word, host.empty() ? "any" : host, number);
    }
    if (type == SocketType::Passed) return "tcpmux:" + path.substr(path.rfind('/') + 1);
    if (family == Family::Unix) {
        const char* word = type == SocketType::Stream ? "unix:" : type == SocketType::Datagram ? "unix-dgram:" : "unix-seqpacket:";
        return word + path;
    }
    const char* word = protocol == Protocol::Sctp      ? "sctp"
                       : protocol == Protocol::Mptcp   ? "mptcp"
                       : protocol == Protocol::UdpLite ? "udplite"
                       : type == SocketType::Datagram  ? "udp"
                                                       : "tcp";
    const std::string where = label.empty() ? std::to_string(port) : fmt::format("{}#{}", port, label);
    if (!host.empty() && family == Family::Inet6) return fmt::format("{}:[{}]:{}", word, host, where);
    if (!host.empty()) return fmt::format("{}:{}:{}", word, host, where);
    return fmt::format("{}{}:{}", word, family == Family::Inet4 ? "4" : family == Family::Inet6 ? "6" : "", where);
}

}  // namespace xsv::sys
