#include "engine/child_plan.h"

#include <algorithm>
#include <cstring>

#include <unistd.h>

#include "base/text.h"
#include "config/words.h"
#include "sys/files.h"

namespace xsv::engine {
namespace {

using config::Activation;
using config::Environment;
using config::ServiceSpec;
using config::SocketPass;

void set(Environment& environment, const std::string& name, std::string value)
{
    const auto known = std::find_if(environment.begin(), environment.end(), [&](const auto& v) { return v.first == name; });
    if (known != environment.end()) known->second = std::move(value);
    else environment.emplace_back(name, std::move(value));
}

bool contains(const std::vector<std::string>& names, const std::string& name)
{
    return std::find(names.begin(), names.end(), name) != names.end();
}

Result<Environment> make_environment(const ServiceSpec& spec, const Surroundings& surroundings)
{
    const config::Exec& exec = spec.exec;
    const config::EnvironmentSources& sources = *exec.sources;
    Environment environment;
    for (const auto& [name, value] : surroundings.inherited) {
        const bool passed = sources.inherit && (sources.inherit_names.empty() || contains(sources.inherit_names, name));
        if (passed || contains(sources.pass, name)) environment.emplace_back(name, value);
    }
    for (const auto& [name, value] : sources.defaults) set(environment, name, value);
    set(environment, "SUPERVISOR_ENABLED", "1");
    const std::string& url = exec.serverurl.empty() ? surroundings.server_url : exec.serverurl;
    if (!url.empty()) set(environment, "SUPERVISOR_SERVER_URL", url);
    set(environment, "SUPERVISOR_PROCESS_NAME", spec.name);
    set(environment, "SUPERVISOR_GROUP_NAME", spec.group);
    for (const std::string& written : sources.files) {
        const bool optional = written.starts_with('-');
        auto file = config::read_environment_file(optional ? written.substr(1) : written);
        if (!file && optional && file.error().code == ENOENT) continue;
        if (!file) return wrap(file, "environment_file");
        for (auto& [name, value] : *file) set(environment, name, std::move(value));
    }
    for (const auto& [name, value] : exec.environment) set(environment, name, value);
    return environment;
}

/// 0, 1, 2 for each way of passing a socket; the rest stays with the streams.
std::vector<int> socket_targets(SocketPass pass)
{
    switch (pass) {
        case SocketPass::Stdio: return {0, 1};
        case SocketPass::StdioAll: return {0, 1, 2};
        case SocketPass::Stdin: return {0};
        case SocketPass::ListenFds: break;
    }
    return {3};
}

std::string descriptor_names(const ServiceSpec& spec, const std::vector<net::SocketPtr>& sockets)
{
    std::vector<std::string> names;
    for (const net::SocketPtr& socket : sockets)
        names.push_back(socket->endpoint.name.empty() ? spec.program : socket->endpoint.name);
    return text::join(names, ":");
}

void add_extras(sys::ChildPlan& plan, Environment& environment, const Extras& extras)
{
    if (extras.ready.first >= 0) plan.moves.push_back(extras.ready);
    plan.until_exec = extras.until_exec;
    if (!extras.invocation.empty()) set(environment, "INVOCATION_ID", extras.invocation);
    if (extras.notify_socket.empty()) return;
    set(environment, "NOTIFY_SOCKET", extras.notify_socket);
    if (extras.fdstore_max > 0) set(environment, "FDSTORE", std::to_string(extras.fdstore_max));
    if (extras.watchdog <= Duration{}) return;
    set(environment, "WATCHDOG_USEC", std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(extras.watchdog).count()));
    plan.watchdog_pid = true;
}

/// Sockets and what was stored, from 3 on.
void pass_descriptors(sys::ChildPlan& plan, Environment& environment, const ServiceSpec& spec,
                      const std::vector<net::SocketPtr>& sockets, const Extras& extras)
{
    std::string names = descriptor_names(spec, sockets);
    int next = 3;
    for (const net::SocketPtr& socket : sockets) plan.moves.emplace_back(socket->fd.get(), next++);
    for (const auto& [name, fd] : extras.stored) {
        plan.moves.emplace_back(fd, next++);
        names += (names.empty() ? "" : ":") + name;
    }
    set(environment, "LISTEN_FDS", std::to_string(next - 3));
    set(environment, "LISTEN_FDNAMES", names);
}

void add_limits(sys::ChildPlan& plan, const Surroundings& surroundings)
{
    const auto is_nofile = [](const sys::ResourceLimit& limit) { return limit.resource == RLIMIT_NOFILE; };
    if (std::any_of(plan.limits.begin(), plan.limits.end(), is_nofile)) return;
    rlimit ours{};
    ::getrlimit(RLIMIT_NOFILE, &ours);
    if (ours.rlim_cur != surroundings.nofile_soft)
        plan.limits.push_back({RLIMIT_NOFILE, std::min(surroundings.nofile_soft, ours.rlim_max), ours.rlim_max});
}

/// Programs of ours that talk to strangers never do so as root, whatever an old file says.
Status lower_rights(sys::ChildPlan& plan, const Surroundings& surroundings)
{
    if (plan.uid.value_or(::geteuid()) != 0) return {};
    if (!surroundings.helper_user) return fail("there is no user for it: add a user 'xsvd'");
    plan.uid = surroundings.helper_user->uid;
    plan.gid = surroundings.helper_user->gid;
    plan.groups = surroundings.helper_user->groups;
    return {};
}

/// Of one connection.
config::Program forwarder(const config::Proxy& proxy, const Surroundings& surroundings)
{
    config::Program program{surroundings.libexec + "/xsvd-redirect", {"xsvd-redirect", proxy.target}};
    if (proxy.protocol != config::Proxy::Protocol::None) program.argv.push_back(proxy.protocol == config::Proxy::Protocol::V1 ? "v1" : "v2");
    return program;
}

}  // namespace

std::string tcpmux_folder(const Surroundings& surroundings) { return surroundings.run_dir + "/tcpmux"; }

Environment inheritable_environment(char** environment)
{
    Environment result;
    for (; *environment != nullptr; ++environment) {
        const std::string_view entry = *environment;
        const auto equals = entry.find('=');
        if (equals == std::string_view::npos) continue;
        const std::string_view name = entry.substr(0, equals);
        if (name == "NOTIFY_SOCKET" || name.starts_with("WATCHDOG_") || name.starts_with("LISTEN_") || name.starts_with("XSVD_"))
            continue;
        result.emplace_back(name, entry.substr(equals + 1));
    }
    return result;
}

Result<sys::ChildPlan> make_child_plan(const ServiceSpec& spec, const Surroundings& surroundings,
                                       const std::vector<net::SocketPtr>& sockets, Streams streams,
                                       const net::HeldSocket* listener, const Extras& extras)
{
    auto environment = make_environment(spec, surroundings);
    if (!environment) return tl::unexpected(std::move(environment).error());
    const auto builtin = config::builtin_name(spec.exec.command);
    const bool forwards = spec.proxy && listener != nullptr;
    auto program = builtin    ? config::Program{surroundings.libexec + "/xsvd-builtin", {"xsvd-builtin", *builtin}}
                   : forwards ? forwarder(*spec.proxy, surroundings)
                              : config::resolve_command(spec.exec.command, *environment);
    if (!program) return tl::unexpected(std::move(program).error());

    sys::ChildPlan plan;
    plan.path = program->path;
    plan.argv = std::move(program->argv);
    if (!spec.exec.argv0.empty()) plan.argv[0] = spec.exec.argv0;

    const SocketPass pass = spec.exec.socket_pass;
    const std::vector<int> targets = socket_targets(pass);
    const bool has_socket = listener != nullptr || !sockets.empty() || (pass == SocketPass::ListenFds && !extras.stored.empty());
    const auto is_taken = [&](int fd) { return has_socket && std::find(targets.begin(), targets.end(), fd) != targets.end(); };
    const int fds[] = {streams.in, streams.out, streams.err};
    for (int fd = 0; fd < 3; ++fd)
        if (!is_taken(fd)) plan.moves.emplace_back(fds[fd] < 0 ? surroundings.null : fds[fd], fd);

    if (listener != nullptr) {
        plan.listener = listener->fd.get();
        plan.connection_targets = targets;
        plan.connection_environment = true;
        plan.allow = spec.policy->allow;
        plan.deny = spec.policy->deny;
        plan.access_order = spec.policy->access_order;
        if (pass == SocketPass::ListenFds) set(*environment, "LISTEN_FDS", "1"), set(*environment, "LISTEN_FDNAMES", "connection");
    } else if (pass == SocketPass::ListenFds && has_socket) {
        pass_descriptors(plan, *environment, spec, sockets, extras);
    } else if (has_socket) {
        for (const int target : targets) plan.moves.emplace_back(sockets.front()->fd.get(), target);
    }
    add_extras(plan, *environment, extras);
    if (builtin == "tcpmux") set(*environment, "XSVD_TCPMUX_DIR", tcpmux_folder(surroundings));
    plan.listen_pid = pass == SocketPass::ListenFds && has_socket;

    for (const auto& [name, value] : *environment) plan.environment.push_back(name + "=" + value);
    plan.uid = spec.exec.uid;
    plan.gid = spec.exec.gid;
    plan.groups = spec.exec.groups;
    if (builtin || forwards)
        if (auto lowered = lower_rights(plan, surroundings); !lowered) return tl::unexpected(std::move(lowered).error());
    plan.nice = spec.exec.nice;
    plan.umask = spec.exec.umask;
    plan.limits = spec.exec.limits;
    plan.directory = spec.exec.directory;
    add_limits(plan, surroundings);
    return plan;
}

}  // namespace xsv::engine
