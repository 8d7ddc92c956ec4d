#pragma once

#include <string>

#include "control/control.h"

namespace xsv::control {

std::string_view role_name(config::Role role);

/// A changing request in a line of the log (rule C9): who asked, what of what. Names and signals are told; what is sent to a
/// program is not, it may be a password.
std::string audit_text(const Request& request);
/// The line, when the outcome is known.
void audit(std::string_view request, std::string_view outcome);

}  // namespace xsv::control
