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

/// In a file, a ';' or '#' behind a blank begins a comment, even between quotes.
bool would_comment(char c, char before)
{
    return (c == ';' || c == '#') && std::string_view(" \t\v\f\r\n").find(before) != std::string_view::npos;
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

/// The quotes end and begin again where a comment would begin.
std::string quoted_word(std::string_view word)
{
    if (!word.empty() && std::all_of(word.begin(), word.end(), is_plain)) return std::string(word);
    std::string quoted = "'";
    for (const char c : word) {
        if (would_comment(c, quoted.back())) quoted += "''";
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

namespace {

/// As Supervisor has always read it: quotes at both ends, no escapes.
std::string plain_pair(const std::string& name, const std::string& value)
{
    const char quote = value.find('"') == std::string::npos ? '"' : '\'';
    return fmt::format("{}={}{}{}", name, quote, value, quote);
}

/// As a shell reads it, which parse_environment turns to where the old grammar makes no sense of a value: it does not of one that
/// begins with a backslash. Quotes end and begin again where a comment would begin.
std::string shell_pair(const std::string& name, const std::string& value)
{
    if (value.empty()) return name + "=\"\"";
    std::string text = name + "=\\" + value[0] + "\"";
    for (std::size_t i = 1; i < value.size(); ++i) {
        if (would_comment(value[i], value[i - 1])) text += "\"\"";
        if (value[i] == '"' || value[i] == '\\') text += '\\';
        text += value[i];
    }
    return text + "\"";
}

std::string pairs(const Environment& environment, std::string (*pair)(const std::string& name, const std::string& value))
{
    std::string line;
    for (const auto& [name, value] : environment) line += (line.empty() ? "" : ",") + pair(name, value);
    return line;
}

bool is_read_back(const std::string& line, const Environment& environment)
{
    std::string ignored;
    const auto back = parse_environment(line, ignored);
    return back && ignored.empty() && *back == environment;
}

}  // namespace

/// What is read back decides.
Result<std::string> environment_line(const Environment& environment)
{
    const bool comments = std::any_of(environment.begin(), environment.end(), [](const auto& variable) {
        const std::string& value = variable.second;
        for (std::size_t i = 1; i < value.size(); ++i)
            if (would_comment(value[i], value[i - 1])) return true;
        return false;
    });
    if (std::string line = pairs(environment, plain_pair); !comments && is_read_back(line, environment)) return line;
    if (std::string line = pairs(environment, shell_pair); is_read_back(line, environment)) return line;
    for (const auto& variable : environment)
        if (!is_read_back(shell_pair(variable.first, variable.second), {variable}))
            return fail("the variable {} cannot be written", text::escape_control(variable.first));
    return fail("a variable stands there twice");
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
