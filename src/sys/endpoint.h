#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "base/result.h"
#include "base/time.h"
#include "sys/address.h"

namespace xsv::sys {

/// File: a device or a file of the kernel; Queue: a POSIX message queue; Raw: netlink.
/// Passed: connections that another program has accepted, each in a datagram of a unix socket (tcpmux).
enum class SocketType : std::uint8_t { Stream, Datagram, SeqPacket, Fifo, Raw, File, Queue, Passed };
/// Dual: no address was written ("tcp:80"); which sockets that means depends on the activation (see SocketTable::sockets_of in net/).
enum class Family : std::uint8_t { Dual, Inet4, Inet6, Unix, Fifo, Vsock, Netlink, File, Queue, Inherited };
/// Other than what the type means by itself (TCP, UDP).
enum class Protocol : std::uint8_t { Usual, Sctp, Mptcp, UdpLite };

/// Where callers come to: "tcp:80", "tcp4:127.0.0.1:80", "tcp:[::1]:80", "udp:69", "unix:/run/x.sock", "unix:@name",
/// "unix-dgram:…", "unix-seqpacket:…", "fifo:/run/x", "sctp:80", "mptcp:80", "udplite:80", "vsock:any:22", "vsock-dgram:…",
/// "vsock-seqpacket:…", "netlink:kobject-uevent/1", "file:/dev/x", "mqueue:/x", "tcpmux:name", "tcpmux:+name", "inherited:NAME" (passed on
/// by our parent; the name is `path`); also Supervisor's "tcp://host:80" and "unix:///run/x.sock".
/// Ports may be names from /etc/services; hosts are numeric addresses, "localhost" or "*".
struct Endpoint {
    SocketType type = SocketType::Stream;
    Family family = Family::Dual;
    std::string host;          ///< numeric address without brackets (with %zone), empty: any
    std::uint16_t port = 0;
    std::string path;          ///< unix path, "@name" for the abstract name space, or that of a fifo, file or queue
    std::string name;          ///< for LISTEN_FDNAMES ("web=tcp:80" in the configuration); empty: the program's name
    std::string label;         ///< with port 0, which is any free one: tells such sockets apart
    Protocol protocol = Protocol::Usual;
    std::uint32_t number = 0;  ///< vsock: the port (`host` is the CID); netlink: the groups (`host` is the family)

    /// One "[name=]endpoint". The error says which part is wrong and what was expected.
    /// Port 0 is for those who ask for any free one.
    static Result<Endpoint> parse(std::string_view text, bool any_port = false);
    /// The canonical spelling without the name: equal text means the same socket. Fits wire::kKeySize.
    std::string text() const;
    bool operator==(const Endpoint&) const = default;
    bool has_connections() const { return type == SocketType::Stream || type == SocketType::SeqPacket || type == SocketType::Passed; }
};

/// socket_options, socket_mode, socket_owner, socket_backlog: how a socket is opened. on-demand.md 7.3 has the words.
struct SocketOptions {
    int backlog = 0;                     ///< 0: the kernel's maximum (4,096 asked for)
    std::uint32_t mode = 0700;           ///< of a unix path or fifo
    std::optional<uid_t> owner;
    std::optional<gid_t> group;
    std::optional<bool> v6only;
    bool reuseport = false, freebind = false, transparent = false, broadcast = false, nodelay = false, keepalive = false;
    int keepalive_idle = 0, keepalive_interval = 0, keepalive_probes = 0;   ///< seconds, seconds, count; 0: the system's
    int defer_accept = 0;                ///< seconds
    int receive_buffer = 0, send_buffer = 0, pipe_buffer = 0, tos = -1, ttl = 0, priority = -1, mark = 0;
    std::string device, congestion;
    std::vector<std::string> symlinks;   ///< other names of the path
    bool pktinfo = false, passcred = false, passsec = false, passpidfd = false, no_passrights = false;
    enum class Stamps : std::uint8_t { None, Micro, Nano } timestamp = Stamps::None;
    int queue_length = 0, message_size = 0;   ///< of a message queue; 0: the system's
    bool write = false;                  ///< a file: is opened for writing too
    bool nonblock = false;               ///< O_NONBLOCK on what is passed to the program
    std::uint32_t dir_mode = 0755;
    bool keep_path = false;              ///< the path stays when the socket is closed
    std::vector<AddressRule> allow, deny;   ///< where the program accepts its callers itself; of inet sockets
    AccessOrder access_order = AccessOrder::MostSpecific;
    bool operator==(const SocketOptions&) const = default;
};

/// NETLINK_ROUTE of "route"; nullopt: no such family.
std::optional<int> netlink_protocol(std::string_view name);

/// Reads the words of "socket_options" into `options`: "nodelay, keepalive=60/10/5, device=eth0".
Status parse_socket_options(std::string_view text, SocketOptions& options);

}  // namespace xsv::sys
