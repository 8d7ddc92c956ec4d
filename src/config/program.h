#pragma once

#include <string>
#include <vector>

#include "config/directive.h"

namespace xsv::config {

/// Turns one [program:x] into the specs of its processes.
class ProgramReader {
public:
    /// `plain`: the names every section knows.
    ProgramReader(const DaemonSpec& daemon, const Names& plain, const Surroundings& surroundings, Report& report)
        : daemon_(daemon),
          plain_(plain),
          surroundings_(surroundings),
          report_(report)
    {
    }

    /// As members of `group`. Always as many as numprocs says, also when the section is full of mistakes.
    std::vector<ServiceSpec> read(const Section& section, const std::string& program, const std::string& group);
    /// Priority of the group a program forms when it is in no [group:x].
    int group_priority(const Section& section);

private:
    ProgramFrame read_frame(const Section& section, const NameScopes& names);
    ServiceSpec read_process(const Section& section, ServiceSpec spec, NameScopes& names, const ProgramFrame& frame);
    void name_process(const Section& section, ServiceSpec& spec, const NameScopes& names, const ProgramFrame& frame);

    const DaemonSpec& daemon_;
    const Names& plain_;
    const Surroundings& surroundings_;
    Report& report_;
    ServiceSpec last_;
};

/// [fcgi-program:x] rather than [program:x]
bool is_fcgi(const Section& section);
bool is_listener(const Section& section);   ///< [eventlistener:x]

/// Defaults that depend on other keys, and what does not go together.
void complete(ServiceSpec& spec, const Section& section, const DaemonSpec& daemon, const Surroundings& surroundings,
              Report& report);

}  // namespace xsv::config
