#include <algorithm>
#include <optional>

#include "base/text.h"
#include "xsvctl/commands.h"
#include "xsvctl/lookup.h"
#include "xsvctl/names.h"

namespace xsv::xsvctl {
namespace {

using wire::Value;

bool matches(const Value& info, const Name& name)
{
    return info.text("group") == name.group && (name.whole_group || info.text("name") == name.process);
}

bool is_stopped_state(std::int64_t state)
{
    constexpr std::int64_t kStopped = 0, kExited = 100, kFatal = 200, kUnknown = 1000;
    return state == kStopped || state == kExited || state == kFatal || state == kUnknown;
}

void append_matching(std::vector<const Value*>& rows, const Value::Array& all, const Name& name)
{
    for (const Value& info : all) {
        if (matches(info, name)) rows.push_back(&info);
    }
}

std::vector<const Value*> select_rows(Session& session, const Value::Array& all, const std::vector<std::string>& names)
{
    std::vector<const Value*> rows;
    if (names.empty() || names_everything(names)) {
        for (const Value& info : all) rows.push_back(&info);
        return rows;
    }
    for (const std::string& text : names) {
        const Name name = split_name(text);
        const auto before = rows.size();
        append_matching(rows, all, name);
        if (rows.size() == before && !session.as_supervisorctl()) {
            const Meaning meaning = meaning_of(all, text);
            session.hint(meaning.hint);
            if (!meaning.name.empty()) append_matching(rows, all, split_name(meaning.name));
        }
        if (rows.size() > before) continue;
        session.error(name.whole_group ? name.group + ": ERROR (no such group)" : text + ": ERROR (no such process)",
                      exit_code::kStatusUnknown);
    }
    return rows;
}

// Columns count characters, not bytes.
std::size_t length_of(std::string_view text)
{
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

void append_padded(std::string& line, std::string_view text, std::size_t width)
{
    line += text;
    const std::size_t length = length_of(text);
    if (length < width) line.append(width - length, ' ');
}

void print_rows(Session& session, const std::vector<const Value*>& rows)
{
    std::vector<std::string> names;
    std::size_t width = 30;
    for (const Value* info : rows) {
        names.push_back(join_name(info->text("group"), info->text("name")));
        width = std::max(width, length_of(names.back()));
    }
    std::string line;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        line.clear();
        append_padded(line, names[i], width + 3);
        append_padded(line, rows[i]->text("statename"), 10);
        line += rows[i]->text("description");
        session.out.line(line);
        if (session.out.is_json()) session.out.item(*rows[i]);  // a thousand copies nobody looks at cost milliseconds
    }
}

/// The short answer, as structs; nullopt from a daemon that does not know the method.
std::optional<Value::Array> fetch_short(Session& session)
{
    auto answer = session.call("xsv.status");
    if (!answer || answer->array() == nullptr) return std::nullopt;
    Value::Array all;
    for (const Value& row : *answer->array()) {
        const auto* fields = row.array();
        if (fields == nullptr || fields->size() != 5) return std::nullopt;
        all.emplace_back(Value::Struct{{"group", (*fields)[0]}, {"name", (*fields)[1]}, {"state", (*fields)[2]},
                                       {"statename", (*fields)[3]}, {"description", (*fields)[4]}});
    }
    return all;
}

}  // namespace

Outcome commands::status(Session& session, const std::string& arguments)
{
    std::optional<Value::Array> all;
    if (!session.as_supervisorctl() && !session.out.is_json()) all = fetch_short(session);
    if (!all) {
        auto answer = session.call("supervisor.getAllProcessInfo");
        if (!answer) return raise(answer);
        if (!answer->array()) return raise_value("the server's answer is no list of programs");
        all = *answer->array();
    }
    const auto rows = select_rows(session, *all, text::words(arguments));
    session.out.list();
    print_rows(session, rows);
    const bool any_stopped = std::any_of(rows.begin(), rows.end(),
                                         [](const Value* info) { return is_stopped_state(info->number("state")); });
    if (any_stopped) session.exit_status = exit_code::kStatusStopped;
    return {};
}

Outcome commands::pid(Session& session, const std::string& arguments)
{
    const auto names = text::words(arguments);
    if (names.empty()) {
        auto answer = session.call("supervisor.getPID");
        if (!answer) return raise(answer);
        const auto* number = answer->integer();
        session.out.line(std::to_string(number ? *number : 0));
        session.out.value(Value::Struct{{"pid", number ? *number : 0}});
        return {};
    }
    if (names_everything(names)) {
        auto answer = session.call("supervisor.getAllProcessInfo");
        if (!answer) return raise(answer);
        session.out.list();
        if (!answer->array()) return raise_value("the server's answer is no list of programs");
        for (const Value& info : *answer->array()) {
            session.out.line(std::to_string(info.number("pid")));
            session.out.item(
                Value::Struct{{"name", info.text("name")}, {"group", info.text("group")}, {"pid", info.number("pid")}});
        }
        return {};
    }
    for (std::string name : names) {
        auto info = call_about(session, "supervisor.getProcessInfo", name);
        if (info) {
            session.out.line(std::to_string(info->number("pid")));
            session.out.item(Value::Struct{
                {"name", info->text("name")}, {"group", info->text("group")}, {"pid", info->number("pid")}});
            if (info->number("pid") == 0) session.exit_status = exit_code::kNotRunning;
        } else if (info.error().is_fault(fault::kBadName)) {
            session.error("No such process " + name);
        } else {
            return raise(info);
        }
    }
    return {};
}

}  // namespace xsv::xsvctl
