#pragma once

#include <string>
#include <vector>

#include "sys/fd.h"
#include "sys/socket_address.h"

namespace xsv::proxy {

/// Where connections go. Without an address ("tcp:8080") that is this machine, IPv4 first.
class Target {
public:
    /// The canonical text of an endpoint (sys::Endpoint::text()): "tcp:8080", "tcp4:127.0.0.1:8080", "tcp:[::1]:8080", "udp:53",
    /// "unix:/path", "unix:@name". Nothing else has come from the engine; anything else has no candidates.
    explicit Target(std::string text);

    const std::string& text() const { return text_; }
    bool is_unix() const { return is_unix_; }
    std::size_t candidates() const { return addresses_.size(); }
    /// A connection on its way to that candidate (it is writable when it is there), or an empty one and `error`. The one that
    /// answered last comes first.
    sys::UniqueFd connect(std::size_t candidate, int& error) const;
    void answered(std::size_t candidate) { first_ = (first_ + candidate) % addresses_.size(); }

private:
    void add_unix(std::string_view path);
    void add_inet(std::string_view rest, int only);

    std::string text_;
    bool is_unix_ = false, is_datagram_ = false;
    std::vector<sys::SocketAddress> addresses_;
    std::size_t first_ = 0;
};

/// Is it only a matter of waiting: nobody listens yet, or this machine is short of something?
bool may_pass(int error);
bool is_shortage(int error);

}  // namespace xsv::proxy
