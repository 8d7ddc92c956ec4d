#pragma once

#include <optional>
#include <string>

#include "config/spec.h"
#include "engine/admission.h"
#include "engine/lifecycle.h"

/// xinetd's lines about connections, which people grep: "START: ftp pid=12 from=192.0.2.1". Nothing: this service does
/// not want that line.
namespace xsv::engine {

std::optional<std::string> start_line(const config::ServiceSpec& spec, const sys::Peer& peer, pid_t pid);
std::optional<std::string> exit_line(const config::ServiceSpec& spec, pid_t pid, const ExitStatus& status, Duration life);
/// `peer`: Kind::None where he was turned away before anybody asked who he is.
std::optional<std::string> fail_line(const config::ServiceSpec& spec, const sys::Peer& peer, Reason why);

/// In front of a line in a file: "26/11/21@15:04:05: ", local time.
std::string line_stamp(std::int64_t wall_seconds);

}  // namespace xsv::engine
