#include "config/program.h"

#include <algorithm>

#include "base/text.h"

namespace xsv::config {

bool is_fcgi(const Section& section)
{
    return section.name.starts_with("fcgi-program:");
}

std::vector<ServiceSpec> ProgramReader::read(const Section& section, const std::string& program,
                                             const std::string& group)
{
    NameScopes names{plain_, {}, {}};
    names.program = {{"host_node_name", surroundings_.host}, {"program_name", program}, {"group_name", group}};
    const ProgramFrame frame = read_frame(section, names);
    std::vector<ServiceSpec> services;
    for (int i = 0; i < frame.numprocs; ++i) {
        names.process = names.program;
        names.process["process_num"] = std::int64_t{frame.numprocs_start} + i;
        names.process["numprocs"] = std::int64_t{frame.numprocs};
        ServiceSpec spec;
        spec.program = program;
        spec.group = group;
        spec.place = section.place;
        services.push_back(read_process(section, std::move(spec), names, frame));
    }
    return services;
}

bool is_listener(const Section& section)
{
    return section.name.starts_with("eventlistener:");
}

int ProgramReader::group_priority(const Section& section)
{
    const NameScopes names{plain_, {}, {}};
    SectionReader reader(section, names, surroundings_, report_);
    ServiceSpec spec;
    if (is_listener(section)) spec.policy.change().priority = -1;
    for (const auto& directive : program_keys())
        if (directive.key == "priority") reader.read(directive, spec);
    return spec.policy->priority;
}

ProgramFrame ProgramReader::read_frame(const Section& section, const NameScopes& names)
{
    ProgramFrame frame;
    SectionReader reader(section, names, surroundings_, report_);
    for (const auto& directive : frame_keys())
        if (directive.key != "process_name") reader.read(directive, frame);
    // Its text is checked before it is expanded, and expanded once for each process.
    const IniKey* name = section.find("process_name");
    frame.process_name = name != nullptr ? text::trim(name->value) : "%(program_name)s";
    const IniKey* count = section.find("numprocs");
    if (frame.numprocs > daemon_.max_programs) {
        report_.mistake(count->place, section.name, "numprocs",
                        fmt::format("expected at most {} (max_programs of [supervisord]), got {}", daemon_.max_programs,
                                    frame.numprocs));
        frame.numprocs = 1;
    }
    if (frame.numprocs > 1 && frame.process_name.find("%(process_num)") == std::string::npos) {
        report_.mistake(count->place, section.name, "numprocs",
                        "%(process_num) must be present within process_name when numprocs > 1");
        frame.process_name = "%(program_name)s_%(process_num)d";
    }
    return frame;
}

void ServiceSpec::share_with(ServiceSpec& last)
{
    const auto share = [](auto& mine, auto& others) {
        mine.share(others);
        others = mine;
    };
    share(exec.sources, last.exec.sources);
    share(sockets.options, last.sockets.options);
    share(output, last.output);
    share(policy, last.policy);
    share(ready, last.ready);
    share(restarts, last.restarts);
    share(hooks, last.hooks);
}

ServiceSpec ProgramReader::read_process(const Section& section, ServiceSpec spec, NameScopes& names,
                                        const ProgramFrame& frame)
{
    SectionReader reader(section, names, surroundings_, report_);
    spec.exec.environment = daemon_.environment;
    reader.read(environment_keys(), spec);
    add_environment(names.process, spec.exec.environment);
    name_process(section, spec, names, frame);
    reader.read(program_keys(), spec);
    spec.sockets.standing = is_fcgi(section);
    if (is_listener(section)) {
        reader.read(listener_keys(), spec.listener.emplace());
    } else if (spec.sockets.standing) {
        reader.read(fcgi_keys(), spec);
    } else {
        reader.read(socket_keys(), spec);
        reader.read(connection_keys(), spec);
    }
    if (!is_listener(section)) reader.read(ready_keys(), spec);
    complete(spec, section, daemon_, surroundings_, report_);
    spec.share_with(last_);
    return spec;
}

void ProgramReader::name_process(const Section& section, ServiceSpec& spec, const NameScopes& names,
                                 const ProgramFrame& frame)
{
    const IniKey* key = section.find("process_name");
    const Place& place = key != nullptr ? key->place : section.place;
    auto name = expand(frame.process_name, names.process, plain_, "process_name");
    auto checked = check_name_letters(frame.process_name);
    if (checked) checked = name ? check_name(text::trim(*name)) : Status(tl::unexpected<Error>(name.error()));
    if (checked) {
        spec.name = text::trim(*name);
        return;
    }
    report_.mistake(place, section.name, "process_name", checked.error().message);
    // So that the program can be seen, and its mistake with it.
    spec.name = spec.program;
    if (frame.numprocs > 1) spec.name += fmt::format("_{}", std::get<std::int64_t>(names.process.at("process_num")));
}

}  // namespace xsv::config
