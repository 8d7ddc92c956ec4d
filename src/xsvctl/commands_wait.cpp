#include <algorithm>
#include <chrono>
#include <thread>

#include "base/text.h"
#include "base/time.h"
#include "xsvctl/commands.h"
#include "xsvctl/lookup.h"
#include "xsvctl/names.h"
#include "xsvctl/refusal.h"

namespace xsv::xsvctl {
namespace {

using wire::Value;

/// What "wait" waits for.
struct Goal {
    std::string name, state = "running";
    Duration timeout = std::chrono::seconds(30);
};

std::optional<Goal> parse_goal(std::vector<std::string> words)
{
    Goal goal;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const auto equals = words[i].starts_with("--") ? words[i].find('=') : std::string::npos;
        const std::string key = words[i].substr(0, equals);
        if (!key.starts_with("--")) {
            if (!goal.name.empty()) return std::nullopt;
            goal.name = key;
            continue;
        }
        std::string value;
        if (equals != std::string::npos) {
            value = words[i].substr(equals + 1);
        } else if (i + 1 < words.size()) {
            value = words[++i];
        }
        if (key == "--for" && (value == "running" || value == "stopped" || value == "exited" || value == "listening")) {
            goal.state = value;
        } else if (key == "--timeout") {
            const auto timeout = parse_duration(value);
            if (!timeout) return std::nullopt;
            goal.timeout = *timeout;
        } else {
            return std::nullopt;
        }
    }
    if (goal.name.empty()) return std::nullopt;
    return goal;
}

// Supervisor has no word for it: this one is in the members that only our daemon sends.
constexpr std::string_view kOwnState = "xsv_state";

bool is_there(const Goal& goal, const Value& info)
{
    if (goal.state == "listening") return text::iequals(info.text(kOwnState), "listening");
    return text::iequals(info.text("statename"), goal.state);
}

bool can_tell(const Goal& goal, const Value& info)
{
    return goal.state != "listening" || info.find(kOwnState);
}

/// Every program the name means; a call per program, except for a whole group.
Answer look_at(Session& session, Goal& goal)
{
    const Name name = split_name(goal.name);
    if (!name.whole_group) {
        auto info = call_about(session, "supervisor.getProcessInfo", goal.name);
        if (info) return Value(Value::Array{*info});
        return info;
    }
    auto all = session.call("supervisor.getAllProcessInfo");
    if (!all || !all->array()) return all;
    Value::Array members;
    for (const Value& info : *all->array()) {
        if (info.text("group") == name.group) members.push_back(info);
    }
    if (members.empty()) return tl::unexpected(CallError{CallError::Kind::Fault, fault::kBadName, "BAD_NAME"});
    return Value(std::move(members));
}

bool all_there(const Goal& goal, const Value& rows)
{
    if (!rows.array() || rows.array()->empty()) return false;
    return std::all_of(rows.array()->begin(), rows.array()->end(),
                       [&](const Value& row) { return is_there(goal, row); });
}

/// The first that is not there, and what to ask next.
void hint_at_state(Session& session, const Goal& goal, const Value& rows)
{
    for (const Value& row : *rows.array()) {
        if (is_there(goal, row)) continue;
        const std::string name = join_name(row.text("group"), row.text("name"));
        const std::string words = row.text("description");
        session.hint(fmt::format("xsvctl: {} is {}{}{}; 'xsvctl why {}' tells more", name, row.text("statename"),
                                 words.empty() ? "" : ": ", words, name));
        return;
    }
}

}  // namespace

Outcome commands::wait(Session& session, const std::string& arguments)
{
    constexpr auto kPause = std::chrono::milliseconds(50);
    auto goal = parse_goal(text::words(arguments));
    if (!goal) return complain_about_usage(session, "wait");
    const Time deadline = BootClock::now() + goal->timeout;
    for (;;) {
        auto rows = look_at(session, *goal);
        if (rows && all_there(*goal, *rows)) {
            session.out.value(Value::Struct{{"name", goal->name}, {"state", goal->state}});
            return {};
        }
        if (rows && rows->array() && !rows->array()->empty() && !can_tell(*goal, rows->array()->front())) {
            rows = tl::unexpected(CallError{CallError::Kind::Fault, fault::kUnknownMethod, ""});
        }
        if (!rows && rows.error().is_fault(fault::kBadName)) {
            session.error(goal->name + ": ERROR (no such process)", exit_code::kStatusUnknown);
            return {};
        }
        // A daemon that is just being started or restarted is waited for as well; a refusal is final.
        if (!rows && rows.error().kind != CallError::Kind::System && rows.error().kind != CallError::Kind::Broken) {
            return refuse(session, rows, goal->name);
        }
        if (BootClock::now() + kPause > deadline) {
            session.error(
                fmt::format("{}: ERROR (not {} within {})", goal->name, goal->state, format_duration(goal->timeout)));
            if (!rows) session.explain(rows.error());
            if (rows) hint_at_state(session, *goal, *rows);
            return {};
        }
        std::this_thread::sleep_for(kPause);
    }
}

}  // namespace xsv::xsvctl
