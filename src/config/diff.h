#pragma once

#include <string>
#include <vector>

#include "config/spec.h"

namespace xsv::config {

/// What separates two configurations, service by service (namespec is the identity).
struct Change {
    std::string namespec;
    bool exec = false, sockets = false, output = false, policy = false;
};

struct Diff {
    std::vector<std::string> added, removed;   ///< namespecs, in start order / in stop order
    std::vector<Change> changed;
    bool daemon = false, servers = false;
    bool empty() const { return added.empty() && removed.empty() && changed.empty() && !daemon && !servers; }
};
Diff diff(const Config& before, const Config& after);

/// Supervisor's view (reread): names of groups.
struct GroupDiff {
    std::vector<std::string> added, changed, removed;
};
GroupDiff diff_groups(const std::vector<GroupSpec>& running, const std::vector<GroupSpec>& parsed);

}  // namespace xsv::config
