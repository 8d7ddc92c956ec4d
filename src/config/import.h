#pragma once

#include <map>
#include <string>
#include <vector>

#include "config/dialect.h"

/// Files of other daemons on their own, without an xsvd.conf that includes them: for `xsvctl import` and `check`.
namespace xsv::config {

/// By what the file says, then by its name. The error names what was expected; our own dialect is one.
Result<Dialect> guess_dialect(const std::string& file, std::string_view text);
Result<Dialect> dialect_of(std::string_view name);   ///< "xinetd", "inetd" or "systemd"

using ForeignFiles = std::map<Dialect, std::vector<std::string>>;

/// As a configuration that does nothing but include them.
Loaded load_foreign(const ForeignFiles& files, const Surroundings& surroundings, const TranslationRules& rules = {});

/// A file of ours or of another daemon, as it is on this machine.
Loaded load_any(const std::string& file, const Overrides& overrides = {});

struct Import {
    std::string text;          ///< a configuration that loads to what the files themselves load to
    std::size_t carried = 0;   ///< programs
    std::size_t left = 0;      ///< entries and lines that stand there as comments, each with the reason
};

/// Every remark is a comment with the file and line of the original, above the program it concerns.
Import import_files(const ForeignFiles& files, const Surroundings& surroundings, const TranslationRules& rules = {});

}  // namespace xsv::config
