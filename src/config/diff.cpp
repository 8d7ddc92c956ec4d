#include "config/diff.h"

#include <algorithm>
#include <map>

namespace xsv::config {
namespace {

/// Two spellings of one thing: what counts of a user are its ids.
Exec canonical(Exec exec)
{
    exec.user.clear();
    return exec;
}

/// An AUTO log's name is made at run time and says nothing about the configuration.
LogSink canonical(LogSink sink)
{
    if (sink.kind != LogSink::Kind::File) sink.path.clear();
    return sink;
}

Output canonical(Output output)
{
    output.out = canonical(std::move(output.out));
    output.err = canonical(std::move(output.err));
    return output;
}

/// Writing the default down is no change where it means the same: a program without sockets gives up either way.
Policy canonical(Policy policy, const Sockets& sockets)
{
    if (!sockets.follow_state()) policy.start_retries_set = false;
    return policy;
}

struct Known {
    const ServiceSpec* service;
    int group_priority;
};

std::map<std::string, Known> by_namespec(const Config& config)
{
    std::map<std::string, Known> services;
    for (const GroupSpec& group : config.groups)
        for (const ServiceSpec& service : group.services)
            services.insert_or_assign(service.namespec(), Known{&service, group.priority});
    return services;
}

Change compare(const Known& before, const Known& after)
{
    const ServiceSpec &a = *before.service, &b = *after.service;
    Change change;
    change.namespec = b.namespec();
    change.exec = canonical(a.exec) != canonical(b.exec) || a.ready != b.ready || a.broken != b.broken || a.program != b.program ||
                  a.listener.has_value() != b.listener.has_value() || a.proxy.has_value() != b.proxy.has_value();
    change.sockets = a.sockets != b.sockets;
    change.output = canonical(*a.output) != canonical(*b.output);
    change.policy = canonical(*a.policy, a.sockets) != canonical(*b.policy, b.sockets) ||
                    before.group_priority != after.group_priority || a.listener != b.listener ||
                    a.restarts != b.restarts || a.hooks != b.hooks || a.proxy != b.proxy;
    return change;
}

ServiceSpec canonical(const ServiceSpec& spec)
{
    ServiceSpec result = spec;
    result.exec = canonical(std::move(result.exec));
    result.output = canonical(*result.output);
    result.policy = canonical(*result.policy, spec.sockets);
    return result;
}

bool is_same(const GroupSpec& a, const GroupSpec& b)
{
    return a.heterogeneous == b.heterogeneous && a.priority == b.priority &&
           std::equal(
               a.services.begin(), a.services.end(), b.services.begin(), b.services.end(),
               [](const ServiceSpec& left, const ServiceSpec& right) { return canonical(left) == canonical(right); });
}

const GroupSpec* find(const std::vector<GroupSpec>& groups, const std::string& name)
{
    const auto found =
        std::find_if(groups.begin(), groups.end(), [&](const GroupSpec& group) { return group.name == name; });
    return found != groups.end() ? &*found : nullptr;
}

}  // namespace

Diff diff(const Config& before, const Config& after)
{
    Diff result;
    result.daemon = before.daemon != after.daemon;
    result.servers = before.servers != after.servers;
    const auto old_services = by_namespec(before), new_services = by_namespec(after);
    for (const GroupSpec& group : after.groups) {
        for (const ServiceSpec& service : group.services) {
            const std::string namespec = service.namespec();
            const auto old = old_services.find(namespec);
            if (old == old_services.end()) {
                result.added.push_back(namespec);
                continue;
            }
            const Change change = compare(old->second, new_services.at(namespec));
            if (change.exec || change.sockets || change.output || change.policy) result.changed.push_back(change);
        }
    }
    for (auto group = before.groups.rbegin(); group != before.groups.rend(); ++group)
        for (auto service = group->services.rbegin(); service != group->services.rend(); ++service)
            if (!new_services.contains(service->namespec())) result.removed.push_back(service->namespec());
    return result;
}

GroupDiff diff_groups(const std::vector<GroupSpec>& running, const std::vector<GroupSpec>& parsed)
{
    GroupDiff result;
    std::map<std::string, const GroupSpec*> known;
    for (const GroupSpec& group : running) known[group.name] = &group;
    for (const GroupSpec& group : parsed) {
        const auto old = known.find(group.name);
        if (old == known.end())
            result.added.push_back(group.name);
        else if (!is_same(*old->second, group))
            result.changed.push_back(group.name);
    }
    for (const GroupSpec& group : running)
        if (find(parsed, group.name) == nullptr) result.removed.push_back(group.name);
    return result;
}

}  // namespace xsv::config
