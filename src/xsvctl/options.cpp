#include "xsvctl/options.h"

#include <algorithm>
#include <functional>
#include <span>

#include "base/text.h"

namespace xsv::xsvctl {
namespace {

struct Option {
    char letter;            // 0: none
    std::string_view name;  // empty: none
    bool takes_value;
    bool ours;
    std::function<Status(Options&, std::string_view option, std::string value)> apply;
};

Status set_once(std::optional<std::string>& target, std::string_view option, std::string value)
{
    if (target) return fail("conflicting command line option {}", text::repr(option));
    target = std::move(value);
    return {};
}

auto store(std::optional<std::string> Options::*field)
{
    return [field](Options& options, std::string_view option, std::string value) {
        return set_once(options.*field, option, std::move(value));
    };
}

auto raise_flag(bool Options::*field)
{
    return [field](Options& options, std::string_view, const std::string&) -> Status {
        options.*field = true;
        return {};
    };
}

Status set_interactive(Options& options, std::string_view option, const std::string&)
{
    if (options.interactive) return fail("conflicting command line option {}", text::repr(option));
    options.interactive = true;
    return {};
}

Status set_server(Options& options, std::string_view option, std::string value)
{
    if (!looks_like_url(value)) {
        return fail("invalid value for {} {}: value {} is not a URL", option, text::repr(value), text::repr(value));
    }
    return set_once(options.serverurl, option, std::move(value));
}

Status set_history(Options& options, std::string_view, std::string value)
{
    options.history_file = std::move(value);
    return {};
}

std::span<const Option> all_options()
{
    static const Option options[] = {
        {'h', "help", false, false, raise_flag(&Options::help)},
        {'?', "", false, false, raise_flag(&Options::help)},
        {'c', "configuration", true, false, store(&Options::configuration)},
        {'i', "interactive", false, false, set_interactive},
        {'s', "serverurl", true, false, set_server},
        {'u', "username", true, false, store(&Options::username)},
        {'p', "password", true, false, store(&Options::password)},
        {'r', "history_file", true, false, set_history},
        {0, "version", false, true, raise_flag(&Options::version)},
        {0, "json", false, true, raise_flag(&Options::json)},
        {0, "raw", false, true, raise_flag(&Options::raw)},
        {0, "completion", true, true, store(&Options::completion)},
    };
    return options;
}

bool exists_for(const Option& option, const Options& options)
{
    return !option.ours || !options.as_supervisorctl;
}

// An abbreviation is fine as long as it can mean only one option.
Result<const Option*> find_long(std::string_view name, const Options& options)
{
    if (name == "history-file" && !options.as_supervisorctl) name = "history_file";  // as Supervisor's help spells it
    std::vector<const Option*> candidates;
    for (const Option& option : all_options()) {
        if (option.name.empty() || !exists_for(option, options)) continue;
        if (option.name == name) return &option;
        if (option.name.starts_with(name)) candidates.push_back(&option);
    }
    if (candidates.empty()) return fail("option --{} not recognized", name);
    if (candidates.size() > 1) return fail("option --{} not a unique prefix", name);
    return candidates.front();
}

struct Given {
    const Option* option;
    std::string spelling, value;
};

class Reader {
public:
    Reader(const std::vector<std::string>& arguments, Options& options) : arguments_(arguments), options_(options) {}

    Result<std::vector<Given>> read()
    {
        for (; next_ < arguments_.size(); ++next_) {
            const std::string& word = arguments_[next_];
            if (word == "--") {
                ++next_;
                break;
            }
            if (word.size() < 2 || word[0] != '-') break;
            Status status = word[1] == '-' ? read_long(word.substr(2)) : read_short(word);
            if (!status) return tl::unexpected<Error>(status.error());
        }
        options_.words.assign(arguments_.begin() + static_cast<std::ptrdiff_t>(next_), arguments_.end());
        return std::move(given_);
    }

private:
    Status read_long(std::string word)
    {
        const auto equals = word.find('=');
        const std::string name = word.substr(0, equals);
        auto option = find_long(name, options_);
        if (!option) return tl::unexpected<Error>(option.error());
        std::string value;
        if ((*option)->takes_value) {
            if (equals != std::string::npos) {
                value = word.substr(equals + 1);
            } else if (next_ + 1 < arguments_.size()) {
                value = arguments_[++next_];
            } else {
                return fail("option --{} requires argument", (*option)->name);
            }
        } else if (equals != std::string::npos) {
            return fail("option --{} must not have an argument", (*option)->name);
        }
        given_.push_back({*option, "--" + std::string((*option)->name), std::move(value)});
        return {};
    }

    Status read_short(const std::string& word)
    {
        for (std::size_t i = 1; i < word.size(); ++i) {
            const auto known = all_options();
            const auto option = std::find_if(known.begin(), known.end(), [&](const Option& o) {
                return o.letter == word[i] && exists_for(o, options_);
            });
            if (option == known.end()) return fail("option -{} not recognized", word[i]);
            std::string value;
            if (option->takes_value) {
                if (i + 1 < word.size()) {
                    value = word.substr(i + 1);
                } else if (next_ + 1 < arguments_.size()) {
                    value = arguments_[++next_];
                } else {
                    return fail("option -{} requires argument", word[i]);
                }
            }
            given_.push_back({&*option, std::string("-") + word[i], std::move(value)});
            if (option->takes_value) break;
        }
        return {};
    }

    const std::vector<std::string>& arguments_;
    Options& options_;
    std::size_t next_ = 1;
    std::vector<Given> given_;
};

// Ours may also stand behind the command: "xsvctl status --json".
void take_trailing_flags(Options& options)
{
    const auto is_ours = [&](const std::string& word) {
        if (word == "--json") return options.json = true;
        if (word == "--raw") return options.raw = true;
        return false;
    };
    std::erase_if(options.words, is_ours);
}

}  // namespace

std::vector<std::string> option_words(bool only_with_value)
{
    std::vector<std::string> words;
    for (const Option& option : all_options()) {
        if (option.name.empty() || (only_with_value && !option.takes_value)) continue;
        if (option.letter != 0) words.push_back(std::string("-") + option.letter);
        words.push_back("--" + std::string(option.name));
    }
    return words;
}

bool looks_like_url(std::string_view text)
{
    const auto colon = text.find(':');
    if (colon == std::string_view::npos || colon == 0) return false;
    const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
    if (!is_letter(text[0])) return false;
    for (char c : text.substr(0, colon)) {
        if (!is_letter(c) && !(c >= '0' && c <= '9') && c != '+' && c != '-' && c != '.') return false;
    }
    const auto rest = text.substr(colon + 1);
    return !rest.empty() && rest != "//";
}

Result<Options> parse_options(const std::vector<std::string>& arguments)
{
    Options options;
    if (!arguments.empty() && !arguments[0].empty()) options.program = arguments[0];
    const auto base = options.program.substr(options.program.rfind('/') + 1);
    options.as_supervisorctl = base == "supervisorctl";

    auto given = Reader(arguments, options).read();
    if (!given) return tl::unexpected<Error>(given.error());
    for (Given& each : *given) {
        if (auto status = each.option->apply(options, each.spelling, std::move(each.value)); !status) {
            return tl::unexpected<Error>(status.error());
        }
        if (options.help) return options;
    }
    if (!options.as_supervisorctl) take_trailing_flags(options);
    if (options.words.empty()) options.interactive = true;
    return options;
}

}  // namespace xsv::xsvctl
