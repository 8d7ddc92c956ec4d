#include "config/groups.h"

#include <algorithm>

#include "base/text.h"

namespace xsv::config {
namespace {

std::string place_text(const Place& place)
{
    return fmt::format("{}:{}", place.file, place.line);
}

/// One program's processes: by name. Programs of a group stay in the order in which it lists them.
std::vector<ServiceSpec> sorted(std::vector<ServiceSpec> services)
{
    std::stable_sort(services.begin(), services.end(),
                     [](const ServiceSpec& a, const ServiceSpec& b) { return a.name < b.name; });
    return services;
}

bool by_priority(const ServiceSpec& a, const ServiceSpec& b)
{
    return a.policy->priority < b.policy->priority;
}

}  // namespace

std::vector<GroupSpec> GroupReader::read()
{
    collect();
    for (const Named& group : group_order_) read_group(*group.section, group.name);
    for (const Named& program : program_order_) {
        if (claimed_.contains(program.name)) continue;
        GroupSpec group;
        group.name = program.name;
        group.priority = programs_.group_priority(*program.section);
        group.services = sorted(programs_.read(*program.section, program.name, program.name));
        add(std::move(group), *program.section);
    }
    for (GroupSpec& group : groups_)
        for (ServiceSpec& service : group.services)
            service.broken = report_.verdict(program_sections_.at(service.program)->name);
    std::sort(groups_.begin(), groups_.end(), [](const GroupSpec& a, const GroupSpec& b) {
        return std::tie(a.priority, a.name) < std::tie(b.priority, b.name);
    });
    return std::move(groups_);
}

/// The sections by kind, with their names checked. A program whose name is bad cannot even be shown.
void GroupReader::collect()
{
    for (const Section& section : sections_.all()) {
        const auto colon = section.name.find(':');
        const std::string kind = section.name.substr(0, colon);
        if (colon == std::string::npos) continue;
        if (kind != "program" && kind != "fcgi-program" && kind != "eventlistener" && kind != "group") continue;
        const std::string name(text::trim(std::string_view(section.name).substr(colon + 1)));
        if (const auto checked = check_name(name); !checked) {
            report_.mistake(section.place, section.name, "", checked.error().message);
        } else if (kind == "group") {
            group_order_.push_back({name, &section});
        } else if (const auto [known, added] = program_sections_.try_emplace(name, &section); !added) {
            const bool other_kind = is_fcgi(section) != is_fcgi(*known->second);
            report_.mistake(section.place, section.name, "",
                            other_kind ? fmt::format("name {} is ambiguous (exists as program and fcgi-program)", name)
                                       : fmt::format("program '{}' is already defined at {}", name,
                                                     place_text(known->second->place)));
        } else {
            program_order_.push_back({name, &section});
        }
    }
}

void GroupReader::read_group(const Section& section, const std::string& name)
{
    const NameScopes names{plain_, {}, {}};
    GroupFrame frame;
    SectionReader(section, names, surroundings_, report_).read(group_keys(), frame);
    GroupSpec group;
    group.name = name;
    group.priority = frame.priority;
    group.heterogeneous = true;
    read_members(group, section, frame);
    add(std::move(group), section);
}

void GroupReader::read_members(GroupSpec& group, const Section& section, const GroupFrame& frame)
{
    const IniKey* key = section.find("programs");
    for (const std::string& member : frame.programs) {
        const auto found = program_sections_.find(member);
        if (found == program_sections_.end() || is_listener(*found->second)) {
            std::vector<std::string> known;
            for (const Named& program : program_order_)
                if (!is_listener(*program.section)) known.push_back(program.name);
            report_.mistake(key->place, section.name, "programs",
                            fmt::format("[{}] names unknown program or fcgi-program {}{}", section.name, member,
                                        suggestion(member, known)));
            continue;
        }
        claimed_.insert(member);
        auto services = sorted(programs_.read(*found->second, member, group.name));
        std::move(services.begin(), services.end(), std::back_inserter(group.services));
    }
}

void GroupReader::add(GroupSpec group, const Section& section)
{
    const auto [known, added] = group_places_.try_emplace(group.name, section.place);
    if (!added)
        return report_.mistake(
            section.place, section.name, "",
            fmt::format("a group named '{}' is already defined at {}", group.name, place_text(known->second)));
    check_processes(group);
    check_endpoints(group);
    std::stable_sort(group.services.begin(), group.services.end(), by_priority);
    groups_.push_back(std::move(group));
}

void GroupReader::check_processes(GroupSpec& group)
{
    std::map<std::string, std::string> programs;  // process name -> program
    std::erase_if(group.services, [&](const ServiceSpec& service) {
        const auto [known, added] = programs.try_emplace(service.name, service.program);
        if (added) return false;
        const Section& section = *program_sections_.at(service.program);
        const IniKey* key = section.find("process_name");
        report_.mistake(key != nullptr ? key->place : section.place, section.name, "process_name",
                        fmt::format("group '{}' has a process named '{}' already, of program '{}'", group.name,
                                    service.name, known->second));
        return true;
    });
}

/// One endpoint belongs to one program; its processes share it.
void GroupReader::check_endpoints(const GroupSpec& group)
{
    for (const ServiceSpec& service : group.services) {
        const Section& section = *program_sections_.at(service.program);
        const IniKey* key = section.find("socket");
        for (const sys::Endpoint& endpoint : service.sockets.endpoints) {
            const auto [known, added] = endpoints_.try_emplace(endpoint.text(), Holder{service.program, key->place});
            if (added || known->second.program == service.program) continue;
            report_.mistake(key->place, section.name, "socket",
                            fmt::format("{} already belongs to program '{}', see {}", endpoint.text(),
                                        known->second.program, place_text(known->second.place)));
        }
    }
}

}  // namespace xsv::config
