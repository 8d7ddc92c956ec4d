#include "config/xinetd/settings.h"

#include <algorithm>
#include <functional>
#include <optional>

#include "base/text.h"
#include "config/sections.h"

namespace xsv::config::xinetd {
namespace {

using Weight = Remark::Weight;

enum class Where : std::uint8_t { Service, Both, Defaults };

struct Rule {
    std::string_view name;
    int values = 1;          ///< how many; -1: any number
    Where where = Where::Service;
    bool is_list = false;    ///< += and -= change it
    bool is_copied = false;
};

constexpr Rule kRules[] = {
    {"socket_type"}, {"protocol"}, {"wait"}, {"user"}, {"group"}, {"server"}, {"server_args", -1},
    {"instances", 1, Where::Both},
    {"log_on_success", -1, Where::Both, true, true},
    {"log_on_failure", -1, Where::Both, true, true},
    {"log_type", -1, Where::Both},
    {"only_from", -1, Where::Both, true, true},
    {"no_access", -1, Where::Both, true, true},
    {"access_times", -1}, {"type", -1}, {"rpc_version"}, {"rpc_number"}, {"id"},
    {"env", -1, Where::Service, true},
    {"port"},
    {"passenv", -1, Where::Both, true, true},
    {"flags", -1}, {"nice"}, {"redirect", 2},
    {"banner", 1, Where::Both, false, true},
    {"banner_success", 1, Where::Both, false, true},
    {"banner_fail", 1, Where::Both, false, true},
    {"bind", 1, Where::Both}, {"per_source", 1, Where::Both}, {"groups", 1, Where::Both},
    {"cps", 2, Where::Both}, {"max_load", 1, Where::Both}, {"v6only", 1, Where::Both}, {"umask", 1, Where::Both},
    {"disable"}, {"rlimit_as"}, {"rlimit_cpu"}, {"rlimit_data"}, {"rlimit_files"}, {"rlimit_rss"}, {"rlimit_stack"},
    {"deny_time"}, {"libwrap"},
    {"enabled", -1, Where::Defaults, true}, {"disabled", -1, Where::Defaults, true},
    {"mdns", 1, Where::Both},
};

using Say = std::function<void(Weight, const Attribute&, std::string)>;

const Rule* find_rule(std::string_view name, bool in_defaults)
{
    const auto found = std::find_if(std::begin(kRules), std::end(kRules), [&](const Rule& rule) { return rule.name == name; });
    if (found == std::end(kRules)) return nullptr;
    return found->where == Where::Both || (found->where == Where::Defaults) == in_defaults ? found : nullptr;
}

std::string unknown(const std::string& name, bool in_defaults)
{
    std::vector<std::string> known;
    for (const Rule& rule : kRules) {
        if (rule.name == name) return in_defaults ? "does not belong into defaults, ignored" : "belongs into defaults, ignored";
        if (find_rule(rule.name, in_defaults) != nullptr) known.emplace_back(rule.name);
    }
    return "unknown attribute, ignored" + suggestion(name, known);
}

/// nullopt: the line is good. xinetd ignores the others, and the service runs without them.
std::optional<std::string> refuse(const Attribute& attribute, const Rule& rule, const Settings& settings, bool in_defaults)
{
    const bool is_list = rule.is_list || (in_defaults && rule.name == "log_type");
    if (!is_list && settings.single.contains(rule.name)) return "given twice, the first one counts";
    if (!is_list && attribute.op != Operator::Set)
        return fmt::format("'{}' is for lists only, the line is ignored", attribute.op == Operator::Add ? "+=" : "-=");
    if (rule.values > 0 && attribute.values.size() != static_cast<std::size_t>(rule.values))
        return fmt::format("expected {} value{}, got {}: the line is ignored", rule.values, rule.values == 1 ? "" : "s", attribute.values.size());
    return std::nullopt;
}

void collect(Attribute attribute, Settings& settings, bool in_defaults, const Say& say)
{
    if (attribute.name == "interface") attribute.name = "bind";
    const Rule* const rule = find_rule(attribute.name, in_defaults);
    if (rule == nullptr) return say(Weight::Warning, attribute, unknown(text::escape_control(attribute.name), in_defaults));
    if (const auto refused = refuse(attribute, *rule, settings, in_defaults)) return say(Weight::Warning, attribute, *refused);
    if (rule->name == "mdns") return say(Weight::Warning, attribute, "ignored: services are not announced");
    if (rule->is_list && in_defaults && attribute.op == Operator::Set) attribute.op = Operator::Add;
    if (rule->is_list)
        settings.lists[attribute.name].push_back(std::move(attribute));
    else
        settings.single[attribute.name] = std::move(attribute);
}

Settings copied_from(const Settings& defaults)
{
    Settings copied;
    for (const Rule& rule : kRules) {
        if (!rule.is_copied) continue;
        if (const Attribute* value = defaults.find(rule.name)) copied.single[std::string(rule.name)] = *value;
        if (const auto list = defaults.lists.find(rule.name); list != defaults.lists.end()) copied.lists.insert(*list);
    }
    return copied;
}

}  // namespace

const Attribute* Settings::find(std::string_view name) const
{
    const auto found = single.find(name);
    return found != single.end() ? &found->second : nullptr;
}

bool is_copied(std::string_view attribute)
{
    const Rule* const rule = find_rule(attribute, true);
    return rule != nullptr && rule->is_copied;
}

void collect_defaults(const Statement& entry, Settings& defaults, Translation& translation)
{
    const Say say = [&](Weight weight, const Attribute& attribute, std::string text) {
        translation.remarks.push_back({weight, attribute.place, "", attribute.name, std::move(text)});
    };
    for (const Attribute& attribute : entry.attributes) collect(attribute, defaults, true, say);
}

Service collect_service(const Statement& entry, const Settings& defaults)
{
    Service service;
    service.place = entry.place;
    service.name = service.id = entry.name;
    for (const Fault& fault : entry.faults) service.remark(Weight::Mistake, fault.place, "", fault.text);
    service.copied = copied_from(defaults);
    const Say say = [&](Weight weight, const Attribute& attribute, std::string text) {
        service.remark(weight, attribute.place, attribute.name, std::move(text));
    };
    for (const Attribute& attribute : entry.attributes) collect(attribute, service.settings, false, say);
    if (const Attribute* id = service.settings.find("id")) service.id = id->values[0];
    return service;
}

}  // namespace xsv::config::xinetd
