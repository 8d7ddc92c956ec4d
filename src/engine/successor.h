#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include <sys/types.h>

#include "base/result.h"

namespace xsv::engine {

/// Looking for the process that a program which puts itself into the background has left (ready = fork). Orphans come to
/// the guardian, so they are among its children.
struct Search {
    pid_t guardian = 0;
    std::uint64_t since_ticks = 0;               ///< when the first process was started: an older one is not of it
    std::optional<uid_t> uid;                    ///< whose it must be
    std::string invocation;                      ///< INVOCATION_ID it was started with
    std::function<bool(pid_t)> is_known;         ///< a process that stands in a slot
};

/// The one that the file names. Error: there is no such file yet, or it names nobody that could be it.
Result<pid_t> read_pid_file(const Search& search, const std::string& path);
/// The only one there is. Error: none, or several.
Result<pid_t> guess_successor(const Search& search);

}  // namespace xsv::engine
