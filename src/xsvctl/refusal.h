#pragma once

#include <string_view>

#include "xsvctl/session.h"

/// What the commands of ours have in common when something is refused.
namespace xsv::xsvctl {

Outcome complain_about_usage(Session& session, std::string_view command);

/// Handles what every method of ours may answer: an unknown method (then the daemon is Supervisor's), an unknown name,
/// mistakes in the configuration.
Outcome refuse(Session& session, Answer& failed, std::string_view name);

}  // namespace xsv::xsvctl
