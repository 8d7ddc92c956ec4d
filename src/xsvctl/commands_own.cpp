#include "base/text.h"
#include "config/import.h"
#include "xsvctl/commands.h"
#include "xsvctl/config_value.h"
#include "xsvctl/daemon_program.h"
#include "xsvctl/describe.h"
#include "xsvctl/lookup.h"
#include "xsvctl/names.h"
#include "xsvctl/refusal.h"

namespace xsv::xsvctl {
namespace {

using wire::Value;

std::vector<std::string> strings_in(const Value& value, std::string_view member)
{
    std::vector<std::string> out;
    const Value* list = value.find(member);
    if (!list || !list->array()) return out;
    for (const Value& each : *list->array()) {
        if (each.string()) out.push_back(*each.string());
    }
    return out;
}

void print_difference(Session& session, const Value& difference)
{
    session.out.value(difference);
    bool any = false;
    const auto say = [&](std::string_view name, std::string_view what) {
        session.out.line(fmt::format("{}: {}", name, what));
        any = true;
    };
    for (const auto& name : strings_in(difference, "added")) say(name, "added");
    for (const auto& name : strings_in(difference, "removed")) say(name, "removed");
    if (const Value* changed = difference.find("changed"); changed && changed->array()) {
        for (const Value& each : *changed->array()) {
            const auto what = strings_in(each, "what");
            say(each.text("name"), what.empty() ? "changed" : fmt::format("changed ({})", text::join(what, ", ")));
        }
    }
    if (difference.flag("daemon")) say("[supervisord]", "changed");
    if (difference.flag("servers")) say("control servers", "changed");
    if (!any) session.out.line("No changes");
}

Outcome call_and_print_difference(Session& session, std::string_view method)
{
    auto answer = session.call(method);
    if (!answer) return refuse(session, answer, "");
    print_difference(session, *answer);
    return {};
}

/// For --json: the daemon's program prints for people.
Outcome check_file_as_value(Session& session, const std::string& file)
{
    const config::Loaded loaded = config::load_any(file);
    if (!loaded.mistakes.empty()) session.exit_status = exit_code::kGeneric;
    session.out.value(config_value(loaded));
    return {};
}

/// The complete names of a group's processes; the name itself if it means no group, or none that is there.
std::vector<std::string> members_of(Session& session, const std::string& text)
{
    const Name name = split_name(text);
    if (!name.whole_group) return {text};
    std::vector<std::string> members;
    auto all = session.call("supervisor.getAllProcessInfo");
    if (!all || !all->array()) return {text};
    for (const Value& info : *all->array()) {
        if (info.text("group") == name.group) members.push_back(name.group + ":" + info.text("name"));
    }
    return members.empty() ? std::vector<std::string>{text} : members;
}

Outcome print_shown(Session& session, Answer answer, const std::string& name)
{
    if (!answer) return refuse(session, answer, name);
    if (!answer->array()) return {};
    for (const Value& row : *answer->array()) {
        session.out.text(describe_program(row));
        session.out.item(row);
    }
    return {};
}

Outcome run_daemon_program(Session& session, const std::vector<std::string>& arguments)
{
    session.out.flush();
    auto code = run_in_foreground(find_daemon_program(), arguments);
    if (code) {
        session.exit_status = *code;
    } else {
        session.error("ERROR: " + code.error().message);
    }
    return {};
}

}  // namespace

Outcome commands::apply(Session& session, const std::string& arguments)
{
    if (arguments == "--restart-all") return reload(session, "");
    if (!arguments.empty()) return complain_about_usage(session, "reload");
    return call_and_print_difference(session, "xsv.reload");
}

Outcome commands::diff(Session& session, const std::string&)
{
    return call_and_print_difference(session, "xsv.diff");
}

Outcome commands::resume(Session& session, const std::string&)
{
    auto answer = session.call("xsv.resume");
    if (!answer) return refuse(session, answer, "");
    session.out.value(*answer);
    session.out.line(answer->boolean() && !*answer->boolean() ? "The daemon was not in hold mode" : "Hold mode is over");
    return {};
}

Outcome commands::check(Session& session, const std::string& arguments)
{
    if (!arguments.empty()) {
        if (session.out.is_json()) return check_file_as_value(session, arguments);
        return run_daemon_program(session, {"--check", arguments});
    }
    auto answer = session.call("xsv.check");
    if (!answer) return refuse(session, answer, "");
    session.out.value(*answer);
    const auto mistakes = strings_in(*answer, "mistakes"), warnings = strings_in(*answer, "warnings");
    const auto notes = strings_in(*answer, "notes");
    for (const auto& each : mistakes) session.out.line("error: " + each);
    for (const auto& each : warnings) session.out.line("warning: " + each);
    for (const auto& each : notes) session.out.line("note: " + each);
    if (mistakes.empty()) {
        session.out.line("The configuration is fine");
    } else {
        session.exit_status = exit_code::kGeneric;
    }
    return {};
}

Outcome commands::run(Session& session, const std::string& arguments)
{
    if (text::words(arguments).size() != 1) return complain_about_usage(session, "run");
    if (session.config_file().empty()) {
        session.error("ERROR: no configuration file was found; name it with -c");
        return {};
    }
    return run_daemon_program(session, {"--run", arguments, "-c", session.config_file()});
}

Outcome commands::refresh(Session& session, const std::string& arguments)
{
    const auto names = text::words(arguments);
    if (names.empty()) return complain_about_usage(session, "refresh");
    for (const std::string& text : names) {
        for (std::string name : members_of(session, text)) {
            auto answer = call_about(session, "xsv.refresh", name);
            if (answer) {
                session.out.line(name + ": asked to reload");
                continue;
            }
            if (answer.error().is_fault(fault::kNotRunning)) session.error(name + ": ERROR (not running)");
            else if (answer.error().is_fault(fault::kFailed)) session.error("ERROR: " + text::replace_all(answer.error().text, "FAILED: ", ""));
            else if (auto refused = refuse(session, answer, name); !refused) return refused;
        }
    }
    return {};
}

Outcome commands::show(Session& session, const std::string& arguments)
{
    session.out.list();
    const auto names = text::words(arguments);
    if (names.empty()) return print_shown(session, session.call("xsv.show"), "");
    for (const std::string& text : names) {
        for (std::string name : members_of(session, text)) {
            auto answer = call_about(session, "xsv.show", name);
            if (auto printed = print_shown(session, std::move(answer), name); !printed) return printed;
        }
    }
    return {};
}

Outcome commands::why(Session& session, const std::string& arguments)
{
    const auto names = text::words(arguments);
    if (names.empty()) return complain_about_usage(session, "why");
    for (const std::string& text : names) {
        const auto members = members_of(session, text);
        const bool many = names.size() > 1 || members.size() > 1;
        for (std::string name : members) {
            auto answer = call_about(session, "xsv.why", name);
            if (!answer) {
                if (auto refused = refuse(session, answer, name); !refused) return refused;
                continue;
            }
            const std::string reason = answer->string() ? *answer->string() : "";
            session.out.line(reason);
            Value::Struct row{{"name", name}, {"why", reason}};
            many ? session.out.item(std::move(row)) : session.out.value(std::move(row));
        }
    }
    return {};
}

}  // namespace xsv::xsvctl
