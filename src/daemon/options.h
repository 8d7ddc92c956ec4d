#pragma once

#include <string>
#include <vector>

#include "config/load.h"

namespace xsv::daemon {

/// The command line: supervisord's options with their meaning, and ours.
struct Options {
    enum class Mode { Serve, Check, Run, Help, Version, PrintConfig };
    Mode mode = Mode::Serve;
    std::string config_file;       ///< -c, or the one for --check; empty: the usual places
    std::string program;           ///< --run NAME
    bool nodaemon = false;
    config::Overrides overrides;   ///< of [supervisord]
};

Result<Options> parse_options(int argc, char** argv);
std::string usage_text(const std::string& program);

}  // namespace xsv::daemon
