#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "event/channel.h"
#include "web/rules.h"
#include "web/tls.h"

namespace xsv::web {

/// One [unix_http_server] or [inet_http_server] of the configuration. Connections share it; a reload updates it in
/// place.
struct Server {
    std::int64_t index = 0;  ///< the engine's name for it
    std::string name;
    bool is_unix = false;
    std::string address;
    std::string username;  ///< empty: nobody is asked
    std::string password;  ///< plain, {SHA}hex or a crypt(3) hash
    HostList hosts;        ///< TCP only
    sys::UniqueFd socket;  ///< listening, non-blocking
    bool is_tls = false;
    std::shared_ptr<TlsContext> tls;  ///< null with is_tls: something is wrong with the certificate, and nobody is answered
    bool is_gone = false;  ///< no longer configured: its connections end

    bool is_same_as(const Server& other) const { return is_unix == other.is_unix && address == other.address; }
};

/// Who called, as the kernel says.
struct Peer {
    std::string text;    ///< "192.0.2.1:4711", "uid 1000 pid 17"
    std::string source;  ///< what limits count by: an address, the /64 of an IPv6 one, a user of a unix socket
    bool is_owner = false;  ///< root, or the user whose daemon this is
};
Peer peer_of(int fd);

}  // namespace xsv::web
