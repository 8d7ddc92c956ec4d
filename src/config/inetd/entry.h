#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/inetd/lines.h"

namespace xsv::config::inetd {

/// A field that cannot be carried over, or only differently.
struct Complaint {
    Remark::Weight weight = Remark::Weight::Mistake;
    std::string field;
    std::string text;
};

/// The fields of one line (on-demand.md 1.1), understood as far as the line alone tells.
struct Entry {
    enum class Transport : std::uint8_t { Tcp, Udp, Unix };
    enum class Address : std::uint8_t { Both, Four, Six, OneForBoth };   ///< tcp, tcp4, tcp6, tcp46

    Place place;
    bool off = false;
    std::string service;              ///< "ftp", "21", "/run/x.sock", "rstatd", "date" of tcpmux/date
    std::string versions;             ///< of an RPC service
    std::optional<std::string> hosts; ///< before the service; none: the file's default
    bool tcpmux = false, tcpmux_greets = false;
    std::string type;                 ///< "stream", "dgram", "seqpacket"
    Transport transport = Transport::Tcp;
    Address address = Address::Both;
    std::vector<std::string> socket_options;
    bool wait = false;
    std::optional<std::int64_t> starts_per_minute;   ///< .N and :N
    std::int64_t default_rate = 256;  ///< the same, where nothing is said: of OpenBSD's inetd, or of NetBSD's
    std::int64_t children = 0, source_rate = 0, source_children = 0;   ///< /C/R/P; 0: no limit
    std::string user, group, login_class;
    bool group_by_dot = false;        ///< "a.b" may also be the name of one user
    std::string server;
    std::vector<std::string> arguments;   ///< argv, never empty unless internal
    std::vector<Complaint> complaints;

    bool is_internal() const { return server == "internal"; }
    bool is_rpc() const { return !versions.empty(); }
    std::string_view protocol() const;    ///< "tcp", "udp", "unix"
};

/// Nothing but a complaint when the line is no entry at all.
Entry read_entry(const Line& line);

/// A line "host:" sets the default of the lines below it: the host, "*" for all.
std::optional<std::string> default_host(const Line& line);

}  // namespace xsv::config::inetd
