#include "xsvctl/lookup.h"

#include <algorithm>

#include "base/text.h"
#include "xsvctl/names.h"

namespace xsv::xsvctl {
namespace {

using wire::Value;

std::string nearest_of(std::string_view text, const Value::Array& all)
{
    std::vector<std::string> names;
    for (const Value& info : all) names.push_back(join_name(info.text("group"), info.text("name")));
    for (const Value& info : all) names.push_back(info.text("group") + ":*");
    const auto near = text::nearest(text, names);
    return near ? fmt::format("xsvctl: did you mean {}?", *near) : std::string();
}

std::optional<Value::Array> every_process(Session& session)
{
    auto answer = session.call("supervisor.getAllProcessInfo");
    if (!answer || !answer->array()) return std::nullopt;
    return *answer->array();
}

}  // namespace

Meaning meaning_of(const Value::Array& all, std::string_view text)
{
    if (text.find(':') != std::string_view::npos) return {"", nearest_of(text, all)};
    std::vector<std::string> found;
    bool is_group = false;
    for (const Value& info : all) {
        if (info.text("group") == text) is_group = true;
        if (info.text("name") == text) found.push_back(join_name(info.text("group"), info.text("name")));
    }
    if (found.size() == 1) return {found[0], ""};
    if (found.size() > 1) {
        return {"", fmt::format("xsvctl: {} is in {} groups: say {}", text, found.size(), text::join(found, " or "))};
    }
    if (is_group) return {"", fmt::format("xsvctl: {} is a group: {}:* means all of its processes", text, text)};
    return {"", nearest_of(text, all)};
}

Answer call_about(Session& session, std::string_view method, std::string& name, const Value::Array& more, bool repeatable)
{
    const auto call = [&] {
        Value::Array params{name};
        params.insert(params.end(), more.begin(), more.end());
        return session.call(method, params, repeatable);
    };
    auto answer = call();
    if (answer || !answer.error().is_fault(fault::kBadName) || session.as_supervisorctl()) return answer;
    const auto all = every_process(session);
    if (!all) return answer;
    Meaning meaning = meaning_of(*all, name);
    session.hint(meaning.hint);
    if (meaning.name.empty() || meaning.name == name) return answer;
    name = std::move(meaning.name);
    return call();
}

std::vector<std::string> complete_names(Session& session, std::vector<std::string> names)
{
    const auto is_bare = [](const std::string& name) { return name.find(':') == std::string::npos; };
    if (std::none_of(names.begin(), names.end(), is_bare)) return names;
    const auto all = every_process(session);
    if (!all) return names;
    const auto is_known = [&](const std::string& name) {
        return std::any_of(all->begin(), all->end(), [&](const Value& info) {
            return info.text("group") == name && info.text("name") == name;
        });
    };
    for (std::string& name : names) {
        if (!is_bare(name) || name == "all" || is_known(name)) continue;
        if (Meaning meaning = meaning_of(*all, name); !meaning.name.empty()) name = std::move(meaning.name);
    }
    return names;
}

}  // namespace xsv::xsvctl
