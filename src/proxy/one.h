#pragma once

#include <string>

#include "proxy/proxy_header.h"
#include "sys/fd.h"

namespace xsv::proxy {

/// Forwards this one connection until it ends. The exit status: 0, or 1 if nobody answered.
int forward_one(sys::UniqueFd caller, const std::string& target, Protocol protocol);

}  // namespace xsv::proxy
