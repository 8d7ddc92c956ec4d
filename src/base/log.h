#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include <fmt/core.h>

#include "base/result.h"

/// The daemon's own log. Supervisor's line format by default:
/// "2026-11-21 03:39:20,123 INFO spawned: 'x' with pid 17".
namespace xsv::log {

/// Supervisor's levels; names in files: blather trace debug info warn error critical.
enum class Level { blather = 3, trace = 5, debug = 10, info = 20, warn = 30, error = 40, critical = 50 };

struct Settings {
    Level level = Level::info;
    std::string file;              ///< absolute path; empty: none; "syslog": syslog(3)
    std::int64_t maxbytes = 50 << 20;  ///< 0: never rotate
    int backups = 10;
    bool to_stdout = false;        ///< the same lines on stdout (foreground, not silent)
    bool json = false;
    bool journal = false;          ///< also to the journal, where libsystemd and a journal exist
};

/// Opens the sinks; before the first call, lines of level warn and above go to stderr.
Status open(const Settings& settings);
void reopen();                      ///< SIGUSR2: close and open the file again
Status clear();                     ///< unlink and open anew
void set_level(Level level) noexcept;
/// Instead of sinks: hand every line to `call` (helper processes send theirs to the engine).
void divert(std::function<void(Level, std::string_view)> call);

bool enabled(Level level) noexcept;
/// Control bytes are escaped except newline, at most 4 KiB; rate-limited per format string (rule L8).
void write(Level level, fmt::string_view format, fmt::format_args args);
void write_line(Level level, std::string_view line);
/// The same, rate-limited like write() per `format` (which the line was made of) and `subject`.
void write_limited(Level level, std::string_view format, std::string_view subject, std::string_view line);

Result<Level> parse_level(std::string_view text);

#define XSV_LOG_LEVEL(name)                                                                     \
    template <class... A> void name(fmt::format_string<A...> format, A&&... args)               \
    {                                                                                           \
        if (enabled(Level::name)) write(Level::name, format, fmt::make_format_args(args...));   \
    }
XSV_LOG_LEVEL(trace)
XSV_LOG_LEVEL(debug)
XSV_LOG_LEVEL(info)
XSV_LOG_LEVEL(warn)
XSV_LOG_LEVEL(error)
XSV_LOG_LEVEL(critical)
#undef XSV_LOG_LEVEL

}  // namespace xsv::log
