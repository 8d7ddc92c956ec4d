#include <algorithm>
#include <set>

#include <grp.h>
#include <signal.h>
#include <unistd.h>

#include "sys/child.h"

namespace xsv::sys {
namespace {

std::vector<gid_t> sorted(std::vector<gid_t> ids)
{
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    return ids;
}

std::vector<gid_t> own_groups()
{
    std::vector<gid_t> groups(static_cast<std::size_t>(std::max(0, ::getgroups(0, nullptr))));
    groups.resize(static_cast<std::size_t>(std::max(0, ::getgroups(static_cast<int>(groups.size()), groups.data()))));
    return groups;
}

/// Supervisor's rule for ordinary users: who is that user already has nothing to change.
bool is_own_identity(const ChildPlan& plan)
{
    if (!plan.uid && !plan.gid) return true;
    if (plan.uid.value_or(::geteuid()) != ::geteuid() || ::getuid() != ::geteuid()) return false;
    if (::geteuid() != 0) return true;
    return plan.gid.value_or(::getegid()) == ::getegid() && sorted(plan.groups) == sorted(own_groups());
}

std::vector<int> ignored_signals()
{
    std::vector<int> found{SIGPIPE};  // ours to ignore, perhaps only after this plan was made
    for (int number = 1; number < NSIG; ++number) {
        struct sigaction action{};
        if (number == SIGPIPE || ::sigaction(number, nullptr, &action) < 0) continue;
        if (action.sa_handler == SIG_IGN) found.push_back(number);
    }
    return found;
}

}  // namespace

PreparedChild::PreparedChild(ChildPlan plan, int null_device) : plan_(std::move(plan))
{
    if (plan_.argv.empty()) plan_.argv.push_back(plan_.path);
    for (std::string& argument : plan_.argv) argv_.push_back(argument.data());
    argv_.push_back(nullptr);

    std::erase_if(plan_.environment, [&](const std::string& variable) {
        return ChildVariables::is_ours(variable, plan_.connection_environment, plan_.listen_pid, plan_.watchdog_pid);
    });
    envp_.assign(ChildVariables::kMost, nullptr);
    for (std::string& variable : plan_.environment) envp_.push_back(variable.data());
    envp_.push_back(nullptr);

    changes_identity_ = !is_own_identity(plan_);
    is_root_ = ::geteuid() == 0;
    uid_ = plan_.uid.value_or(::geteuid());
    gid_ = plan_.gid.value_or(::getegid());
    plan_.groups = sorted(plan_.groups);
    wakes_parent_ = plan_.listener >= 0 && changes_identity_;
    ignored_ = ignored_signals();
    prepare_descriptors(null_device);
}

void PreparedChild::prepare_descriptors(int null_device)
{
    std::set<int> targets;
    for (const auto& [from, to] : plan_.moves) {
        moves_.push_back({from, to});
        targets.insert(to);
        if (to == 2) log_ = 2;
    }
    if (plan_.listener >= 0) {
        for (const int to : plan_.connection_targets) {
            if (targets.insert(to).second) moves_.push_back({-1, to});
        }
    }
    // A program that finds 0, 1 or 2 closed gets the next file it opens there, and prints into it.
    for (int to = 0; to <= 2 && null_device >= 0; ++to) {
        if (targets.insert(to).second) moves_.push_back({null_device, to});
    }
    if (!targets.empty()) highest_target_ = std::max(2, *targets.rbegin());
    if (plan_.until_exec >= 0) {
        until_exec_ = ++highest_target_;
        targets.insert(until_exec_);
        moves_.push_back({plan_.until_exec, until_exec_});
    }
    unsigned next = 0;
    for (const int target : targets) {
        if (static_cast<unsigned>(target) > next) gaps_.push_back({next, static_cast<unsigned>(target) - 1});
        next = static_cast<unsigned>(target) + 1;
    }
    gaps_.push_back({next, ~0U});
    pending_.resize(moves_.size());
}

}  // namespace xsv::sys
