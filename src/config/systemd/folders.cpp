#include "base/text.h"
#include "config/systemd/program.h"
#include "config/systemd/text.h"

/// RuntimeDirectory= and its relatives: made by commands before each start.
namespace xsv::config::systemd {

void ProgramBuilder::made_folders(const Directive& directive, const Values& values)
{
    const auto words = plain_words(values);
    if (!words) return;
    MadeFolders& folders = folders_[std::string(directive.word)];
    folders.place = values.place();
    folders.key = directive.key;
    if (directive.word == "RUNTIME") folders.preserved = false;
    for (const std::string& word : *words) {
        const bool good = !word.empty() && !word.starts_with('/') && ("/" + word + "/").find("/../") == std::string::npos && word.find(':') == std::string::npos;
        if (good) folders.names.push_back(word);
        else mistake(values.place(), std::string(directive.key), fmt::format("expected a relative path without '..' and ':', got '{}'", text::escape_control(word)));
    }
}

void ProgramBuilder::folder_mode(const Directive& directive, const Values& values)
{
    const auto known = folders_.find(directive.word);
    if (known == folders_.end()) return;
    const std::string& mode = values.last().value;
    const bool good = !mode.empty() && mode.size() <= 5 && mode.find_first_not_of("01234567") == std::string::npos;
    if (good) known->second.mode = mode;
    else mistake(values.place(), std::string(directive.key), fmt::format("expected an octal number such as 0755, got '{}'", mode));
}

void ProgramBuilder::preserve_folders(const Directive&, const Values& values)
{
    if (const auto known = folders_.find("RUNTIME"); known != folders_.end())
        known->second.preserved = values.last().value == "restart" || parse_flag(values.last().value).value_or(false);
}

void ProgramBuilder::finish_folders()
{
    static const std::map<std::string, std::pair<char, std::string>, std::less<>> kParents = {
        {"RUNTIME", {'t', "RUNTIME_DIRECTORY"}}, {"STATE", {'S', "STATE_DIRECTORY"}}, {"CACHE", {'C', "CACHE_DIRECTORY"}}, {"LOGS", {'L', "LOGS_DIRECTORY"}}, {"CONFIGURATION", {'E', "CONFIGURATION_DIRECTORY"}}};
    std::vector<Command> makers;
    for (const auto& [kind, folders] : folders_) {
        const auto& [letter, variable] = kParents.at(kind);
        const auto parent = specifiers_->expand(std::string{'%', letter});
        std::vector<std::string> paths;
        for (const std::string& name : folders.names) {
            const std::string path = parent.value_or("/run") + "/" + name;
            paths.push_back(path);
            Command make;
            make.privileged = make.literal = true;
            make.place = folders.place;
            make.key = folders.key;
            make.words = {"/usr/bin/install", "-d", "-m", folders.mode};
            if (kind != "CONFIGURATION" && !user_.empty()) make.words.insert(make.words.end(), {"-o", user_});
            if (kind != "CONFIGURATION" && !group_.empty()) make.words.insert(make.words.end(), {"-g", group_});
            make.words.push_back(path);
            makers.push_back(make);
            if (folders.preserved || serves_one_caller()) continue;
            Command remove;
            remove.privileged = remove.literal = remove.may_fail = true;
            remove.place = folders.place;
            remove.words = {"/bin/rm", "-rf", "--", path};
            commands_["stop_post"].push_back(remove);
        }
        if (!paths.empty()) environment_.emplace_back(variable, text::join(paths, ":"));
    }
    auto& pre = commands_["start_pre"];
    pre.insert(pre.begin(), makers.begin(), makers.end());
}

}  // namespace xsv::config::systemd
