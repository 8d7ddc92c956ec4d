#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine/question.h"

namespace xsv::engine {

/// Address rules by the name of the host that they are about.
using HostRules = std::map<std::string, std::vector<sys::AddressRule>>;

/// The addresses of hosts whose names stand in allow_from and deny_from, looked up again and again by processes of our own
/// (xsvd-names), because name servers hang. A name that nobody knows any more keeps its addresses, and that is said once.
class HostNames {
public:
    struct Hooks {
        std::function<Duration()> period;                     ///< 0: never
        std::function<HostRules()> wanted;                    ///< the names that are in use, and what they mean now
        std::function<void(const HostRules&)> changed;        ///< those that mean something else now
    };
    HostNames(Context& context, std::string helper, Hooks hooks) : context_(context), helper_(std::move(helper)), hooks_(std::move(hooks)) {}

    /// Begins to wait, or anew: the period may be another one.
    void schedule();
    /// Was it one of our processes that ended?
    bool owns(pid_t pid) { return pids_.erase(pid) > 0; }

private:
    void refresh();
    void ask_next();
    void take(const std::string& text);
    void take(const std::string& name, const std::string& line, HostRules& changed);

    Context& context_;
    std::string helper_;
    Hooks hooks_;
    HostRules known_;                      ///< of the names that are asked for now
    std::vector<std::string> queue_, asked_;
    std::set<std::string> failed_;         ///< and it was said
    std::set<pid_t> pids_;
    std::unique_ptr<Question> question_;
    event::WatchPtr timer_;
};

}  // namespace xsv::engine
