#pragma once

#include "config/load.h"
#include "wire/value.h"

namespace xsv::xsvctl {

/// A configuration as it was understood: every mistake, and every value of [supervisord], the servers and the programs
/// under its key's name, defaults and expansions included. Passwords are left out.
wire::Value config_value(const config::Loaded& loaded);

}  // namespace xsv::xsvctl
