#include "base/log.h"

#include <array>
#include <atomic>
#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include <fmt/format.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log_file.h"
#include "base/log_limit.h"
#include "base/syslog.h"
#include "base/text.h"
#include "base/time.h"

namespace xsv::log {
namespace {

constexpr std::size_t kMaxLine = 4096;
constexpr const char* kJournalSocket = "/run/systemd/journal/socket";

struct LevelWords {
    Level level;
    const char* word;  // in our lines
    const char* name;  // in files and JSON
    char priority;     // syslog's and the journal's
};
constexpr std::array<LevelWords, 7> kLevels{{
    {Level::critical, "CRIT", "critical", '2'},
    {Level::error, "ERRO", "error", '3'},
    {Level::warn, "WARN", "warn", '4'},
    {Level::info, "INFO", "info", '6'},
    {Level::debug, "DEBG", "debug", '7'},
    {Level::trace, "TRAC", "trace", '7'},
    {Level::blather, "BLAT", "blather", '7'},
}};

const LevelWords& words_of(Level level)
{
    for (const LevelWords& words : kLevels)
        if (words.level <= level) return words;
    return kLevels.back();
}

const LevelWords& words_of(spdlog::string_view_t word)
{
    for (const LevelWords& words : kLevels)
        if (std::string_view(word.data(), word.size()) == words.word) return words;
    return kLevels.back();
}

// Supervisor has seven levels and spdlog six, so the level's word travels as the logger's name (%n).
constexpr const char* kPlainPattern = "%Y-%m-%d %H:%M:%S,%e %n %v";
constexpr const char* kJsonPattern = R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%L","pid":%P,"message":"%J"})";

/// %J: the payload as the inside of a JSON string; %v would not be escaped.
class JsonPayload final : public spdlog::custom_flag_formatter {
public:
    void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override
    {
        for (const char c : message.payload) {
            switch (c) {
                case '"': append("\\\"", out); break;
                case '\\': append("\\\\", out); break;
                case '\n': append("\\n", out); break;
                case '\t': append("\\t", out); break;
                default:
                    if (static_cast<unsigned char>(c) < 0x20)
                        append(fmt::format("\\u{:04x}", static_cast<int>(c)), out);
                    else
                        out.push_back(c);
            }
        }
    }
    std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<JsonPayload>(); }

private:
    static void append(std::string_view text, spdlog::memory_buf_t& out)
    {
        out.append(text.data(), text.data() + text.size());
    }
};

/// %L: the level's long name.
class LevelName final : public spdlog::custom_flag_formatter {
public:
    void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override
    {
        const std::string_view name = words_of(message.logger_name).name;
        out.append(name.data(), name.data() + name.size());
    }
    std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<LevelName>(); }
};

std::unique_ptr<spdlog::formatter> formatter(bool json)
{
    auto made = std::make_unique<spdlog::pattern_formatter>();
    made->add_flag<JsonPayload>('J').add_flag<LevelName>('L').set_pattern(json ? kJsonPattern : kPlainPattern);
    return made;
}

using Sink = spdlog::sinks::base_sink<spdlog::details::null_mutex>;

class FileSink final : public Sink {
public:
    LogFile& file() { return file_; }

private:
    void sink_it_(const spdlog::details::log_msg& message) override
    {
        line_.clear();
        formatter_->format(message, line_);
        file_.write({line_.data(), line_.size()});
    }
    void flush_() override {}

    LogFile file_;
    spdlog::memory_buf_t line_;
};

/// One message per line, each with the prefix, facility user and priority info, as Supervisor sends them.
class SyslogSink final : public Sink {
    void sink_it_(const spdlog::details::log_msg& message) override
    {
        spdlog::memory_buf_t formatted;
        formatter_->format(message, formatted);
        for (const std::string& line : text::split({formatted.data(), formatted.size()}, '\n'))
            if (!line.empty()) syslog_.send(line);
    }
    void flush_() override {}

    Syslog syslog_;
};

/// The journal's datagram protocol. Without a listening journal every line is refused, and that is fine.
class JournalSink final : public Sink {
public:
    JournalSink() : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {}
    ~JournalSink() override
    {
        if (socket_ >= 0) ::close(socket_);
    }

private:
    void sink_it_(const spdlog::details::log_msg& message) override
    {
        const std::string_view payload{message.payload.data(), message.payload.size()};
        std::string datagram = fmt::format("PRIORITY={}\nSYSLOG_IDENTIFIER=xsvd\nMESSAGE",
                                           words_of(message.logger_name).priority);
        if (payload.find('\n') == std::string_view::npos) {
            datagram.append("=").append(payload);
        } else {  // a value with newlines: its length in 8 bytes, little endian, comes first
            datagram += '\n';
            for (int shift = 0; shift < 64; shift += 8)
                datagram += static_cast<char>((std::uint64_t{payload.size()} >> shift) & 0xff);
            datagram += payload;
        }
        datagram += '\n';
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, kJournalSocket, sizeof address.sun_path - 1);
        ::sendto(socket_, datagram.data(), datagram.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(&address), sizeof address);
    }
    void flush_() override {}

    int socket_;
};

struct State {
    std::atomic<int> level{static_cast<int>(Level::warn)};
    bool opened = false;
    std::vector<std::unique_ptr<Sink>> sinks;
    FileSink* file = nullptr;  // one of sinks
    std::function<void(Level, std::string_view)> diverted;
    RateLimit limit;
    std::mutex mutex;  // the scribe has several threads; everybody else pays a few nanoseconds
};

thread_local bool writing = false;  // a sink or the diverted call logs itself: that line is left out

struct Writing {
    Writing() { writing = true; }
    ~Writing() { writing = false; }
};

/// Never destroyed: something may log while the process is ending.
State& state()
{
    static State& only = *[] {
        auto* made = new State;
        auto sink = std::make_unique<FileSink>();
        sink->set_formatter(formatter(false));
        (void)sink->file().open("/dev/stderr", 0, 0);
        made->sinks.push_back(std::move(sink));
        return made;
    }();
    return only;
}

/// One event stays within its lines and shows no control bytes.
std::string printable(std::string_view line)
{
    std::string out;
    const std::string_view whole = line.substr(0, kMaxLine);
    std::string_view rest = whole;
    for (;;) {
        const auto end = rest.find('\n');
        out += text::escape_control(rest.substr(0, end));
        if (end == std::string_view::npos || out.size() >= kMaxLine) break;
        out += '\n';
        rest.remove_prefix(end + 1);
    }
    const bool cut = line.size() > kMaxLine || out.size() > kMaxLine;
    if (cut) {
        out.resize(std::min(out.size(), kMaxLine - 5));
        while (!out.empty() && (out.back() & 0xc0) == 0x80) out.pop_back();  // not in the middle of a character
        if (!out.empty() && (out.back() & 0x80) != 0) out.pop_back();
        out += " …";
    }
    while (!out.empty() && out.back() == '\n') out.pop_back();
    return out;
}

void emit(State& log, Level level, std::string_view line)
{
    const std::string shown = printable(line);
    if (log.diverted) {
        log.diverted(level, shown);
        return;
    }
    const spdlog::details::log_msg message(words_of(level).word, spdlog::level::info, shown);
    for (const auto& sink : log.sinks) sink->log(message);
}

/// The format string, and the program it speaks of: a thousand programs may each say that they were spawned.
std::uint64_t origin_of(fmt::string_view format, const fmt::format_args& args)
{
    const std::uint64_t origin = text::hash({format.data(), format.size()});
    const auto subject = [](auto value) -> std::uint64_t {
        if constexpr (std::is_same_v<decltype(value), fmt::string_view>)
            return text::hash({value.data(), value.size()});
        else if constexpr (std::is_same_v<decltype(value), const char*>)
            return text::hash(value);
        else
            return 0;
    };
    return origin * 31 + fmt::visit_format_arg(subject, args.get(0));
}

void emit_limited(State& log, Level level, std::uint64_t origin, std::string_view format, const std::function<std::string()>& line)
{
    const Time now = BootClock::now();
    for (const RateLimit::Withheld& held : log.limit.take_withheld(now))
        emit(log, static_cast<Level>(held.level), fmt::format("… {} more: {}", held.lines, held.format));
    if (log.limit.admits(origin, static_cast<int>(level), format, now)) emit(log, level, line());
}

}  // namespace

Status open(const Settings& settings)
{
    std::vector<std::unique_ptr<Sink>> sinks;
    FileSink* file = nullptr;
    if (settings.file == "syslog") {
        sinks.push_back(std::make_unique<SyslogSink>());
    } else if (!settings.file.empty()) {
        auto sink = std::make_unique<FileSink>();
        if (auto opened = sink->file().open(settings.file, settings.maxbytes, settings.backups); !opened)
            return opened;
        file = sink.get();
        sinks.push_back(std::move(sink));
    }
    if (settings.to_stdout) {
        auto sink = std::make_unique<FileSink>();
        if (sink->file().open("/dev/stdout", 0, 0)) sinks.push_back(std::move(sink));
    }
    if (settings.journal && ::access(kJournalSocket, F_OK) == 0) sinks.push_back(std::make_unique<JournalSink>());
    for (const auto& sink : sinks) sink->set_formatter(formatter(settings.json));

    State& log = state();
    log.sinks = std::move(sinks);
    log.file = file;
    log.opened = true;
    set_level(settings.level);
    return {};
}

void reopen()
{
    State& log = state();
    if (log.file == nullptr) return;
    if (auto opened = log.file->file().reopen(); !opened) warn("reopening the log file: {}", opened.error().message);
}

Status clear()
{
    State& log = state();
    if (log.file == nullptr) return fail("the daemon writes no log file");
    return log.file->file().clear();
}

void set_level(Level level) noexcept
{
    state().level.store(static_cast<int>(level), std::memory_order_relaxed);
}

void divert(std::function<void(Level, std::string_view)> call)
{
    State& log = state();
    log.diverted = std::move(call);
    if (!log.opened) set_level(Level::info);
}

bool enabled(Level level) noexcept
{
    return static_cast<int>(level) >= state().level.load(std::memory_order_relaxed);
}

void write(Level level, fmt::string_view format, fmt::format_args args)
try {
    if (writing) return;
    const Writing guard;
    State& log = state();
    const std::lock_guard lock(log.mutex);
    emit_limited(log, level, origin_of(format, args), {format.data(), format.size()}, [&] { return fmt::vformat(format, args); });
} catch (...) {
    // Out of memory, or a diverted call that failed: nobody is harmed for the sake of a line.
}

void write_line(Level level, std::string_view line)
try {
    if (writing || !enabled(level)) return;
    const Writing guard;
    State& log = state();
    const std::lock_guard lock(log.mutex);
    emit(log, level, line);
} catch (...) {
    // As in write().
}

void write_limited(Level level, std::string_view format, std::string_view subject, std::string_view line)
try {
    if (writing || !enabled(level)) return;
    const Writing guard;
    State& log = state();
    const std::lock_guard lock(log.mutex);
    emit_limited(log, level, text::hash(format) * 31 + text::hash(subject), format, [&] { return std::string(line); });
} catch (...) {
    // As in write().
}

Result<Level> parse_level(std::string_view text)
{
    const std::string wanted = text::lower(text::trim(text));
    for (const LevelWords& words : kLevels)
        if (wanted == words.name || wanted == text::lower(words.word)) return words.level;
    return fail("bad logging level name {}: expected critical, error, warn, info, debug, trace or blather",
                text::repr(text));
}

}  // namespace xsv::log
