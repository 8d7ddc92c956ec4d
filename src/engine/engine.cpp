#include "engine/engine.h"

#include <algorithm>
#include <array>
#include <csignal>

#include <fcntl.h>
#include <sys/random.h>

#include "base/log.h"
#include "config/record.h"
#include "engine/order.h"
#include "sys/files.h"

namespace xsv::engine {
namespace {

constexpr const char* kRecordKey = "record";

std::string random_letters()
{
    static constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz0123456789_";
    std::array<unsigned char, 8> bytes{};
    if (::getrandom(bytes.data(), bytes.size(), 0) < 0) log::debug("no random bytes: {}", errno_text(errno));
    std::string text;
    for (const unsigned char byte : bytes) text += kLetters[byte % kLetters.size()];
    return text;
}

void write_exit(Slot& slot, const ChildExit& exit)
{
    slot.exit_code = exit.code;
    slot.exit_status = exit.status;
    slot.stopped_wall = wall_seconds();
    std::atomic_ref(slot.exit_pending).store(1, std::memory_order_release);
    std::atomic_ref(slot.exit_sequence).store(exit.sequence, std::memory_order_release);
}

bool is_down(const Service& service) { return is_in_stopped_set(service.supervisor_state()); }

}  // namespace

ExitRecorder::ExitRecorder(Table& table, const std::map<std::string, sys::UniqueFd>& kept) : table_(table)
{
    table_.for_each([&](std::uint32_t slot_index, Slot& slot) {
        last_ = std::max(last_, slot.exit_sequence);
        const pid_t pid = slot.child.pid;
        if (kept.contains(Adoption::key_of(slot_index, pid))) return;
        if (pid > 0 && slot.exit_sequence == 0 && static_cast<SlotState>(slot.state.load()) >= SlotState::Intent) pids_.add(pid, slot_index);
    });
}

void ExitRecorder::record(const ChildExit& exit)
{
    if (exit.sequence <= last_) return;
    last_ = exit.sequence;
    const auto slot_index = pids_.oldest(exit.pid, table_);
    if (!slot_index) return;
    write_exit(table_.at(*slot_index), exit);
    pids_.remove(exit.pid, *slot_index);
}

Engine::Engine(Context& context, std::function<void(const ChildExit&, std::optional<std::uint32_t>)> on_other_exit)
    : context_(context), deny_list_(context.inherited, context.keeper),
      adoption_(context, [this](std::uint32_t slot, const ChildExit& exit) { deliver(slot, exit); }), events_(context, *this), on_other_exit_(std::move(on_other_exit))
{
    context_.deny_list = &deny_list_;
    context_.adopted = &adoption_;
    context_.changed = [this](Service& service) { notify(service); };
    context_.resumed = [this](Service& service) { events_.on_resumed(service); };
}

Engine::~Engine() = default;

// ---- looking up ---------------------------------------------------------------------------------------------------

void Engine::index()
{
    by_name_.clear();
    by_slot_.clear();
    std::stable_sort(groups_.begin(), groups_.end(), [](const auto& a, const auto& b) {
        return std::tie(a->priority, a->name) < std::tie(b->priority, b->name);
    });
    for (const auto& group : groups_)
        for (const auto& service : group->services) {
            by_name_[service->spec().namespec()] = service.get();
            by_slot_[service->slot_index()] = service.get();
        }
    for (const auto& service : retired_) by_slot_[service->slot_index()] = service.get();
}

Group* Engine::find_group(std::string_view name)
{
    const auto found = std::find_if(groups_.begin(), groups_.end(), [&](const auto& group) { return group->name == name; });
    return found == groups_.end() ? nullptr : found->get();
}

Service* Engine::find(std::string_view namespec)
{
    if (const auto found = by_name_.find(namespec); found != by_name_.end()) return found->second;
    // "group:name" of a group with one equal name
    const auto colon = namespec.find(':');
    if (colon == std::string_view::npos || namespec.substr(0, colon) != namespec.substr(colon + 1)) return nullptr;
    const auto found = by_name_.find(namespec.substr(0, colon));
    return found == by_name_.end() ? nullptr : found->second;
}

std::vector<Service*> Engine::services()
{
    std::vector<Service*> all;
    for (const auto& group : groups_)
        for (const auto& service : group->services) all.push_back(service.get());
    std::sort(all.begin(), all.end(), [](const Service* a, const Service* b) {
        return std::tie(a->spec().group, a->spec().name) < std::tie(b->spec().group, b->spec().name);
    });
    return all;
}

config::Config Engine::active() const
{
    config::Config config = settings_;
    for (const auto& group : groups_) {
        config::GroupSpec spec{group->name, group->priority, group->heterogeneous, {}};
        for (const auto& service : group->services) spec.services.push_back(service->spec());
        config.groups.push_back(std::move(spec));
    }
    return config;
}

void Engine::tell_sinks()
{
    for (Service* service : services()) service->streams().tell_sinks(service->spec());
    for (const auto& service : retired_) service->streams().tell_sinks(service->spec());
}

void Engine::notify(Service& service)
{
    events_.on_changed(service);
    for (const auto& observer : observers_) observer(service);
    if (!is_down(service) || sweep_due_) return;
    if (retired_.empty() && !on_stopped_) return;
    sweep_due_ = true;
    context_.loop.soon([this] { sweep_retired(); });
}

// ---- making services ----------------------------------------------------------------------------------------------

/// AUTO logs get their name here, once; a service that goes on under a new configuration keeps its files.
void Engine::name_auto_logs(config::ServiceSpec& spec, const config::ServiceSpec* before) const
{
    const auto name = [&](config::LogSink config::Output::*sink, const char* stream) {
        if (((*spec.output).*sink).kind != config::LogSink::Kind::Auto) return;
        std::string& path = (spec.output.change().*sink).path;
        if (before != nullptr && ((*before->output).*sink).kind == config::LogSink::Kind::Auto) {
            path = ((*before->output).*sink).path;
            return;
        }
        path = fmt::format("{}/{}-{}---{}-{}.log", settings_.daemon.childlogdir, spec.name, stream, settings_.daemon.identifier,
                                random_letters());
        const sys::UniqueFd made(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    };
    name(&config::Output::out, "stdout");
    if (!spec.exec.redirect_stderr) name(&config::Output::err, "stderr");
}

Result<std::unique_ptr<Service>> Engine::make_service(config::ServiceSpec spec)
{
    name_auto_logs(spec, nullptr);
    return Service::create(context_, std::move(spec));
}

Status Engine::add_group(const config::GroupSpec& spec, const std::map<std::string, bool>& runs)
{
    auto group = std::make_unique<Group>(Group{spec.name, spec.priority, spec.heterogeneous, {}});
    std::vector<Service*> added;
    for (const config::ServiceSpec& service_spec : spec.services) {
        auto service = make_service(service_spec);
        if (!service) {
            for (const auto& made : group->services) made->vanish();
            return tl::unexpected(std::move(service).error());
        }
        added.push_back(service->get());
        group->services.push_back(std::move(*service));
    }
    const Group& made = *group;
    groups_.push_back(std::move(group));
    index();
    write_record();
    events_.fit(made);
    events_.group_added(made.name);
    start_services(added, runs);
    return {};
}

void Engine::start_services(const std::vector<Service*>& services, const std::map<std::string, bool>& runs)
{
    const auto starts = [&](const config::ServiceSpec& spec) {
        const auto known = runs.find(spec.name);
        return known != runs.end() ? known->second : spec.policy->autostart;
    };
    for (Service* service : services) service->open_standing();
    for (Service* service : services)
        if (starts(service->spec()) || !service->spec().broken.empty()) service->start();
}

void Engine::remove_group(std::string_view name)
{
    const auto found = std::find_if(groups_.begin(), groups_.end(), [&](const auto& group) { return group->name == name; });
    if (found == groups_.end()) return;
    auto group = std::move(*found);
    groups_.erase(found);
    for (auto& service : group->services) retire(std::move(service));
    index();
    write_record();
    events_.forget(std::string(name));
    events_.group_removed(std::string(name));
    sweep_retired();
}

void Engine::start(config::Config config)
{
    std::vector<config::GroupSpec> groups = std::exchange(config.groups, {});
    settings_ = std::move(config);
    std::vector<Service*> all;
    for (config::GroupSpec& spec : groups) {
        auto group = std::make_unique<Group>(Group{spec.name, spec.priority, spec.heterogeneous, {}});
        for (config::ServiceSpec& service_spec : spec.services) {
            auto service = make_service(std::move(service_spec));
            if (!service) {
                log::error("{}", service.error().message);
                break;
            }
            all.push_back(service->get());
            group->services.push_back(std::move(*service));
        }
        groups_.push_back(std::move(group));
        spec = {};   // the next one's place
    }
    index();
    write_record();
    for (const auto& group : groups_) {  // a pool hears of its own group and of those behind it
        events_.fit(*group);
        events_.group_added(group->name);
    }
    events_.daemon_changed(false);
    start_services(all);
}

void Engine::write_record()
{
    auto record = sys::sealed_memory("xsvd-record", config::encode(active()));
    if (!record) return log::error("keeping the configuration of record: {}", record.error().message);
    context_.keeper.hold(kRecordKey, net::Held::Record, record->get());
    record_ = std::move(*record);
}

// ---- after a crash ------------------------------------------------------------------------------------------------

std::map<std::string, std::uint32_t> Engine::slots_by_name(std::vector<std::uint32_t>& connections)
{
    std::map<std::string, std::uint32_t> places;
    context_.table.for_each([&](std::uint32_t slot_index, Slot& slot) {
        last_exit_ = std::max(last_exit_, slot.exit_sequence);
        if (slot.kind == SlotKind::Place) places.emplace(slot.name_text(), slot_index);
        if (slot.kind == SlotKind::Connection || slot.kind == SlotKind::Hook) connections.push_back(slot_index);
    });
    return places;
}

void Engine::recover(config::Config record)
{
    std::vector<config::GroupSpec> groups = std::exchange(record.groups, {});
    settings_ = std::move(record);
    record_ = context_.inherited.take(kRecordKey);
    deny_list_.recover();
    std::vector<std::uint32_t> connections;
    auto places = slots_by_name(connections);
    std::vector<Service*> all;
    for (config::GroupSpec& spec : groups) {
        auto group = std::make_unique<Group>(Group{spec.name, spec.priority, spec.heterogeneous, {}});
        for (config::ServiceSpec& service_spec : spec.services) {
            std::unique_ptr<Service> service;
            if (const auto place = places.extract(service_spec.namespec()); !place.empty()) {
                service = std::make_unique<Service>(context_, std::move(service_spec), place.mapped());
            } else if (auto made = Service::create(context_, std::move(service_spec))) {
                service = std::move(*made);
            } else {
                log::error("{}", made.error().message);
                continue;
            }
            all.push_back(service.get());
            group->services.push_back(std::move(service));
        }
        groups_.push_back(std::move(group));
        spec = {};   // the next one's place
    }
    index();
    events_.recover();
    events_.fit_all();
    // Handlers first: a service that is stopped is told from its count whether it has ended.
    for (const std::uint32_t slot_index : connections) {
        const auto owner = by_slot_.find(context_.table.at(slot_index).owner);
        const bool is_hook = context_.table.at(slot_index).kind == SlotKind::Hook;
        if (owner != by_slot_.end() && is_hook) owner->second->hooks().recover(slot_index);
        else if (owner != by_slot_.end()) owner->second->handlers().recover(slot_index);
        else recover_stray(slot_index);
    }
    for (Service* service : all) service->recover();
    // Places of services that the record no longer has: their processes were being stopped.
    for (const auto& [name, slot_index] : places) recover_stray(slot_index);
    context_.socket_table.drop_unclaimed();
}

void Engine::take_up(config::Config config)
{
    settings_.daemon = config.daemon;   // where logs without a name are
    for (config::GroupSpec& group : config.groups)
        for (config::ServiceSpec& service : group.services) name_auto_logs(service, nullptr);
    recover(std::move(config));
    last_exit_ = 0;
    write_record();
}

/// Of a service that the record no longer has: its process was being stopped, and its slot goes with it.
void Engine::recover_stray(std::uint32_t slot_index)
{
    Slot& slot = context_.table.at(slot_index);
    const pid_t pid = slot.child.pid;
    if (pid <= 0 || slot.exit_sequence != 0) return context_.table.release(slot_index);
    auto pidfd = adoption_.open(slot_index);
    if (!pidfd) return;
    (void)context_.processes.signal(*pidfd, SIGTERM);
    strays_.insert_or_assign(slot_index, std::move(*pidfd));
}

void Engine::on_exit(const ChildExit& exit)
{
    if (exit.sequence != 0 && exit.sequence <= last_exit_) {
        // Seen by the engine before us; if its consequences were still open, recover() has drawn them.
        return;
    }
    last_exit_ = std::max(last_exit_, exit.sequence);
    const auto slot_index = context_.pids.oldest(exit.pid, context_.table);
    if (!slot_index) return on_other_exit_(exit, std::nullopt);
    deliver(*slot_index, exit);
}

void Engine::deliver(std::uint32_t slot_index, const ChildExit& exit)
{
    Slot& slot = context_.table.at(slot_index);
    write_exit(slot, exit);
    if (slot.kind == SlotKind::Helper) return on_other_exit_(exit, slot_index);
    const auto owner = by_slot_.find(slot.kind == SlotKind::Place ? slot_index : slot.owner);
    if (owner == by_slot_.end()) {
        context_.pids.remove(exit.pid, slot_index);
        strays_.erase(slot_index);
        return context_.table.release(slot_index);
    }
    if (slot.kind == SlotKind::Hook) owner->second->hooks().on_exit(slot_index, exit);
    else if (slot.kind == SlotKind::Connection) owner->second->handlers().on_exit(slot_index, exit);
    else owner->second->on_exit(exit);
}

void Engine::for_each_process(const std::function<void(std::uint32_t, int)>& call) const
{
    for (const auto& [slot_index, service] : by_slot_) service->for_each_process(call);
    for (const auto& [slot_index, pidfd] : strays_) call(slot_index, pidfd.get());
}

}  // namespace xsv::engine
