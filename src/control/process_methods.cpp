// Starting, stopping, signalling.
#include <algorithm>
#include <cerrno>
#include <memory>

#include "base/log.h"
#include "config/words.h"
#include "control/control.h"
#include "control/params.h"

namespace xsv::control {

using engine::Service;
using engine::SupervisorState;
using wire::Value;

namespace {

std::string text_param(const Value::Array& params, std::size_t at)
{
    return at < params.size() ? to_text(params[at]).value_or("") : "";
}

bool wait_param(const Value::Array& params, std::size_t at) { return at >= params.size() || to_truth(params[at]); }

/// "g:*" and "g:" mean the group.
std::optional<std::string> group_of(std::string_view name)
{
    if (name.ends_with(":*")) return std::string(name.substr(0, name.size() - 2));
    if (name.ends_with(":")) return std::string(name.substr(0, name.size() - 1));
    return std::nullopt;
}

/// Result arrays: failures and successes that are known at once come first, then the others as they finish; or, in order,
/// each in the place of its process.
struct Collector {
    bool in_order = false;
    std::vector<std::string> entries;
    std::size_t pending = 0;
    bool complete = false;
    Reply reply;

    void add(std::size_t place, const Service& service, const Outcome& outcome)
    {
        wire::Encoder entry;
        const int status = outcome ? static_cast<int>(FaultCode::Success) : outcome.error().code;
        entry.value(Value::Struct{{"name", service.spec().name},
                                  {"group", service.spec().group},
                                  {"status", status},
                                  {"description", outcome ? "OK" : outcome.error().text}});
        if (!in_order) return entries.push_back(entry.take());
        entries.resize(std::max(entries.size(), place + 1));
        entries[place] = entry.take();
    }
    void finish()
    {
        if (!complete || pending != 0) return;
        wire::Encoder all;
        all.begin_array(entries.size());
        for (const std::string& entry : entries) all.raw(entry);
        reply(all.take());
    }
};

}  // namespace

Service* Control::named(const Params& params, const Reply& reply)
{
    const std::string name = text_param(params, 0);
    Service* service = engine_.find(name);
    if (service == nullptr) refuse(reply, FaultCode::BadName, name);
    return service;
}

Service* Control::named_loosely(const Params& params, const Reply& reply)
{
    const std::string name = text_param(params, 0);
    Services found;
    if (Service* service = engine_.find(name)) return service;
    for (Service* candidate : engine_.services())
        if (candidate->spec().name == name) found.push_back(candidate);
    return found.size() == 1 ? found.front() : named(params, reply);
}

std::optional<Control::Services> Control::services_of_group(const std::string& name, const Reply& reply, std::string_view as_given)
{
    engine::Group* group = engine_.find_group(name);
    if (group == nullptr) {
        refuse(reply, FaultCode::BadName, as_given);
        return std::nullopt;
    }
    Services services;
    for (const auto& service : group->services) services.push_back(service.get());
    return services;
}

void Control::for_each_of(const Services& services, const std::function<void(Service&, Reply)>& act, Reply reply, bool in_order, bool last_first)
{
    auto collector = std::make_shared<Collector>();
    collector->in_order = in_order;
    collector->reply = std::move(reply);
    for (std::size_t i = 0; i < services.size(); ++i) {
        const std::size_t place = last_first ? services.size() - 1 - i : i;
        Service* service = services[place];
        ++collector->pending;
        act(*service, [collector, service, place](const Outcome& outcome) {
            collector->add(place, *service, outcome);
            --collector->pending;
            collector->finish();
        });
    }
    collector->complete = true;
    collector->finish();
}

// ---- start --------------------------------------------------------------------------------------------------------

void Control::start_one(Service& service, bool wait, const Reply& reply)
{
    const std::string name = service.spec().namespec();
    if (!service.spec().broken.empty()) {
        service.start();
        return refuse(reply, FaultCode::SpawnError, name);
    }
    // The command is looked at before the state: a running program whose file is gone answers so.
    const config::Exec& exec = service.spec().exec;
    const bool is_ours = config::builtin_name(exec.command) || (service.spec().proxy && exec.command.empty());
    if (auto program = config::resolve_command(exec.command, exec.environment); !is_ours && !program) {
        const bool missing = program.error().code == ENOENT;
        return refuse(reply, missing ? FaultCode::NoFile : FaultCode::NotExecutable, program.error().message);
    }
    const SupervisorState state = service.supervisor_state();
    const bool retries = std::holds_alternative<engine::Backoff>(service.state()) && service.spec().sockets.follow_state();
    if (is_in_running_set(state) && !retries) return refuse(reply, FaultCode::AlreadyStarted, name);
    if (state == SupervisorState::Unknown) return refuse(reply, FaultCode::Failed, name + " is in an unknown process state");
    if (state == SupervisorState::Stopping && !wait) return refuse(reply, FaultCode::Failed, name + " is being stopped; start it when it has ended");
    service.start();

    const auto settled = [reply, name](Service& changed) {
        switch (changed.supervisor_state()) {
            case SupervisorState::Running: return answer(reply, true), true;
            case SupervisorState::Starting: return false;
            default: break;
        }
        refuse(reply, changed.reason().empty() ? FaultCode::AbnormalTermination : FaultCode::SpawnError, name);
        return true;
    };
    if (service.supervisor_state() != SupervisorState::Starting) return (void)settled(service);
    if (!wait) return answer(reply, true);
    service.when_changed(settled);
}

void Control::start_process(const Params& params, Reply reply)
{
    if (const auto group = group_of(text_param(params, 0))) return start_services(*group, params, reply);
    if (Service* service = named(params, reply)) start_one(*service, wait_param(params, 1), reply);
}

void Control::start_group(const Params& params, Reply reply) { start_services(text_param(params, 0), params, reply); }

void Control::start_services(const std::string& group, const Params& params, const Reply& reply)
{
    auto services = services_of_group(group, reply, text_param(params, 0));
    if (!services) return;
    std::erase_if(*services, [](const Service* service) { return is_in_running_set(service->supervisor_state()); });
    const bool wait = wait_param(params, 1);
    for_each_of(*services, [this, wait](Service& service, const Reply& one) { start_one(service, wait, one); }, reply);
}

void Control::start_all(const Params& params, Reply reply)
{
    Services services;
    for (const auto& group : engine_.groups())
        for (const auto& service : group->services)
            if (!is_in_running_set(service->supervisor_state())) services.push_back(service.get());
    const bool wait = wait_param(params, 0);
    for_each_of(services, [this, wait](Service& service, const Reply& one) { start_one(service, wait, one); }, std::move(reply));
}

// ---- stop ---------------------------------------------------------------------------------------------------------

void Control::stop_one(Service& service, bool wait, bool now, const Reply& reply)
{
    const std::string name = service.spec().namespec();
    if (!service.can_stop()) return refuse(reply, FaultCode::NotRunning, name);
    service.stop(now);
    const auto settled = [reply](Service& changed) {
        if (!is_in_stopped_set(changed.supervisor_state())) return false;
        answer(reply, true);
        return true;
    };
    if (!wait || settled(service)) return wait ? void() : answer(reply, true);
    service.report_stop();
    service.when_changed(settled);
}

void Control::stop_process(const Params& params, Reply reply)
{
    if (const auto group = group_of(text_param(params, 0))) return stop_services(*group, params, reply);
    if (Service* service = named(params, reply)) stop_one(*service, wait_param(params, 1), false, reply);
}

void Control::stop_group(const Params& params, Reply reply) { stop_services(text_param(params, 0), params, reply); }

void Control::stop_services(const std::string& group, const Params& params, const Reply& reply)
{
    auto services = services_of_group(group, reply, text_param(params, 0));
    if (!services) return;
    std::erase_if(*services, [](const Service* service) { return !service->can_stop(); });
    const bool wait = wait_param(params, 1);
    memory_.stopping(*engine_.find_group(group));
    const auto answered = [this, group, reply](Outcome outcome) {
        memory_.stopped(group);
        reply(std::move(outcome));
    };
    for_each_of(*services, [this, wait](Service& service, const Reply& one) { stop_one(service, wait, false, one); }, answered,
                !wait, true);
}

void Control::stop_all(const Params& params, Reply reply)
{
    Services services;
    for (const auto& group : engine_.groups())
        for (const auto& service : group->services)
            if (service->can_stop()) services.push_back(service.get());
    const bool wait = wait_param(params, 0);
    for_each_of(services, [this, wait](Service& service, const Reply& one) { stop_one(service, wait, false, one); }, std::move(reply),
                !wait, true);
}

void Control::keep_sockets(const Params& params, Reply reply)
{
    const auto* names = params[0].array();
    if (names == nullptr) return refuse(reply, FaultCode::IncorrectParameters, "an array of names expected");
    for (const Value& name : *names) {
        const std::string written = to_text(name).value_or("");
        const auto group = group_of(written);
        for (Service* service : engine_.services())
            if (written == "all" || service->spec().namespec() == written || (group && service->spec().group == *group)) service->keep_sockets();
    }
    answer(reply, true);
}

void Control::refresh(const Params& params, Reply reply)
{
    Service* service = named(params, reply);
    if (service == nullptr) return;
    const std::string name = service->spec().namespec();
    if (!std::holds_alternative<engine::Running>(service->state())) return refuse(reply, FaultCode::NotRunning, name);
    if (auto asked = service->reload(); !asked) return refuse(reply, FaultCode::Failed, name + ": " + asked.error().message);
    answer(reply, true);
}

// ---- signal, stdin ------------------------------------------------------------------------------------------------

void Control::signal_one(Service& service, int signal, const Reply& reply)
{
    const std::string name = service.spec().namespec();
    if (!is_signallable(service.supervisor_state())) return refuse(reply, FaultCode::NotRunning, name);
    auto sent = service.send_signal(signal);
    if (!sent) return refuse(reply, FaultCode::Failed, sent.error().message);
    answer(reply, true);
}

void Control::signal_process(const Params& params, Reply reply)
{
    if (const auto group = group_of(text_param(params, 0))) return signal_services(*group, params, reply);
    Service* service = named(params, reply);
    if (service == nullptr) return;
    const auto signal = config::parse_signal(text_param(params, 1));
    if (!signal) return refuse(reply, FaultCode::BadSignal, text_param(params, 1));
    signal_one(*service, *signal, reply);
}

void Control::signal_group(const Params& params, Reply reply) { signal_services(text_param(params, 0), params, reply); }

void Control::signal_services(const std::string& group, const Params& params, const Reply& reply)
{
    auto services = services_of_group(group, reply, text_param(params, 0));
    if (!services) return;
    std::erase_if(*services, [](const Service* service) { return !is_signallable(service->supervisor_state()); });
    const std::string written = text_param(params, 1);
    for_each_of(*services, [this, written](Service& service, const Reply& one) {
        const auto signal = config::parse_signal(written);
        if (!signal) return refuse(one, FaultCode::BadSignal, written);
        signal_one(service, *signal, one);
    }, reply);
}

void Control::signal_all(const Params& params, Reply reply)
{
    Services services;
    for (const auto& group : engine_.groups())
        for (const auto& service : group->services)
            if (is_signallable(service->supervisor_state())) services.push_back(service.get());
    const std::string written = text_param(params, 0);
    for_each_of(services, [this, written](Service& service, const Reply& one) {
        const auto signal = config::parse_signal(written);
        if (!signal) return refuse(one, FaultCode::BadSignal, written);
        signal_one(service, *signal, one);
    }, std::move(reply));
}

void Control::send_stdin(const Params& params, Reply reply)
{
    const auto* bytes = params[1].string();
    if (bytes == nullptr) return refuse(reply, FaultCode::IncorrectParameters, text_param(params, 1));
    Service* service = named(params, reply);
    if (service == nullptr) return;
    const std::string name = service->spec().namespec();
    if (!live_pid(service->state()) || std::holds_alternative<engine::Stopping>(service->state()))
        return refuse(reply, FaultCode::NotRunning, name);
    if (!service->streams().has_stdin()) return refuse(reply, FaultCode::NoFile, name);
    if (auto written = service->streams().write_stdin(*bytes); !written)
        return written.error().code == EPIPE ? refuse(reply, FaultCode::NoFile, name) : refuse(reply, FaultCode::Failed, written.error().message);
    answer(reply, true);
}

void Control::send_remote_event(const Params& params, Reply reply)
{
    const auto type = to_text(params[0]), data = to_text(params[1]);
    if (!type || !data) return refuse(reply, FaultCode::IncorrectParameters, "text expected");
    engine_.events().remote(*type, *data);
    answer(reply, true);
}

}  // namespace xsv::control
