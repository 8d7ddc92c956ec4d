#pragma once

#include "base/result.h"
#include "sys/endpoint.h"
#include "sys/fd.h"

namespace xsv::sys {

/// A connection on its way to the endpoint; never blocks. Writable once it is decided. An endpoint without a host means
/// this machine.
Result<UniqueFd> begin_connect(const Endpoint& endpoint);
/// Of a connection that is decided: has it come about?
bool is_connected(int fd);

}  // namespace xsv::sys
