#include <algorithm>

#include "base/text.h"
#include "config/xinetd/draft.h"

/// What is started, and as whom.
namespace xsv::config::xinetd {
namespace {

constexpr std::string_view kInternal[] = {"echo", "discard", "chargen", "daytime", "time", "tcpmux"};

class ProcessWriter {
public:
    explicit ProcessWriter(Draft& draft) : draft_(draft) {}

    void run()
    {
        if (draft_.is_internal()) return write_internal();
        write_activation();
        if (const Attribute* redirect = draft_.find("redirect")) write_redirect(*redirect);
        else write_command();
        if (draft_.find("user") == nullptr) draft_.missing("user", "missing");
        if (draft_.find("redirect") != nullptr) return;   // our forwarder has no rights to lose
        write_identity();
        draft_.section.set("directory", "/");
        write_umask();
        write_nice();
        write_limits();
        write_environment();
        write_inherited();
    }

private:
    void write_activation()
    {
        const Attribute* const wait = draft_.find("wait");
        draft_.section.set("activation", draft_.wait ? "on_demand" : "per_connection", wait != nullptr ? wait->place : draft_.service.place);
        if (!draft_.wait && draft_.socket_type == "dgram" && wait != nullptr)
            draft_.mistake(*wait, "datagrams need wait = yes: there is no connection that a server could be started for");
        if (draft_.find("redirect") == nullptr) draft_.section.set("socket_pass", "stdio_all");
    }

    void write_internal()
    {
        const bool is_sensor = draft_.has_flag("sensor");
        const std::string name = is_sensor ? "sensor" : text::lower(draft_.service.name);
        if (!is_sensor && std::find(std::begin(kInternal), std::end(kInternal), name) == std::end(kInternal))
            return draft_.missing("service", fmt::format("there is no INTERNAL service '{}': expected echo, discard, chargen, daytime, time or tcpmux", text::escape_control(name)));
        if (name == "tcpmux" && !draft_.socket_type.empty() && !draft_.is_stream()) return draft_.missing("socket_type", "tcpmux needs stream");
        const Attribute* const type = draft_.find(is_sensor ? "flags" : "type");
        draft_.section.set("command", "builtin:" + name, type != nullptr ? type->place : draft_.service.place);
        draft_.section.set("activation", draft_.is_stream() ? "per_connection" : "on_demand");
        if (const Attribute* server = draft_.find("server")) draft_.warning(*server, "ignored: the service is INTERNAL");
        if (const Attribute* time = draft_.find("deny_time"); is_sensor && time != nullptr) write_deny_time(*time);
    }

    void write_deny_time(const Attribute& line)
    {
        const std::string word = text::lower(line.values[0]);
        if (word == "forever" || word == "never") return draft_.section.set("deny_time", word, line.place);
        const auto minutes = draft_.number(line, -1, 1 << 24, word);
        if (minutes) draft_.section.set("deny_time", *minutes < 0 ? "forever" : *minutes == 0 ? "never" : fmt::format("{}m", *minutes), line.place);
    }

    void write_redirect(const Attribute& line)
    {
        const std::string& host = line.values[0];
        std::string address = host;
        const bool is_six = host.find(':') != std::string::npos;
        if (!is_six && host.find_first_not_of("0123456789.") != std::string::npos) {
            auto found = draft_.surroundings.address(host);
            if (!found) return draft_.mistake(line, found.error().message);
            address = *found;
        }
        // A name of a port is left to the endpoint, which says what is wrong with it.
        draft_.section.set("proxy_to", fmt::format("tcp:{}{}{}:{}", is_six ? "[" : "", address, is_six ? "]" : "", line.values[1]), line.place);
        if (const Attribute* server = draft_.find("server")) draft_.warning(*server, "ignored beside redirect");
    }

    void write_command()
    {
        const Attribute* const server = draft_.find("server");
        const Attribute* const arguments = draft_.find("server_args");
        const bool named = draft_.has_flag("nameinargs");
        if (arguments != nullptr && arguments->values.empty()) draft_.mistake(*arguments, "expected at least one word");
        if (named && arguments == nullptr) draft_.missing("server_args", "missing: flags = NAMEINARGS takes argv[0] from it");
        if (server == nullptr) return draft_.missing("server", "missing");
        std::string path = server->values[0];
        if (!path.starts_with('/')) {
            draft_.warning(*server, fmt::format("'{}' is looked for in / : expected an absolute path", text::escape_control(path)));
            path.insert(0, "/");
        }
        std::vector<std::string> words = {path};
        std::string name = path.substr(path.rfind('/') + 1);
        if (arguments != nullptr && !arguments->values.empty()) {
            if (named) name = arguments->values[0];
            words.insert(words.end(), arguments->values.begin() + (named ? 1 : 0), arguments->values.end());
            look_for_shell_habits(*arguments);
        }
        draft_.section.set("command", command_line(words), server->place);
        draft_.section.set("argv0", name, named && arguments != nullptr ? arguments->place : server->place);
    }

    /// Words that people take for something else than arguments.
    void look_for_shell_habits(const Attribute& line)
    {
        for (const std::string& word : line.values) {
            if (word.starts_with('#')) return draft_.warning(line, fmt::format("'{}' and what follows it are arguments: a comment has its own line", text::escape_control(word)));
            if (word.find_first_of("\"'") != std::string::npos) return draft_.warning(line, fmt::format("{}: quotes are letters of the argument", text::escape_control(word)));
        }
    }

    void write_identity()
    {
        const Attribute* const user = draft_.find("user");
        if (user == nullptr) return;
        const std::string& name = user->values[0];
        // A switched off entry is not worth a failed reload; one that is on gets this mistake from `user` itself.
        if (draft_.off)
            if (const auto found = draft_.surroundings.user(name); !found) draft_.mistake(*user, found.error().message);
        draft_.section.set("user", name, user->place);
        const auto all_groups = draft_.flag("groups");
        if (draft_.surroundings.uid != 0) return;   // only root can change them; xinetd does not try either
        const Attribute* const group = draft_.find("group");
        if (draft_.off && group != nullptr)
            if (const auto found = draft_.surroundings.group(group->values[0]); !found) draft_.mistake(*group, found.error().message);
        const bool is_number = text::to_int(name).has_value();
        if (group != nullptr) draft_.section.set("group", group->values[0], group->place);
        else if (is_number) draft_.section.set("group", name, user->place);
        const Attribute* const groups = draft_.find("groups");
        if (!all_groups.value_or(false)) draft_.section.set("supplementary_groups", "", groups != nullptr ? groups->place : user->place);
    }

    void write_umask()
    {
        const Attribute* const line = draft_.find("umask");
        if (line == nullptr) return draft_.section.set("umask", "022");
        const std::string& word = line->values[0];
        const bool is_octal = !word.empty() && word.size() <= 8 && word.find_first_not_of("01234567") == std::string::npos;
        const int mask = is_octal ? std::stoi(word, nullptr, 8) : -1;
        if (mask < 0 || mask > 0777) return draft_.mistake(*line, fmt::format("expected an octal number up to 777, got '{}'", text::escape_control(word)));
        draft_.section.set("umask", fmt::format("{:03o}", mask), line->place);
    }

    void write_nice()
    {
        const Attribute* const line = draft_.find("nice");
        if (line == nullptr) return;
        const auto nice = draft_.number(*line, INT32_MIN, INT32_MAX, line->values[0]);
        if (nice) draft_.section.set("nice", std::to_string(std::clamp<std::int64_t>(*nice, -20, 19)), line->place);
    }

    struct Limit {
        std::string_view attribute, name;
        bool takes_units = true;
    };

    /// Bytes, or K and M of them.
    std::optional<std::string> limit_value(const Attribute& line, const Limit& limit)
    {
        std::string word = text::lower(line.values[0]);
        if (word == "unlimited") return word;
        std::int64_t unit = 1;
        if (limit.takes_units && (word.ends_with('k') || word.ends_with('m'))) {
            unit = word.back() == 'k' ? 1024 : 1024 * 1024;
            word.pop_back();
        }
        const auto number = text::to_int(word);
        if (!number || *number < 0 || *number > INT64_MAX / unit) {
            draft_.mistake(line, fmt::format("expected UNLIMITED or a number{}, got '{}'", limit.takes_units ? ", optionally with K or M" : "", text::escape_control(line.values[0])));
            return std::nullopt;
        }
        if (*number == 0) {
            draft_.warning(line, "0 is ignored, as by xinetd");
            return std::nullopt;
        }
        return std::to_string(*number * unit);
    }

    /// Servers find the hard limit of descriptors as their soft one too.
    void write_limits()
    {
        constexpr Limit kLimits[] = {{"rlimit_files", "nofile"}, {"rlimit_as", "as"}, {"rlimit_cpu", "cpu", false},
                                     {"rlimit_data", "data"}, {"rlimit_rss", "rss"}, {"rlimit_stack", "stack"}};
        const rlim_t most = draft_.surroundings.most_descriptors;
        std::string limits;
        if (draft_.find("rlimit_files") == nullptr) limits = fmt::format("nofile={}", most == RLIM_INFINITY ? 4096 : most);
        Place place = draft_.service.place;
        for (const Limit& limit : kLimits) {
            const Attribute* const line = draft_.find(limit.attribute);
            const auto value = line != nullptr ? limit_value(*line, limit) : std::nullopt;
            if (!value) continue;
            limits += fmt::format("{}{}={}", limits.empty() ? "" : " ", limit.name, *value);
            place = line->place;
        }
        if (!limits.empty()) draft_.section.set("limits", limits, place);
    }

    void write_environment()
    {
        Environment environment;
        Place place;
        for (const Attribute& line : draft_.list("env")) {
            if (line.op == Operator::Remove) draft_.mistake(line, "'-=' is not for env");
            if (line.op == Operator::Set) environment.clear();
            for (const std::string& word : line.values) {
                const auto equals = word.find('=');
                if (equals == std::string::npos) {
                    draft_.mistake(line, fmt::format("'{}' has no '='", text::escape_control(word)));
                    continue;
                }
                environment.emplace_back(word.substr(0, equals), word.substr(equals + 1));
            }
            place = line.place;
        }
        if (environment.empty()) return;
        const auto written = environment_line(environment);
        if (!written) return draft_.service.remark(Remark::Weight::Mistake, place, "env", written.error().message);
        draft_.section.set("environment", *written, place);
    }

    /// passenv names what is passed on of our environment; without it, all is.
    void write_inherited()
    {
        const auto lines = draft_.list("passenv");
        if (lines.empty()) return draft_.section.set("inherit_env", "yes");
        std::string names;
        for (const auto& [name, place] : draft_.words("passenv")) {
            const auto& known = draft_.surroundings.environment;
            const bool is_set = std::any_of(known.begin(), known.end(), [&](const auto& variable) { return variable.first == name; });
            if (is_set) names += (names.empty() ? "" : ",") + name;
            else draft_.service.remark(Remark::Weight::Warning, place, "passenv", fmt::format("'{}' is not set, so it is not passed", text::escape_control(name)));
        }
        draft_.section.set("inherit_env", names.empty() ? "no" : names, lines.back().place);
    }

    Draft& draft_;
};

}  // namespace

void write_process(Draft& draft)
{
    ProcessWriter(draft).run();
}

}  // namespace xsv::config::xinetd
