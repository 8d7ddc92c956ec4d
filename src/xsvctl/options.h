#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace xsv::xsvctl {

/// The command line. Supervisor's options, with the meaning and the error texts of its own client, and a few of ours
/// that do not exist under the name supervisorctl.
struct Options {
    std::string program = "xsvctl";  ///< argv[0]
    bool as_supervisorctl = false;   ///< called by that name: exactly Supervisor's client, nothing on top
    std::optional<std::string> configuration, serverurl, username, password;
    std::string history_file;
    bool interactive = false;  ///< -i, or no command
    bool help = false, version = false;
    bool json = false;  ///< one JSON value on stdout instead of lines
    bool raw = false;   ///< control bytes go to the terminal as they are
    std::optional<std::string> completion;
    std::vector<std::string> words;  ///< the command and its arguments
};

/// Errors are the sentences Supervisor's client prints after "Error: ".
Result<Options> parse_options(const std::vector<std::string>& arguments);

/// As typed: "-c", "--configuration", …; for the shells' completion.
std::vector<std::string> option_words(bool only_with_value = false);

std::string usage_text(const Options& options);

/// True for "scheme:something"; what -s accepts.
bool looks_like_url(std::string_view text);

}  // namespace xsv::xsvctl
