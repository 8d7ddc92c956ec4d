#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace xsv::xsvctl {

/// The daemon that belongs to this client: beside it, else in ../sbin, else the one in PATH.
std::string find_daemon_program();

/// Runs a program in the foreground and returns its exit code, 128 + signal when one ended it.
Result<int> run_in_foreground(const std::string& program, const std::vector<std::string>& arguments);

}  // namespace xsv::xsvctl
