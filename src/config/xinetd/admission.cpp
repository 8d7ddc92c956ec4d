#include "base/text.h"
#include "config/values.h"
#include "config/xinetd/draft.h"

/// How many callers, how often, when; and what they read before a server speaks.
namespace xsv::config::xinetd {
namespace {

class AdmissionWriter {
public:
    explicit AdmissionWriter(Draft& draft) : draft_(draft) {}

    void run()
    {
        const bool per_connection = draft_.is_internal() ? draft_.is_stream() : !draft_.wait;
        if (per_connection) {
            write_limit("instances", "max_instances", "0");
            write_limit("per_source", "max_per_source", "");
            draft_.section.set("overload", "refuse");
        }
        write_rate(per_connection);
        write_load();
        write_times();
        write_banners(per_connection);
        if (const Attribute* time = draft_.find("deny_time"); time != nullptr && !draft_.has_flag("sensor"))
            draft_.warning(*time, "ignored: it belongs to flags = SENSOR");
    }

private:
    /// 0 lets nobody in, which is UNLIMITED to our key.
    void write_limit(const char* attribute, const char* key, const char* unlimited)
    {
        const Attribute* const line = draft_.find(attribute);
        if (line == nullptr || text::iequals(line->values[0], "unlimited")) {
            if (*unlimited != '\0') draft_.section.set(key, unlimited, line != nullptr ? line->place : draft_.service.place);
            return;
        }
        const auto number = draft_.number(*line, 0, INT32_MAX, line->values[0]);
        if (number && *number > 0) return draft_.section.set(key, std::to_string(*number), line->place);
        if (!number) return;
        draft_.section.set("deny_from", "all", line->place);
        draft_.note(*line, "0 lets nobody in");
    }

    /// A pause of callers where xinetd closes its socket (6.1 row 2); for a server that takes the socket, of its starts.
    void write_rate(bool per_connection)
    {
        const Attribute* const line = draft_.find("cps");
        const auto rate = line != nullptr ? draft_.number(*line, 0, INT32_MAX, line->values[0]) : 50;
        const auto pause = line != nullptr ? draft_.number(*line, 0, INT32_MAX, line->values[1]) : 10;
        if (!rate || !pause) return;
        const Place& place = line != nullptr ? line->place : draft_.service.place;
        if (per_connection && *rate > 0) draft_.section.set("max_rate", fmt::format("{}/1s", *rate), place);
        if (!per_connection && !draft_.is_internal() && *pause > 0) draft_.section.set("backoff_max", fmt::format("{}s", *pause), place);
        if (line == nullptr || *rate == 0) return;
        if (per_connection) draft_.note(*line, fmt::format("callers beyond {} a second wait; the port is never closed for {} s", *rate, *pause));
        else draft_.note(*line, "the port is never closed: a server that ends at once is started again after a pause");
    }

    void write_load()
    {
        const Attribute* const line = draft_.find("max_load");
        if (line == nullptr) return;
        const auto load = parse_real(line->values[0]);
        if (!load || *load <= 0) return draft_.mistake(*line, fmt::format("expected a number above 0, got '{}'", text::escape_control(line->values[0])));
        draft_.section.set("max_load", line->values[0], line->place);
    }

    static std::optional<int> minutes_of(std::string_view clock)
    {
        const auto colon = clock.find(':');
        if (colon == std::string_view::npos) return std::nullopt;
        const auto hour = text::to_int(clock.substr(0, colon)), minute = text::to_int(clock.substr(colon + 1));
        if (!hour || !minute || *hour < 0 || *hour > 24 || *minute < 0 || *minute > 59) return std::nullopt;
        const auto time = static_cast<int>(*hour * 60 + *minute);
        return time > 24 * 60 ? std::nullopt : std::optional(time);
    }

    /// The minute at the end is inside.
    void write_times()
    {
        const Attribute* const line = draft_.find("access_times");
        if (line == nullptr) return;
        if (line->values.empty()) return draft_.mistake(*line, "expected at least one interval");
        std::string hours;
        for (const std::string& word : line->values) {
            const auto dash = word.find('-');
            const auto from = minutes_of(word.substr(0, dash));
            auto until = dash != std::string::npos ? minutes_of(word.substr(dash + 1)) : std::nullopt;
            if (!from || !until || *from == 24 * 60) return draft_.mistake(*line, fmt::format("expected HH:MM-HH:MM, got '{}'", text::escape_control(word)));
            if (*until < *from || *until == 24 * 60)
                draft_.note(*line, fmt::format("'{}' {}; xinetd refuses it", word, *until < *from ? "goes over midnight" : "goes on until midnight"));
            if (*until < 24 * 60) ++*until;
            if (*until == *from) continue;   // a whole day, a minute short of it
            hours += fmt::format("{}{:02}:{:02}-{:02}:{:02}", hours.empty() ? "" : ", ", *from / 60, *from % 60, *until / 60, *until % 60);
        }
        if (!hours.empty()) draft_.section.set("access_hours", hours, line->place);
    }

    void write_banners(bool per_connection)
    {
        if (!per_connection) {
            for (const char* name : {"banner", "banner_success", "banner_fail"})
                if (const Attribute* line = draft_.find(name)) draft_.warning(*line, "ignored: the server itself takes the callers");
            return;
        }
        write_files("greeting", "banner_success");
        write_files("refusal", "banner_fail");
    }

    void write_files(const char* key, const char* second)
    {
        std::string files;
        Place place;
        for (const char* name : {"banner", second}) {
            const Attribute* const line = draft_.find(name);
            if (line == nullptr) continue;
            if (line->values[0].find(',') != std::string::npos) draft_.mistake(*line, "the name of a file cannot have a comma");
            files += (files.empty() ? "" : ", ") + line->values[0];
            place = line->place;
        }
        if (!files.empty()) draft_.section.set(key, files, place);
    }

    Draft& draft_;
};

}  // namespace

void write_admission(Draft& draft)
{
    AdmissionWriter(draft).run();
}

}  // namespace xsv::config::xinetd
