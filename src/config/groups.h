#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "config/program.h"

namespace xsv::config {

/// Turns [group:x] and [program:x] into the groups of a configuration: sorted, names unique, broken ones marked.
class GroupReader {
public:
    GroupReader(const Sections& sections, const Names& plain, const Surroundings& surroundings, Report& report,
                ProgramReader& programs)
        : sections_(sections),
          plain_(plain),
          surroundings_(surroundings),
          report_(report),
          programs_(programs)
    {
    }

    std::vector<GroupSpec> read();

private:
    void collect();
    void read_group(const Section& section, const std::string& name);
    void read_members(GroupSpec& group, const Section& section, const GroupFrame& frame);
    void add(GroupSpec group, const Section& section);
    void check_processes(GroupSpec& group);
    void check_endpoints(const GroupSpec& group);

    const Sections& sections_;
    const Names& plain_;
    const Surroundings& surroundings_;
    Report& report_;
    ProgramReader& programs_;

    struct Named {
        std::string name;
        const Section* section;
    };
    std::vector<Named> program_order_, group_order_;
    std::map<std::string, const Section*> program_sections_;
    std::set<std::string> claimed_;  // programs that are members of a [group:x]
    std::map<std::string, Place> group_places_;
    struct Holder {
        std::string program;
        Place place;
    };
    std::map<std::string, Holder> endpoints_;
    std::vector<GroupSpec> groups_;
};

}  // namespace xsv::config
