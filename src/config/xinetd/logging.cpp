#include <algorithm>
#include <array>

#include "base/text.h"
#include "config/xinetd/draft.h"

/// What is logged about callers, and where: on-demand.md 2.10.
namespace xsv::config::xinetd {
namespace {

constexpr std::array<std::string_view, 17> kFacilities = {"daemon", "auth", "authpriv", "user", "mail", "lpr", "news", "uucp", "ftp",
                                                          "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"};
constexpr std::array<std::string_view, 8> kLevels = {"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"};

bool is_one_of(std::string_view word, const auto& words)
{
    return std::find(std::begin(words), std::end(words), word) != std::end(words);
}

class LogWriter {
public:
    explicit LogWriter(Draft& draft) : draft_(draft) {}

    void run()
    {
        constexpr std::string_view kSuccess[] = {"pid", "host", "userid", "exit", "duration", "traffic"};
        constexpr std::string_view kFailure[] = {"host", "userid", "attempt"};
        const std::string success = words_of("log_on_success", kSuccess), failure = words_of("log_on_failure", kFailure);
        const std::string to = destination();
        if (success.empty() && failure.empty()) return draft_.section.set("connection_log", "none");
        draft_.section.set("connection_log_format", "xinetd", place_);
        draft_.section.set("connection_log_success", success, place_);
        draft_.section.set("connection_log_failure", failure, place_);
        const Attribute* const type = draft_.find("log_type");
        draft_.section.set("connection_log_to", to, type != nullptr ? type->place : place_);
    }

private:
    std::string words_of(std::string_view name, const auto& known)
    {
        std::string words;
        for (const auto& [word, place] : draft_.words(name)) {
            place_ = place;
            const std::string lower = text::lower(word);
            const auto say = [&](Remark::Weight weight, std::string text) { draft_.service.remark(weight, place, std::string(name), std::move(text)); };
            if (!is_one_of(lower, known)) say(Remark::Weight::Mistake, fmt::format("'{}' is unknown", text::escape_control(word)));
            else if (lower == "userid") say(Remark::Weight::Warning, "USERID is ignored: callers are not asked for their user (ident)");
            else if (lower == "traffic") say(Remark::Weight::Warning, "TRAFFIC is ignored: bytes are not counted");
            else words += (words.empty() ? "" : " ") + lower;
        }
        return words;
    }

    std::string destination()
    {
        const Attribute* const line = draft_.find("log_type");
        if (line == nullptr) return "syslog:daemon.info";
        const auto& values = line->values;
        const std::string type = values.empty() ? "" : text::lower(values[0]);
        if (type == "syslog") return syslog(*line);
        if (type == "file") return file(*line);
        draft_.mistake(*line, "expected SYSLOG facility [level] or FILE path [soft [hard]]");
        return {};
    }

    std::string syslog(const Attribute& line)
    {
        const auto& values = line.values;
        const std::string facility = values.size() > 1 ? text::lower(values[1]) : "", level = values.size() > 2 ? text::lower(values[2]) : "info";
        if (values.size() > 3 || !is_one_of(facility, kFacilities) || !is_one_of(level, kLevels))
            draft_.mistake(line, "expected SYSLOG facility [level], as in 'SYSLOG daemon info'");
        return fmt::format("syslog:{}.{}", facility, level);
    }

    std::optional<std::int64_t> size(const Attribute& line, std::string word)
    {
        std::int64_t unit = 1;
        const char last = word.empty() ? '\0' : static_cast<char>(word.back() | 0x20);
        if (last == 'k' || last == 'm') {
            unit = last == 'k' ? 1024 : 1024 * 1024;
            word.pop_back();
        }
        const auto number = draft_.number(line, 0, INT64_MAX / (2 * 1024 * 1024), word);
        return number ? std::optional(*number * unit) : std::nullopt;
    }

    /// Without a hard limit there is one a little above the soft one.
    std::string file(const Attribute& line)
    {
        const auto& values = line.values;
        if (values.size() < 2 || values.size() > 4 || values[1].find(',') != std::string::npos) {
            draft_.mistake(line, "expected FILE path [soft [hard]], the path without a comma");
            return {};
        }
        std::string path = values[1];
        if (!path.starts_with('/')) path.insert(0, "/");
        if (values.size() == 2) return "file:" + path;
        const auto soft = size(line, values[2]);
        const auto hard = values.size() == 4 ? size(line, values[3]) : soft ? std::optional(*soft + std::clamp<std::int64_t>(*soft / 100, 5 * 1024, 20 * 1024)) : soft;
        if (!soft || !hard) return {};
        if (*hard < *soft) draft_.mistake(line, fmt::format("the hard limit {} is below the soft one {}", *hard, *soft));
        return fmt::format("file:{},{},{}", path, *soft, *hard);
    }

    Draft& draft_;
    Place place_;
};

}  // namespace

void write_log(Draft& draft)
{
    LogWriter(draft).run();
}

}  // namespace xsv::config::xinetd
