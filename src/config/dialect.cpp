#include "config/dialect.h"

#include <algorithm>

#include "base/text.h"
#include "config/values.h"

namespace xsv::config {
namespace {

bool is_plain(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
           std::string_view("_@%+=:,./-").find(c) != std::string_view::npos;
}

}  // namespace

std::string_view dialect_name(Dialect dialect)
{
    switch (dialect) {
        case Dialect::Xinetd: return "xinetd";
        case Dialect::Inetd: return "inetd";
        case Dialect::Systemd: break;
    }
    return "systemd";
}

void Translation::note(const Place& place, std::string section, std::string key, std::string text)
{
    remarks.push_back({Remark::Weight::Note, place, std::move(section), std::move(key), std::move(text)});
}

void Translation::warning(const Place& place, std::string section, std::string key, std::string text)
{
    remarks.push_back({Remark::Weight::Warning, place, std::move(section), std::move(key), std::move(text)});
}

void Translation::mistake(const Place& place, std::string section, std::string key, std::string text)
{
    remarks.push_back({Remark::Weight::Mistake, place, std::move(section), std::move(key), std::move(text)});
}

NativeSection::NativeSection(std::string program, Place place)
{
    section_.name = "program:" + std::move(program);
    section_.place = std::move(place);
}

void NativeSection::set(std::string_view key, std::string_view value, const Place& place)
{
    std::string escaped;
    for (const char c : value) escaped.append(c == '%' ? 2 : 1, c);
    const auto known = std::find_if(section_.keys.begin(), section_.keys.end(), [&](const IniKey& k) { return k.name == key; });
    if (known != section_.keys.end()) *known = {std::string(key), std::move(escaped), place};
    else section_.keys.push_back({std::string(key), std::move(escaped), place});
}

const std::string* NativeSection::find(std::string_view key) const
{
    const auto found = std::find_if(section_.keys.begin(), section_.keys.end(), [&](const IniKey& k) { return k.name == key; });
    return found != section_.keys.end() ? &found->value : nullptr;
}

/// In a file, a ';' or '#' behind a blank begins a comment even between quotes: there the quotes end and begin again.
std::string quoted_word(std::string_view word)
{
    if (!word.empty() && std::all_of(word.begin(), word.end(), is_plain)) return std::string(word);
    std::string quoted = "'";
    for (const char c : word) {
        const bool would_comment = (c == ';' || c == '#') && std::string_view(" \t\v\f\r\n").find(quoted.back()) != std::string_view::npos;
        if (would_comment) quoted += "''";
        if (c == '\'') quoted += "'\"'\"'";
        else quoted += c;
    }
    return quoted + "'";
}

std::string command_line(std::span<const std::string> words)
{
    std::string line;
    for (const std::string& word : words) line += (line.empty() ? "" : " ") + quoted_word(word);
    return line;
}

/// The grammar of `environment` knows no escapes and strips quotes from both ends of a value, so not every value can be
/// written: what is read back decides.
Result<std::string> environment_line(const Environment& environment)
{
    std::string line;
    for (const auto& [name, value] : environment) {
        const char quote = value.find('"') == std::string::npos ? '"' : '\'';
        const std::string one = fmt::format("{}={}{}{}", name, quote, value, quote);
        std::string ignored;
        const auto back = parse_environment(one, ignored);
        if (!back || *back != Environment{{name, value}} || !ignored.empty())
            return fail("the value of {} cannot be written: it begins or ends with a quote, or has both kinds", name);
        line += (line.empty() ? "" : ",") + one;
    }
    return line;
}

Translation translate(Dialect dialect, const std::vector<std::string>& files, const Surroundings& surroundings, const TranslationRules& rules)
{
    switch (dialect) {
        case Dialect::Xinetd: return translate_xinetd(files, surroundings, rules);
        case Dialect::Inetd: return translate_inetd(files, surroundings, rules);
        case Dialect::Systemd: break;
    }
    return translate_systemd(files, surroundings, rules);
}

}  // namespace xsv::config
