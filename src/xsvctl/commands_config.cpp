#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"
#include "xsvctl/commands.h"
#include "xsvctl/names.h"

namespace xsv::xsvctl {
namespace {

using wire::Value;

std::vector<std::string> strings_of(const Value& list)
{
    std::vector<std::string> out;
    if (!list.array()) return out;
    for (const Value& each : *list.array()) {
        if (each.string()) out.push_back(*each.string());
    }
    return out;
}

/// What reloadConfig answers: names of groups.
struct GroupChanges {
    std::vector<std::string> added, changed, removed;
};

tl::expected<GroupChanges, CallError> parse_changes(const Value& answer)
{
    const auto* outer = answer.array();
    const auto* lists = outer && !outer->empty() ? outer->front().array() : nullptr;
    if (!lists || lists->size() != 3)
        return raise_value("the server's answer to reloadConfig is not what it should be");
    return GroupChanges{strings_of((*lists)[0]), strings_of((*lists)[1]), strings_of((*lists)[2])};
}

void print_group(Session& session, const std::string& name, std::string_view what)
{
    session.out.line(fmt::format("{}: {}", name, what));
    session.out.item(Value::Struct{{"group", name}, {"what", what}});
}

/// The steps of "update" for one kind of change; each is an answer or what went wrong.
Outcome call_quietly(Session& session, std::string_view method, const std::string& group)
{
    auto answer = session.call(method, {group});
    if (!answer) return raise(answer);
    return {};
}

Outcome remove_group(Session& session, const std::string& group)
{
    auto stopped = session.call("supervisor.stopProcessGroup", {group});
    if (!stopped) return raise(stopped);
    print_group(session, group, "stopped");
    const auto* results = stopped->array();
    const bool failed = results && std::any_of(results->begin(), results->end(), [](const Value& result) {
                            return result.number("status") == fault::kFailed;
                        });
    if (failed) {
        session.error(group + ": has problems; not removing");
        return {};
    }
    if (auto removed = call_quietly(session, "supervisor.removeProcessGroup", group); !removed) return removed;
    print_group(session, group, "removed process group");
    return {};
}

Outcome replace_group(Session& session, const std::string& group)
{
    if (auto stopped = call_quietly(session, "supervisor.stopProcessGroup", group); !stopped) return stopped;
    print_group(session, group, "stopped");
    if (auto removed = call_quietly(session, "supervisor.removeProcessGroup", group); !removed) return removed;
    if (auto added = call_quietly(session, "supervisor.addProcessGroup", group); !added) return added;
    print_group(session, group, "updated process group");
    return {};
}

Outcome add_group(Session& session, const std::string& group)
{
    if (auto added = call_quietly(session, "supervisor.addProcessGroup", group); !added) return added;
    print_group(session, group, "added process group");
    return {};
}

/// Says which of the wanted groups do not exist; those that do are handled nevertheless.
Outcome complain_about_unknown(Session& session, const std::set<std::string>& wanted, const GroupChanges& changes)
{
    auto answer = session.call("supervisor.getAllProcessInfo");
    if (!answer) return raise(answer);
    std::set<std::string> known(changes.added.begin(), changes.added.end());
    if (answer->array()) {
        for (const Value& info : *answer->array()) known.insert(info.text("group"));
    }
    for (const std::string& group : wanted) {
        if (!known.contains(group)) session.error("ERROR: no such group: " + group);
    }
    return {};
}

}  // namespace

Outcome commands::avail(Session& session, const std::string&)
{
    auto answer = session.call("supervisor.getAllConfigInfo");
    if (!answer) {
        if (!answer.error().is_fault(fault::kShutdownState)) return raise(answer);
        session.error("ERROR: supervisor shutting down");
        return {};
    }
    session.out.list();
    if (!answer->array()) return raise_value("the server's answer is no list of programs");
    for (const Value& info : *answer->array()) {
        session.out.line(fmt::format("{:<32} {:<9} {:<9} {}:{}", join_name(info.text("group"), info.text("name")),
                                     info.flag("inuse") ? "in use" : "avail",
                                     info.flag("autostart") ? "auto" : "manual", info.number("group_prio"),
                                     info.number("process_prio")));
        session.out.item(info);
    }
    return {};
}

Outcome commands::reread(Session& session, const std::string&)
{
    auto answer = session.call("supervisor.reloadConfig");
    if (!answer) {
        const CallError& error = answer.error();
        if (error.is_fault(fault::kShutdownState)) {
            session.error("ERROR: supervisor shutting down");
        } else if (error.is_fault(fault::kCantReread)) {
            session.error("ERROR: " + error.text);
        } else {
            return raise(answer);
        }
        return {};
    }
    auto changes = parse_changes(*answer);
    if (!changes) return tl::unexpected(changes.error());
    std::map<std::string, std::string_view> lines;
    for (const auto& name : changes->added) lines[name] = "available";
    for (const auto& name : changes->changed) lines[name] = "changed";
    for (const auto& name : changes->removed) lines[name] = "disappeared";
    session.out.list();
    if (lines.empty()) session.out.line("No config updates to processes");
    for (const auto& [name, what] : lines) print_group(session, name, what);
    return {};
}

Outcome commands::update(Session& session, const std::string& arguments)
{
    auto answer = session.call("supervisor.reloadConfig");
    if (!answer) {
        if (answer.error().is_fault(fault::kCantReread) && !session.as_supervisorctl()) {
            session.error("ERROR: " + answer.error().text);  // as reread; Supervisor's has a Python exception here
            return {};
        }
        if (!answer.error().is_fault(fault::kShutdownState)) return raise(answer);
        session.error("ERROR: already shutting down");
        return {};
    }
    auto changes = parse_changes(*answer);
    if (!changes) return tl::unexpected(changes.error());
    session.out.list();

    const auto words = text::words(arguments);
    std::set<std::string> wanted(words.begin(), words.end());
    if (wanted.contains("all")) wanted.clear();
    if (!wanted.empty()) {
        if (auto told = complain_about_unknown(session, wanted, *changes); !told) return told;
    }
    const auto for_each = [&](const std::vector<std::string>& groups, Outcome (*step)(Session&, const std::string&)) {
        for (const std::string& group : groups) {
            if (!wanted.empty() && !wanted.contains(group)) continue;
            if (Outcome done = step(session, group); !done) return done;
        }
        return Outcome{};
    };
    if (auto done = for_each(changes->removed, remove_group); !done) return done;
    if (auto done = for_each(changes->changed, replace_group); !done) return done;
    return for_each(changes->added, add_group);
}

Outcome commands::add(Session& session, const std::string& arguments)
{
    session.out.list();
    for (const std::string& name : text::words(arguments)) {
        auto answer = session.call("supervisor.addProcessGroup", {name});
        if (answer) {
            print_group(session, name, "added process group");
        } else if (answer.error().is_fault(fault::kShutdownState)) {
            session.error("ERROR: shutting down");
        } else if (answer.error().is_fault(fault::kAlreadyAdded)) {
            session.error("ERROR: process group already active", session.exit_status);  // no failure, as ever
        } else if (answer.error().is_fault(fault::kBadName)) {
            session.error("ERROR: no such process/group: " + name);
        } else {
            return raise(answer);
        }
    }
    return {};
}

Outcome commands::remove(Session& session, const std::string& arguments)
{
    session.out.list();
    for (const std::string& name : text::words(arguments)) {
        auto answer = session.call("supervisor.removeProcessGroup", {name});
        if (answer) {
            print_group(session, name, "removed process group");
        } else if (answer.error().is_fault(fault::kStillRunning)) {
            session.error("ERROR: process/group still running: " + name);
        } else if (answer.error().is_fault(fault::kBadName)) {
            session.error("ERROR: no such process/group: " + name);
        } else {
            return raise(answer);
        }
    }
    return {};
}

}  // namespace xsv::xsvctl
