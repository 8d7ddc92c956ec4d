#include "scribe/settings.h"

#include <algorithm>

#include "base/log_path.h"

namespace xsv::scribe {
namespace {

constexpr std::int64_t kMaxBackups = 10'000;

}  // namespace

std::string canonical_file(const std::string& file)
{
    if (const int stream = log::standard_stream(file); stream >= 0) return stream == 1 ? "/dev/stdout" : "/dev/stderr";
    std::string path;
    for (const char c : file)
        if (c != '/' || path.empty() || path.back() != '/') path += c;
    return path;
}

SinkSettings SinkSettings::from(const wire::Value& message)
{
    SinkSettings settings;
    settings.key = message.text("key");
    settings.name = message.text("name");
    settings.file = canonical_file(message.text("file"));
    settings.maxbytes = message.number("maxbytes");
    settings.backups = static_cast<int>(std::clamp<std::int64_t>(message.number("backups"), 0, kMaxBackups));
    settings.syslog = message.flag("syslog");
    settings.syslog_priority = static_cast<int>(std::clamp<std::int64_t>(message.number("syslog_priority", 14), 0, 191));
    settings.strip_ansi = message.flag("strip_ansi");
    settings.listener = message.flag("listener");
    settings.events = message.flag("events");
    if (settings.listener)
        settings.syslog = false;
    else
        settings.capture = std::max<std::int64_t>(message.number("capture"), 0);
    settings.on_full = message.text("on_full") == "block" ? OnFull::block : OnFull::drop;
    settings.mode = static_cast<mode_t>(message.number("mode", 0644)) & 0666;
    if (settings.mode == 0) settings.mode = 0644;
    return settings;
}

}  // namespace xsv::scribe
