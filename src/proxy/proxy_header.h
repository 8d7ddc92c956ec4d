#pragma once

#include <string>

#include "sys/fd.h"

namespace xsv::proxy {

enum class Protocol { None, V1, V2 };

/// What HAProxy's PROXY protocol says first of a connection: who called whom. IPv4 callers of a dual-stack socket are IPv4
/// callers; of others than IPv4 and IPv6 it says that nothing is known.
std::string proxy_header(Protocol protocol, int caller);

}  // namespace xsv::proxy
