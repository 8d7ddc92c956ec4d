#include "config/directive.h"

#include "config/directives.h"

namespace xsv::config {

namespace {

/// Supervisor expands these a second time, so that its users write "%%%%" for a percent sign.
bool is_expanded_twice(std::string_view section, std::string_view key)
{
    return key == "stdout_logfile" || key == "stderr_logfile" || (section == "supervisord" && key == "environment");
}

}  // namespace

std::optional<std::string> SectionReader::expanded(const IniKey& key, Scope scope)
{
    if (key.value.find('%') == std::string::npos) return key.value;
    Names names = names_.of(scope);
    names["here"] = Surroundings::folder_of(key.place.file);  // of the file the value stands in
    // Supervisor expands a program's variables on their own, without the section's name.
    const bool own = key.name == "environment" && section_.name != "supervisord";
    auto value = expand(key.value, names, names_.plain, own ? key.name : section_.name + "." + key.name);
    if (value && is_expanded_twice(section_.name, key.name)) {
        // Whoever wrote "%%", as everywhere else, has meant what the first time gave.
        if (auto again = expand(*value, names, names_.plain, key.name)) value = std::move(again);
    }
    if (value) return *std::move(value);
    report_.mistake(key.place, section_.name, key.name, value.error().message);
    return std::nullopt;
}

std::string SectionReader::describe(const std::string& error, std::string_view expected)
{
    if (expected.empty() || error.find("expected") != std::string::npos) return error;
    return fmt::format("{} (expected {})", error, expected);
}

namespace {

template <class T>
void list(std::vector<DirectiveInfo>& all, std::string_view section, std::span<const Directive<T>> table)
{
    for (const Directive<T>& directive : table)
        all.push_back({std::string(section), directive.key, directive.expected, directive.initial, directive.help});
}

}  // namespace

std::vector<DirectiveInfo> all_directives()
{
    std::vector<DirectiveInfo> all;
    list(all, "supervisord", daemon_keys());
    list(all, "unix_http_server", unix_server_keys());
    list(all, "inet_http_server", inet_server_keys());
    list(all, "supervisorctl", client_keys());
    list(all, "program:x", program_keys());
    list(all, "program:x", environment_keys());
    list(all, "program:x", frame_keys());
    list(all, "program:x", socket_keys());
    list(all, "program:x", connection_keys());
    list(all, "program:x", ready_keys());
    list(all, "fcgi-program:x", program_keys());
    list(all, "fcgi-program:x", environment_keys());
    list(all, "fcgi-program:x", frame_keys());
    list(all, "fcgi-program:x", fcgi_keys());
    list(all, "fcgi-program:x", ready_keys());
    list(all, "eventlistener:x", listener_keys());
    list(all, "eventlistener:x", program_keys());
    list(all, "eventlistener:x", environment_keys());
    list(all, "eventlistener:x", frame_keys());
    list(all, "group:x", group_keys());
    all.push_back({"include", "files", "patterns, separated by blanks", "", "files to read as part of this one"});
    all.push_back({"include", "xinetd", "patterns, separated by blanks", "", "files of xinetd: each of their entries is a program"});
    all.push_back({"include", "inetd", "patterns, separated by blanks", "", "files of inetd"});
    all.push_back({"include", "systemd", "patterns, separated by blanks", "", "socket and service units of systemd"});
    all.push_back({"include", "import_unsafe", std::string_view(form::kYesNo), "no",
                   "start units although they limit a program's rights in ways that are not supported"});
    return all;
}

std::vector<std::string> keys_of(std::string_view section)
{
    std::string kind(section.substr(0, section.find(':')));
    for (const std::string_view server : {"unix_http_server", "inet_http_server"})
        if (section.starts_with(server)) kind = server;
    std::vector<std::string> keys;
    for (const DirectiveInfo& info : all_directives())
        if (info.section.substr(0, info.section.find(':')) == kind) keys.emplace_back(info.key);
    return keys;
}

}  // namespace xsv::config
