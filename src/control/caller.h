#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

#include "base/result.h"
#include "config/spec.h"
#include "sys/fd.h"

namespace xsv::control {

/// Somebody at the other end of a unix server's connection, as the kernel tells it (rule C3).
struct Caller {
    sys::UniqueFd connection;   ///< a duplicate: what he was allowed ends with it
    uid_t uid = 0;
    std::vector<gid_t> groups;  ///< primary one first
    std::string text;           ///< "uid 0 pid 17 (supervisorctl)", for the audit
    std::string address;        ///< of the server he called, as bound

    /// He has closed it; whoever has only ended his sending side still waits for an answer.
    bool has_left() const;
};

/// `connection` comes from a process that reads strangers' bytes: it must be one that a listening unix socket has accepted.
Result<Caller> identify(sys::UniqueFd connection);

/// Where a unix socket is bound; empty when it is nowhere, or no unix socket. An accepted one has its listener's address.
std::string bound_address(int fd);

/// What he may do at this server; nullopt: nothing (rule C4). Without peers= whoever the file's mode lets in has the server's role.
std::optional<config::Role> role_of(const Caller& caller, const config::ServerSpec& server);

}  // namespace xsv::control
