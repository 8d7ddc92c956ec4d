#include "config/systemd/order.h"

#include <algorithm>

#include "base/text.h"

namespace xsv::config::systemd {
namespace {

constexpr int kUsualPriority = 999;

/// "After=network.target": something that is true once a machine is up.
bool is_milestone(std::string_view unit)
{
    for (const std::string_view suffix : {".target", ".slice", ".mount", ".device", ".path", ".timer", ".swap"})
        if (unit.ends_with(suffix)) return true;
    return unit.starts_with("systemd-");
}

/// Does `to` come after `from`, perhaps with others between them?
bool leads(const std::map<std::string, std::set<std::string>>& followers, const std::string& from, const std::string& to)
{
    std::set<std::string> seen{from};
    std::vector<std::string> open{from};
    while (!open.empty()) {
        const std::string at = std::move(open.back());
        open.pop_back();
        if (at == to) return true;
        const auto known = followers.find(at);
        if (known == followers.end()) continue;
        for (const std::string& next : known->second)
            if (seen.insert(next).second) open.push_back(next);
    }
    return false;
}

std::string program_of(const std::string& section) { return section.substr(section.find(':') + 1); }

}  // namespace

void StartOrder::names(const std::string& section, const std::string& key, const Place& place, std::vector<std::string> units)
{
    lines_.push_back({section, key, place, std::move(units)});
}

void StartOrder::order(const Line& line, const std::string& unit, Followers& followers, Translation& translation) const
{
    const std::string& other = sections_.at(unit);
    if (other == line.section) return;   // a service and its own socket
    const bool is_after = line.key == "After";
    const std::string& first = is_after ? other : line.section;
    const std::string& second = is_after ? line.section : other;
    if (const auto known = followers.find(first); known != followers.end() && known->second.contains(second)) return;   // said before
    if (leads(followers, second, first)) {
        translation.warning(line.place, line.section, line.key,
                            fmt::format("ignored: {} starts {} this program, as lines before this one say", program_of(other), is_after ? "after" : "before"));
        return;
    }
    followers[first].insert(second);
    translation.note(line.place, line.section, line.key,
                     fmt::format("starts {} {} (priority), but neither waits until the other is ready", is_after ? "after" : "before", program_of(other)));
}

void StartOrder::apply(Translation& translation) const
{
    Followers followers;
    for (const Line& line : lines_) {
        std::vector<std::string> strangers;
        for (const std::string& unit : line.units) {
            if (!sections_.contains(unit)) {
                if (!is_milestone(unit)) strangers.push_back(text::escape_control(unit));
            } else if (line.key == "After" || line.key == "Before") {
                order(line, unit, followers, translation);
            }
        }
        if (!strangers.empty())
            translation.warning(line.place, line.section, line.key,
                                fmt::format("ignored: {} {} not imported: import {} too if the program needs {}", text::join(strangers, ", "),
                                            strangers.size() == 1 ? "is" : "are", strangers.size() == 1 ? "it" : "them", strangers.size() == 1 ? "it" : "them"));
    }
    // The longest way that leads to a program; there are no circles, so this ends.
    std::map<std::string, int> ranks;
    for (bool changed = true; changed;) {
        changed = false;
        for (const auto& [first, seconds] : followers)
            for (const std::string& second : seconds)
                if (ranks[second] <= ranks[first]) ranks[second] = ranks[first] + 1, changed = true;
    }
    for (IniSection& section : translation.sections)
        if (const int rank = ranks[section.name]; rank > 0) section.keys.push_back({"priority", std::to_string(kUsualPriority + rank), section.place});
}

}  // namespace xsv::config::systemd
