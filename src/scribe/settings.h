#pragma once

#include <cstdint>
#include <string>

#include <sys/types.h>

#include "wire/value.h"

namespace xsv::scribe {

/// What happens to output that cannot be written now: thrown away and counted, or left in the pipe (the program waits).
enum class OnFull { drop, block };

/// One stream of one program, as the engine names it ("sink" in wire/messages.h).
struct SinkSettings {
    std::string key;
    std::string name;  ///< the program's, in front of its lines in syslog
    std::string file;  ///< absolute path; empty: none
    std::int64_t maxbytes = 0;
    int backups = 0;
    bool syslog = false;
    int syslog_priority = 14;  ///< facility and level
    bool strip_ansi = false;
    std::int64_t capture = 0;  ///< bytes kept of what stands between the capture tokens; 0: they are ordinary text
    bool events = false;       ///< the engine wants to see the text too
    bool listener = false;     ///< the engine wants every byte as it is; no capture, no syslog
    OnFull on_full = OnFull::drop;
    mode_t mode = 0644;

    static SinkSettings from(const wire::Value& message);
    bool operator==(const SinkSettings&) const = default;
};

/// The one name for what /dev/stdout, /dev/fd/1 and /proc/self/fd/1 all mean; other paths without doubled slashes.
std::string canonical_file(const std::string& file);

}  // namespace xsv::scribe
