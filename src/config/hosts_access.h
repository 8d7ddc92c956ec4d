#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/address_set.h"
#include "config/dialect.h"

namespace xsv::config {

/// The rules of tcp wrappers in /etc/hosts.allow and /etc/hosts.deny, for servers of xinetd and inetd. They are evaluated
/// once, for all addresses there are: what is left is a set of callers. Absent files have no rules.
class HostsAccess {
public:
    /// Reads the files when the first server asks.
    explicit HostsAccess(const Surroundings& surroundings) : surroundings_(surroundings) {}

    struct Decision {
        std::optional<AddressSet> allowed;   ///< none: no rule is about this server
        Place place;                         ///< of the first rule about it
        std::vector<Remark> remarks;         ///< rules that need names or run commands; without a section
    };
    Decision decide(const std::string& server);
    const std::vector<std::string>& files() const { return files_; }   ///< those that are there

    struct Rule {
        Place place;
        bool allows = false;   ///< of hosts.allow
        std::vector<std::string> servers, clients, options;
    };

private:
    void read(const std::string& file, bool allows);

    const Surroundings& surroundings_;
    bool is_read_ = false;
    std::vector<Rule> rules_;       ///< the first one that matches decides; without any, callers come in
    std::vector<Remark> remarks_;   ///< about the files
    std::vector<std::string> files_;
};

/// The lists of a service while they are put together: allow_from, deny_from, and deny_first between them.
struct AccessLists {
    std::vector<std::string> allow, deny;
    bool has_allow = false;   ///< allow_from was written; when it is empty nobody comes in

    void restrict_to(const AddressSet& allowed);
    void write(NativeSection& section, const Place& allow_place, const Place& deny_place) const;
};

}  // namespace xsv::config
