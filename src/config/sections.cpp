#include "config/sections.h"

#include "base/text.h"

namespace xsv::config {

const IniKey* Section::find(std::string_view key) const
{
    if (const auto found = keys.find(key); found != keys.end()) return &found->second;
    return defaults != nullptr ? defaults->find(key) : nullptr;
}

Section& Sections::section(const IniSection& from)
{
    if (const auto found = by_name_.find(from.name); found != by_name_.end()) return *found->second;
    Section& added = sections_.emplace_back();
    added.name = from.name;
    added.place = from.place;
    by_name_[from.name] = &added;
    if (from.name == "DEFAULT") {
        defaults_ = &added;
        for (Section& other : sections_)
            if (&other != &added) other.defaults = &added;
    } else {
        added.defaults = defaults_;
    }
    return added;
}

void Sections::merge(const IniDocument& document)
{
    for (const IniSection& from : document.sections) {
        Section& to = section(from);
        for (const IniKey& key : from.keys) to.keys[key.name] = key;
    }
}

void Sections::add_translated(const IniSection& from)
{
    Section& to = section(from);
    to.defaults = nullptr;
    for (const IniKey& key : from.keys) to.keys[key.name] = key;
}

const Section* Sections::find(std::string_view name) const
{
    const auto found = by_name_.find(name);
    return found != by_name_.end() ? found->second : nullptr;
}

std::string suggestion(std::string_view word, const std::vector<std::string>& known, std::string_view before,
                       std::string_view after)
{
    constexpr std::size_t kLongestWord = 64;
    if (word.size() > kLongestWord) return {};
    const auto near = text::nearest(word, known);
    return near ? fmt::format("; did you mean {}{}{}?", before, *near, after) : std::string();
}

}  // namespace xsv::config
