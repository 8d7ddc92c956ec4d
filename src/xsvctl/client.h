#pragma once

#include <string>
#include <vector>

namespace xsv::xsvctl {

/// The whole program: argv in, exit code out.
int run_client(const std::vector<std::string>& arguments);

}  // namespace xsv::xsvctl
