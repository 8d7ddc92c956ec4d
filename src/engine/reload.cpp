// How a running engine comes to another configuration, and to its end.
#include <algorithm>

#include "base/log.h"
#include "engine/engine.h"
#include "engine/order.h"

namespace xsv::engine {
namespace {

constexpr Duration kShutdownReport = std::chrono::seconds(3);
constexpr Duration kLastWords = std::chrono::seconds(2);

/// The rules of a host stand in the place of its first one.
std::vector<sys::AddressRule> with_hosts(const std::vector<sys::AddressRule>& list, const HostRules& hosts)
{
    std::vector<sys::AddressRule> result;
    std::set<std::string> done;
    for (const sys::AddressRule& rule : list) {
        const auto host = rule.named ? hosts.find(rule.text) : hosts.end();
        if (host == hosts.end()) result.push_back(rule);
        else if (done.insert(rule.text).second) result.insert(result.end(), host->second.begin(), host->second.end());
    }
    return result;
}

bool names_hosts(const config::Policy& policy)
{
    return std::ranges::any_of(policy.allow, &sys::AddressRule::named) || std::ranges::any_of(policy.deny, &sys::AddressRule::named);
}

bool is_down(const Service& service) { return is_in_stopped_set(service.supervisor_state()); }

}  // namespace

/// Everything that is to be open afterwards is open before anything else changes: a failed bind changes nothing.
Status Engine::take_hold_of_all(const config::Config& next, std::map<std::string, std::vector<net::SocketPtr>>& held)
{
    for (const config::GroupSpec& group : next.groups) {
        for (const config::ServiceSpec& spec : group.services) {
            const Service* known = find(spec.namespec());
            const bool wanted = spec.sockets.standing || (known != nullptr ? known->holds_sockets() : spec.policy->autostart);
            if (!wanted) continue;
            for (const sys::Endpoint& endpoint : Service::socket_plan(spec, context_)) {
                const bool was_missing = known != nullptr && known->spec().sockets == spec.sockets && !context_.socket_table.is_held(endpoint);
                auto socket = context_.socket_table.take_hold(endpoint, Service::socket_options(spec, endpoint, context_.surroundings));
                if (socket) held[spec.namespec()].push_back(std::move(*socket));
                else if (!was_missing) return fail("{}: {}", spec.namespec(), socket.error().message);
            }
        }
    }
    return {};
}

Result<config::Diff> Engine::reload(config::Config next)
{
    for (config::GroupSpec& group : next.groups)
        for (config::ServiceSpec& spec : group.services) {
            const Service* known = find(spec.namespec());
            name_auto_logs(spec, known != nullptr ? &known->spec() : nullptr);
        }
    config::Diff diff = config::diff(active(), next);
    std::map<std::string, std::vector<net::SocketPtr>> held;
    if (auto all = take_hold_of_all(next, held); !all) return tl::unexpected(std::move(all).error());

    std::set<std::string> former;
    for (const auto& group : groups_) former.insert(group->name);
    std::map<std::string, std::unique_ptr<Service>> before;
    for (auto& group : groups_)
        for (auto& service : group->services) before.emplace(service->spec().namespec(), std::move(service));
    groups_.clear();
    std::vector<config::GroupSpec> groups = std::exchange(next.groups, {});
    settings_ = std::move(next);

    std::vector<Service*> fresh;
    std::vector<std::pair<Service*, config::ServiceSpec>> kept;
    for (config::GroupSpec& spec : groups) {
        auto group = std::make_unique<Group>(Group{spec.name, spec.priority, spec.heterogeneous, {}});
        for (config::ServiceSpec& service_spec : spec.services) {
            auto old = before.extract(service_spec.namespec());
            if (!old.empty()) {
                kept.emplace_back(old.mapped().get(), std::move(service_spec));
                group->services.push_back(std::move(old.mapped()));
                continue;
            }
            auto made = Service::create(context_, std::move(service_spec));
            if (!made) {
                log::error("{}", made.error().message);
                continue;
            }
            fresh.push_back(made->get());
            group->services.push_back(std::move(*made));
        }
        groups_.push_back(std::move(group));
    }
    for (auto& [name, service] : before) retire(std::move(service));
    index();
    write_record();
    for (auto& [service, spec] : kept) {
        const std::string name = spec.namespec();
        service->apply(std::move(spec), std::move(held[name]));
    }
    announce_groups(std::move(former));
    start_services(fresh);
    held.clear();  // only now do sockets that nobody took over close
    sweep_retired();
    return diff;
}

HostRules Engine::host_rules() const
{
    HostRules all;
    const auto add = [&all](const std::vector<sys::AddressRule>& rules) {
        std::map<std::string, std::vector<sys::AddressRule>> named;
        for (const sys::AddressRule& rule : rules)
            if (rule.named) named[rule.text].push_back(rule);
        all.merge(named);
    };
    for (const auto& group : groups_)
        for (const auto& service : group->services) {
            add(service->spec().policy->allow);
            add(service->spec().policy->deny);
        }
    return all;
}

void Engine::set_host_rules(const HostRules& rules)
{
    bool is_other = false;
    for (Service* service : services()) {
        if (!names_hosts(*service->spec().policy)) continue;
        config::ServiceSpec spec = service->spec();
        config::Policy& policy = spec.policy.change();
        sys::SocketOptions& options = spec.sockets.options.change();
        for (auto* list : {&policy.allow, &policy.deny, &options.allow, &options.deny}) *list = with_hosts(*list, rules);
        if (spec == service->spec()) continue;
        Status adjusted;
        for (const net::SocketPtr& socket : service->sockets())
            if (adjusted) adjusted = context_.socket_table.adjust(*socket, Service::socket_options(spec, socket->endpoint, context_.surroundings));
        if (!adjusted) {
            log::error("{}: its address rules stay as they were: {}", spec.namespec(), adjusted.error().message);
            continue;
        }
        service->apply(std::move(spec), service->sockets());
        is_other = true;
    }
    if (is_other) write_record();
}

void Engine::announce_groups(std::set<std::string> former)
{
    events_.fit_all();
    for (const auto& group : groups_)
        if (former.erase(group->name) == 0) events_.group_added(group->name);
    for (const std::string& name : former) events_.group_removed(name);
}

/// A removed service: its sockets close (unless somebody else holds them now), its processes are stopped, and its slot is
/// given back with the last of them.
void Engine::retire(std::unique_ptr<Service> service)
{
    service->stop();
    retired_.push_back(std::move(service));
}

void Engine::sweep_retired()
{
    sweep_due_ = false;
    for (auto& service : retired_) {
        if (!is_down(*service)) continue;
        by_slot_.erase(service->slot_index());
        service->vanish();
        service.reset();
    }
    std::erase(retired_, nullptr);
    if (on_stopped_) stop_next_group();
}

void Engine::shutdown(std::function<void()> done)
{
    if (context_.ending) return;
    context_.ending = true;
    on_stopped_ = std::move(done);
    events_.daemon_changed(true);
    const config::Config config = active();
    for (const auto& group : stop_order(config.groups)) {
        std::vector<Service*> services;
        for (const config::ServiceSpec* spec : group) services.push_back(find(spec->namespec()));
        stopping_.insert(stopping_.begin(), std::move(services));
    }
    report_shutdown();
    shutdown_report_ = context_.loop.every(kShutdownReport, "shutdown report", [this] { report_shutdown(); });
    stop_group();
    stop_next_group();
}

void Engine::report_shutdown()
{
    std::string names;
    const config::Config config = active();
    for (const config::ServiceSpec* spec : start_order(config.groups))
        if (const Service* service = find(spec->namespec()); service != nullptr && !is_down(*service)) names += (names.empty() ? "" : ", ") + spec->name;
    if (!names.empty()) log::info("waiting for {} to die", names);
}

/// Listeners are told of everybody's end before their own comes, if that takes them no longer than kLastWords.
void Engine::stop_group()
{
    last_words_.reset();
    if (stopping_.empty()) return;
    const Time now = context_.loop.now();
    const std::string group = stopping_.back().empty() ? std::string() : stopping_.back().front()->spec().group;
    if (last_words_until_ == Time{}) last_words_until_ = now + kLastWords;
    if (now < last_words_until_ && events_.is_working(group)) {
        last_words_ = context_.loop.after(std::chrono::milliseconds(10), "last words", [this] {
            stop_group();
            stop_next_group();
        });
        return;
    }
    last_words_until_ = {};
    for (Service* service : stopping_.back()) service->shutdown();
}

/// Moves on as far as groups have ended; called again with every service that has.
void Engine::stop_next_group()
{
    while (!stopping_.empty() && last_words_ == nullptr) {
        const auto& group = stopping_.back();
        if (!std::all_of(group.begin(), group.end(), [](const Service* service) { return is_down(*service); })) return;
        stopping_.pop_back();
        if (stopping_.empty()) break;
        stop_group();
    }
    if (!stopping_.empty() || !retired_.empty()) return;
    shutdown_report_.reset();
    if (on_stopped_) std::exchange(on_stopped_, nullptr)();
}

}  // namespace xsv::engine
