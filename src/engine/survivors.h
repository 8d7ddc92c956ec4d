#pragma once

#include "config/spec.h"
#include "engine/context.h"

namespace xsv::engine {

/// Guardian and engine have died together. What the table tells of is looked for, and what is found is as if a guardian had
/// handed it over: processes, the pipes they write into, and the sockets that one of them still has. Everything else is
/// marked as ended, so that nothing is taken for what it is not (a number may be somebody else's by now).
class Survivors {
public:
    Survivors(Table& table, sys::Processes& processes, sys::Sockets& sockets) : table_(table), processes_(processes), sockets_(sockets) {}

    /// How many processes of programs are there. `config`: whose sockets are wanted.
    int find(const config::Config& config);
    /// Our own helpers of that time, whose engine is no more: they are ended, their pipes are in our hands by now.
    void end_helpers();
    /// By key, for the guardian and for the new engine.
    std::map<std::string, sys::UniqueFd>& descriptors() { return descriptors_; }

private:
    bool is_same(const Slot& slot, pid_t pid) const;
    void forget(Slot& slot);
    void take_pipes(pid_t pid, const Slot& place);
    void take_sockets(const sys::UniqueFd& pidfd, pid_t pid);
    void name_sockets(const config::Config& config);

    Table& table_;
    sys::Processes& processes_;
    sys::Sockets& sockets_;
    std::map<std::string, sys::UniqueFd> descriptors_;
    std::map<std::string, sys::UniqueFd> sockets_found_;   ///< by their name in /proc
    std::vector<std::pair<std::uint32_t, sys::UniqueFd>> helpers_;
};

}  // namespace xsv::engine
