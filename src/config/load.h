#pragma once

#include <map>
#include <string>
#include <vector>

#include "config/spec.h"

namespace xsv::config {

/// What the command line says over the file ("-l", "-e", …): key of [supervisord] -> value as written.
struct Overrides {
    std::vector<std::pair<std::string, std::string>> values;
    std::string directory;            ///< where relative paths begin; empty: the current directory
};

struct Loaded {
    Config config;
    std::vector<Mistake> mistakes;    ///< errors; at start, those of single programs also stand in ServiceSpec::broken
    std::vector<Mistake> warnings;    ///< unknown keys with the nearest known one, empty includes, …
    std::vector<Mistake> notes;       ///< of other dialects: what works differently from the old daemon; for `check`
    std::vector<std::string> included;   ///< files beside the main one, in order
    bool fatal = false;               ///< [supervisord], a server section or the file itself is wrong: nothing can run
    std::vector<std::string> imported;   ///< those of `included` that are another daemon's

    /// Those that refuse a reload. Entries of another daemon's files are not among them: it would drop them alone, and some of
    /// them cannot be mended; they are FATAL with their reason.
    std::vector<Mistake> refusals() const;
};

/// Reads the file and everything it includes; never throws, never stops at the first mistake.
/// A caller that reloads goes on without `refusals`; a caller that starts goes on unless `fatal`.
Loaded load(const std::string& file, const Overrides& overrides = {});

/// Whether the value of a key of [supervisord] can be understood; the error is the setter's own.
Status check_setting(const std::string& key, const std::string& value);

/// A program's first word with its folder when PATH found it: configurations are also looked for beside the program. Links are
/// kept, their names say which program is meant.
std::string full_program_path(const std::string& program);

/// The places Supervisor and we look at, in order (design.md 3); empty when none exists.
std::string find_config_file(const std::string& program_path);
std::vector<std::string> default_config_places(const std::string& program_path);

/// [supervisorctl] of a file, for the client (no includes are read, as Supervisor does).
struct ClientSpec {
    std::string serverurl;             ///< empty: the default of the instance
    std::string username, password, prompt = "supervisor", history_file;
    std::string ca_certificate, certificate, certificate_key;   ///< of https; absolute paths
    bool has_section = false;
};
Result<ClientSpec> load_client(const std::string& file);

}  // namespace xsv::config
