#include "config/xinetd/draft.h"

#include <algorithm>

#include "base/text.h"

namespace xsv::config::xinetd {

const Attribute* Draft::find(std::string_view name) const
{
    if (const Attribute* own = service.settings.find(name)) return own;
    return is_copied(name) ? service.copied.find(name) : defaults_.find(name);
}

std::vector<Attribute> Draft::list(std::string_view name) const
{
    std::vector<Attribute> all;
    for (const Settings* settings : {static_cast<const Settings*>(&service.copied), static_cast<const Settings*>(&service.settings)}) {
        const auto found = settings->lists.find(name);
        if (found != settings->lists.end()) all.insert(all.end(), found->second.begin(), found->second.end());
    }
    return all;
}

std::vector<std::pair<std::string, Place>> Draft::words(std::string_view name) const
{
    std::vector<std::pair<std::string, Place>> words;
    for (const Attribute& line : list(name)) {
        if (line.op == Operator::Set) words.clear();
        for (const std::string& word : line.values) {
            const auto known = std::find_if(words.begin(), words.end(), [&](const auto& before) { return text::iequals(before.first, word); });
            if (line.op == Operator::Remove && known != words.end()) words.erase(known);
            if (line.op != Operator::Remove && known == words.end()) words.emplace_back(word, line.place);
        }
    }
    return words;
}

std::optional<bool> Draft::flag(std::string_view name)
{
    const Attribute* const line = find(name);
    if (line == nullptr) return std::nullopt;
    if (text::iequals(line->values[0], "yes")) return true;
    if (text::iequals(line->values[0], "no")) return false;
    mistake(*line, fmt::format("expected yes or no, got '{}'", text::escape_control(line->values[0])));
    return std::nullopt;
}

std::optional<std::int64_t> Draft::number(const Attribute& line, std::int64_t least, std::int64_t most, const std::string& word)
{
    const auto number = text::to_int(word);
    if (number && *number >= least && *number <= most) return number;
    mistake(line, fmt::format("expected a number from {} to {}, got '{}'", least, most, text::escape_control(word)));
    return std::nullopt;
}

}  // namespace xsv::config::xinetd
