#include "xsvctl/describe.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "base/time.h"
#include "xsvctl/names.h"

namespace xsv::xsvctl {
namespace {

using wire::Value;

// Already in the first line, or the same thing a second time.
constexpr std::array<std::string_view, 10> kNotRepeated{"name",     "group", "state", "statename", "description", "logfile",
                                                        "spawnerr", "now",   "start", "stop"};

// The name's ending says what a number is.
std::string text_of_number(std::string_view member, std::int64_t number)
{
    if (member.ends_with("_bytes") || member == "memory" || member == "rss" || member == "pss")
        return format_bytes(number);
    if (member.ends_with("_at") && number > 0) return local_time(number);
    if (member.ends_with("_kb")) return format_bytes(number * 1024);
    if (member == "uptime") return format_duration(std::chrono::seconds(number));
    if (member.ends_with("_ms")) return fmt::format("{} ms", number);
    if (member.ends_with("_us")) return format_duration(std::chrono::microseconds(number));
    return std::to_string(number);
}

std::string text_of(std::string_view member, const Value& value);

// tcp:8080, 3 of at most 4096 callers wait
std::string text_of_socket(const Value& socket)
{
    return fmt::format("{}, {} of at most {} callers wait", socket.text("address"), socket.number("waiting"), socket.number("most"));
}

std::string text_of_struct(const Value::Struct& members)
{
    std::string out;
    for (const auto& [name, value] : members) {
        const std::string text = text_of(name, value);
        if (text.empty()) continue;
        if (!out.empty()) out += ", ";
        out += name + " " + text;
    }
    return out;
}

std::string text_of(std::string_view member, const Value& value)
{
    if (const auto* text = value.string()) return *text;
    if (const auto* number = value.integer()) return text_of_number(member, *number);
    if (const auto* number = value.real()) return fmt::format("{:.3g}{}", *number, member.ends_with("_seconds") ? " s" : "");
    if (const auto* truth = value.boolean()) return *truth ? "yes" : "no";
    if (member == "sockets" && value.find("address")) return text_of_socket(value);
    if (const auto* members = value.structure()) return text_of_struct(*members);
    std::vector<std::string> items;
    if (const auto* list = value.array()) {
        for (const Value& each : *list) items.push_back(text_of(member, each));
    }
    return text::join(items, ", ");
}

bool says_nothing(const Value& value)
{
    if (value.is_nil()) return true;
    if (const auto* text = value.string()) return text->empty();
    if (const auto* number = value.integer()) return *number == 0;
    if (const auto* number = value.real()) return *number == 0;
    if (const auto* truth = value.boolean()) return !*truth;
    if (const auto* list = value.array()) return list->empty();
    return value.structure()->empty();
}

// A list of structs (callers, sockets) gets a line each.
void append_member(std::string& out, const std::string& name, const Value& value)
{
    constexpr int kLabel = 18;
    std::string label = text::replace_all(name.starts_with("xsv_") ? name.substr(4) : name, "_", " ");
    for (const std::string_view unit : {" kb", " bytes", " seconds", " ms", " us"}) {
        if (label.ends_with(unit)) label.resize(label.size() - unit.size());
    }
    const auto* list = value.array();
    const bool line_each =
        list && std::any_of(list->begin(), list->end(), [](const Value& v) { return v.structure(); });
    if (!line_each) {
        out += fmt::format("  {:<{}}{}\n", label, kLabel, text_of(name, value));
        return;
    }
    for (const Value& each : *list) {
        out += fmt::format("  {:<{}}{}\n", label, kLabel, text_of(name, each));
        label.clear();
    }
}

}  // namespace

std::string format_bytes(std::int64_t bytes)
{
    constexpr std::array<std::string_view, 4> kUnits{"KiB", "MiB", "GiB", "TiB"};
    if (bytes < 1024) return fmt::format("{} B", bytes);
    double amount = static_cast<double>(bytes) / 1024;
    std::size_t unit = 0;
    for (; amount >= 1024 && unit + 1 < kUnits.size(); ++unit) amount /= 1024;
    return fmt::format("{:.{}f} {}", amount, amount < 10 ? 1 : 0, kUnits[unit]);
}

std::string describe_program(const Value& row)
{
    const std::string state = row.text(row.find("statename") ? "statename" : "state");
    std::string out = fmt::format("{:<33}{:<10}{}", join_name(row.text("group"), row.text("name")), state, row.text("description"));
    out.erase(out.find_last_not_of(' ') + 1);
    out += '\n';
    if (!row.structure()) return out;
    for (const auto& [name, value] : *row.structure()) {
        const bool repeated = std::find(kNotRepeated.begin(), kNotRepeated.end(), name) != kNotRepeated.end();
        if (!repeated && !says_nothing(value)) append_member(out, name, value);
    }
    return out;
}

}  // namespace xsv::xsvctl
