#include <algorithm>

#include <syslog.h>

#include "base/text.h"
#include "config/directive.h"

/// [program:x]: what is written down about connections, in our words or in xinetd's.
namespace xsv::config {
namespace {

using S = ServiceSpec;
constexpr auto kLines = &Output::connections;

constexpr Word<LogFormat> kFormats[] = {{"native", LogFormat::Native}, {"xinetd", LogFormat::Xinetd}};

constexpr Word<std::uint8_t> kSuccessWords[] = {{"pid", kLogPid},   {"host", kLogHost},         {"userid", kLogUserid},
                                                {"exit", kLogExit}, {"duration", kLogDuration}, {"traffic", kLogTraffic}};
constexpr Word<std::uint8_t> kFailureWords[] = {{"host", kLogHost}, {"userid", kLogUserid}, {"attempt", kLogAttempt}};

constexpr Word<int> kFacilities[] = {{"kern", LOG_KERN},     {"user", LOG_USER},     {"mail", LOG_MAIL},     {"daemon", LOG_DAEMON},
                                     {"auth", LOG_AUTH},     {"syslog", LOG_SYSLOG}, {"lpr", LOG_LPR},       {"news", LOG_NEWS},
                                     {"uucp", LOG_UUCP},     {"cron", LOG_CRON},     {"authpriv", LOG_AUTHPRIV}, {"ftp", LOG_FTP},
                                     {"local0", LOG_LOCAL0}, {"local1", LOG_LOCAL1}, {"local2", LOG_LOCAL2}, {"local3", LOG_LOCAL3},
                                     {"local4", LOG_LOCAL4}, {"local5", LOG_LOCAL5}, {"local6", LOG_LOCAL6}, {"local7", LOG_LOCAL7}};
constexpr Word<int> kLevels[] = {{"emerg", LOG_EMERG},     {"alert", LOG_ALERT},   {"crit", LOG_CRIT}, {"err", LOG_ERR},
                                 {"warning", LOG_WARNING}, {"notice", LOG_NOTICE}, {"info", LOG_INFO}, {"debug", LOG_DEBUG}};

template <const auto& Words, std::uint8_t ConnectionLines::*Field>
Status set_log_words(S& spec, const std::string& text, const Setting&)
{
    std::uint8_t all = 0;
    std::string words = text::lower(text);
    std::replace(words.begin(), words.end(), ',', ' ');
    for (const std::string& word : text::words(words)) {
        const auto bit = parse_word(Words, word);
        if (!bit) return tl::unexpected<Error>(bit.error());
        all = static_cast<std::uint8_t>(all | *bit);
    }
    spec.output.change().connections.change().*Field = all;
    return {};
}

Status set_log_syslog(LogSink& sink, const std::string& text)
{
    const auto dot = text.find('.');
    const auto facility = parse_word(kFacilities, text.substr(0, dot));
    if (!facility) return tl::unexpected<Error>(facility.error());
    const auto level = dot == std::string::npos ? Result<int>(LOG_INFO) : parse_word(kLevels, text.substr(dot + 1));
    if (!level) return tl::unexpected<Error>(level.error());
    sink.syslog = true;
    sink.syslog_priority = *facility | *level;
    return {};
}

/// PATH[,SIZE[,BACKUPS]]
Status set_log_file(LogSink& sink, const std::string& text, const Setting& setting)
{
    const auto parts = text::split(text, ',');
    if (parts.empty() || parts[0].empty()) return fail("expected a path behind 'file:'");
    sink.kind = LogSink::Kind::File;
    sink.path = setting.surroundings.absolute(parts[0]);
    sink.maxbytes = 0;
    sink.backups = 1;
    if (parts.size() > 1) {
        const auto size = parse_byte_size(parts[1]);
        if (!size) return tl::unexpected<Error>(size.error());
        sink.maxbytes = *size;
    }
    if (parts.size() > 2) {
        const auto backups = parse_number<int>(parts[2]);
        if (!backups || *backups < 0) return fail("expected a number of old files to keep, got '{}'", parts[2]);
        sink.backups = *backups;
    }
    return parts.size() > 3 ? fail("expected file:PATH[,SIZE[,BACKUPS]], got '{}'", text) : Status{};
}

Status set_log_to(S& spec, const std::string& text, const Setting& setting)
{
    LogSink& sink = spec.output.change().connections.change().to;
    sink = ConnectionLines().to;
    const std::string word = text::lower(text::trim(text));
    if (word == "daemon") return {};
    if (word == "syslog" || word.starts_with("syslog:")) return set_log_syslog(sink, word == "syslog" ? "daemon" : word.substr(7));
    if (word.starts_with("file:")) return set_log_file(sink, std::string(text::trim(text).substr(5)), setting);
    return fail("expected daemon, syslog:FACILITY[.LEVEL] or file:PATH[,SIZE[,BACKUPS]], got '{}'", text);
}

Status set_deny_time(S& spec, const std::string& text, const Setting&)
{
    const std::string word = text::lower(text::trim(text));
    spec.policy.change().deny_time.reset();
    if (word == "never") return {};
    if (word == "forever") {
        spec.policy.change().deny_time = Duration::max();
        return {};
    }
    const auto time = parse_time(text);
    if (!time) return tl::unexpected<Error>(time.error());
    spec.policy.change().deny_time = *time;
    return {};
}

constexpr Directive<S> kConnectionKeys[] = {
    {"deny_time", set_deny_time, "a time such as 10m, forever or never", "never",
     "with command = builtin:sensor: how long an address that has called is refused by every program of per_connection"},
    {"connection_log_to", set_log_to, "daemon, syslog:FACILITY[.LEVEL] or file:PATH[,SIZE[,BACKUPS]]", "daemon",
     "where lines about connections go; a file is rotated at that size"},
    {"connection_log_format", set_word<kFormats, &S::output, kLines, &ConnectionLines::format>, "native or xinetd", "native",
     "their form; with xinetd's, connection_log has no effect"},
    {"connection_log_success", set_log_words<kSuccessWords, &ConnectionLines::success>, "words of pid, host, exit, duration, traffic, userid", "",
     "with xinetd's form: what is told about callers that are served; userid and traffic are accepted and tell nothing"},
    {"connection_log_failure", set_log_words<kFailureWords, &ConnectionLines::failure>, "words of host, attempt, userid", "",
     "with xinetd's form: what is told about callers that are refused"},
};

}  // namespace

std::span<const Directive<ServiceSpec>> connection_keys()
{
    return kConnectionKeys;
}

}  // namespace xsv::config
