#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "sys/endpoint.h"
#include "sys/fd.h"
#include "sys/socket_address.h"

namespace xsv::proxy {

/// Where connections go. Without an address ("tcp:8080") that is this machine, IPv4 first.
class Target {
public:
    static Result<Target> parse(const std::string& endpoint);

    const std::string& text() const { return text_; }
    bool is_datagram() const { return endpoint_.type == sys::SocketType::Datagram; }
    bool is_unix() const { return endpoint_.family == sys::Family::Unix; }
    std::size_t candidates() const { return addresses_.size(); }
    /// A connection on its way to that candidate (it is writable when it is there); Error::code is the errno. The one that
    /// answered last comes first.
    Result<sys::UniqueFd> connect(std::size_t candidate) const;
    void answered(std::size_t candidate) { first_ = (first_ + candidate) % addresses_.size(); }

private:
    std::string text_;
    sys::Endpoint endpoint_;
    std::vector<sys::SocketAddress> addresses_;
    std::size_t first_ = 0;
};

/// Is it only a matter of waiting: nobody listens yet, or this machine is short of something?
bool may_pass(int error);
bool is_shortage(int error);

}  // namespace xsv::proxy
