#include <cstdlib>

#include <unistd.h>

#include "base/text.h"
#include "config/directive.h"

/// Where configurations lie, and the client's part of one.
namespace xsv::config {

std::string full_program_path(const std::string& program)
{
    if (program.empty() || program.find('/') != std::string::npos) return program;
    const char* path = std::getenv("PATH");
    for (const std::string& folder : text::split(path ? path : "/usr/bin:/bin", ':')) {
        std::string candidate = (folder.empty() ? "." : folder) + "/" + program;
        if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    }
    return program;
}

std::vector<std::string> default_config_places(const std::string& program_path)
{
    std::vector<std::string> places = {"/etc/xsvd/xsvd.conf", "/etc/supervisor/supervisord.conf",
                                       "/etc/supervisord.conf"};
    // Root never takes its orders from the current folder or one beside the program.
    if (::geteuid() == 0) return places;
    if (const auto slash = program_path.rfind('/'); slash != std::string::npos) {
        const std::string parent = program_path.substr(0, slash) + "/..";
        places.push_back(parent + "/etc/supervisord.conf");
        places.push_back(parent + "/supervisord.conf");
    }
    places.emplace_back("supervisord.conf");
    places.emplace_back("etc/supervisord.conf");
    return places;
}

std::string find_config_file(const std::string& program_path)
{
    for (const std::string& place : default_config_places(program_path))
        if (::access(place.c_str(), F_OK) == 0) return place;
    return {};
}

Result<ClientSpec> load_client(const std::string& file)
{
    Surroundings surroundings = Surroundings::real();
    const std::string path = surroundings.absolute(file);
    // The client gains nothing from what is written here, so anybody may have written it.
    auto text = sys::read_config_file(path, false);
    if (!text) return tl::unexpected<Error>(std::move(text).error());
    Sections sections;
    const IniDocument document = parse_ini(*text, path);
    sections.merge(document);
    ClientSpec client;
    const Section* section = sections.find("supervisorctl");
    if (section == nullptr) return client;
    client.has_section = true;

    Report report;
    for (const Mistake& mistake : document.mistakes)
        if (mistake.section == section->name) report.add(mistake);
    Names names;
    add_environment(names, surroundings.environment);
    const NameScopes scopes{names, {}, {}};
    SectionReader(*section, scopes, surroundings, report).read(client_keys(), client);
    const std::string verdict = report.verdict(section->name);
    if (!verdict.empty()) return fail("{}", verdict);
    return client;
}

}  // namespace xsv::config
