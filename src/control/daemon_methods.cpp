// The daemon itself and its configuration.
#include <algorithm>

#include "base/log.h"
#include "control/control.h"
#include "control/params.h"

namespace xsv::control {

using wire::Value;

namespace {

Value::Array names(const std::vector<std::string>& list) { return {list.begin(), list.end()}; }

Value::Array messages(const std::vector<config::Mistake>& mistakes)
{
    Value::Array lines;
    for (const config::Mistake& mistake : mistakes) lines.emplace_back(mistake.message());
    return lines;
}

/// AUTO logs got their names at run time; a fresh reading has none.
void forget_auto_names(config::Config& config)
{
    for (config::GroupSpec& group : config.groups)
        for (config::ServiceSpec& spec : group.services)
            for (const auto sink : {&config::Output::out, &config::Output::err})
                if (((*spec.output).*sink).kind == config::LogSink::Kind::Auto) (spec.output.change().*sink).path.clear();
}

constexpr const char* kHoldMode =
    "the engine ended five times within a minute and keeps only what runs; look into the daemon's log, then run 'xsvctl resume'";

}  // namespace

std::string mistakes_text(const std::vector<config::Mistake>& mistakes)
{
    std::string text;
    for (const config::Mistake& mistake : mistakes) text += (text.empty() ? "" : "\n") + mistake.message();
    return text;
}

void Control::get_api_version(const Params&, Reply reply) { answer(reply, "3.0"); }
void Control::get_version(const Params&, Reply reply) { answer(reply, hooks_.version); }
void Control::get_identification(const Params&, Reply reply) { answer(reply, engine_.settings().daemon.identifier); }
void Control::get_pid(const Params&, Reply reply) { answer(reply, static_cast<std::int64_t>(hooks_.pid)); }
void Control::get_state(const Params&, Reply reply) { answer(reply, Value::Struct{{"statecode", 1}, {"statename", "RUNNING"}}); }

void Control::leave_hold_mode()
{
    if (!std::exchange(hooks_.hold_mode, false)) return;
    log::warn("leaving hold mode");
    hooks_.resumed();
}

void Control::resume(const Params&, Reply reply)
{
    const bool was_held = hooks_.hold_mode;
    leave_hold_mode();
    answer(reply, was_held);
}

void Control::shutdown(const Params&, Reply reply)
{
    answer(reply, true);
    hooks_.shutdown();
}

void Control::restart(const Params&, Reply reply)
{
    // Nothing is stopped for a configuration that could not start again.
    if (const auto refusals = hooks_.load().refusals(); !refusals.empty())
        return refuse(reply, FaultCode::CantReread, mistakes_text(refusals));
    answer(reply, true);
    hooks_.restart();
}

void Control::reload_config(const Params&, Reply reply)
{
    if (hooks_.hold_mode) return refuse(reply, FaultCode::CantReread, kHoldMode);
    config::Loaded loaded = hooks_.load();
    if (const auto refusals = loaded.refusals(); !refusals.empty()) return refuse(reply, FaultCode::CantReread, mistakes_text(refusals));
    config::Config running = engine_.active();
    forget_auto_names(running);
    const config::GroupDiff diff = config::diff_groups(running.groups, loaded.config.groups);
    parsed_ = std::move(loaded.config);
    answer(reply, Value::Array{Value::Array{names(diff.added), names(diff.changed), names(diff.removed)}});
}

void Control::add_group(const Params& params, Reply reply)
{
    const std::string name = to_text(params[0]).value_or("");
    if (engine_.find_group(name) != nullptr) return refuse(reply, FaultCode::AlreadyAdded, name);
    std::vector<config::GroupSpec>* groups = parsed_ ? &parsed_->groups : nullptr;
    if (groups == nullptr) return refuse(reply, FaultCode::BadName, name);
    const auto found = std::find_if(groups->begin(), groups->end(), [&](const auto& group) { return group.name == name; });
    if (found == groups->end()) return refuse(reply, FaultCode::BadName, name);
    auto added = engine_.add_group(*found, memory_.returning(name));
    memory_.forget(name);
    if (!added) return refuse(reply, FaultCode::Failed, added.error().message);
    // From now on getAllConfigInfo knows the names of its AUTO logs.
    for (config::ServiceSpec& spec : found->services)
        if (const engine::Service* service = engine_.find(spec.namespec())) spec.output = service->spec().output;
    answer(reply, true);
}

void Control::remove_group(const Params& params, Reply reply)
{
    const std::string name = to_text(params[0]).value_or("");
    const engine::Group* group = engine_.find_group(name);
    if (group == nullptr) return refuse(reply, FaultCode::BadName, name);
    const bool stopped = std::all_of(group->services.begin(), group->services.end(),
                                     [](const auto& service) { return is_in_stopped_set(service->supervisor_state()); });
    if (!stopped) return refuse(reply, FaultCode::StillRunning, name);
    if (!parsed_) parsed_ = engine_.active();  // what was removed may be added again
    memory_.removing(*group);
    engine_.remove_group(name);
    answer(reply, true);
}

// ---- our own ------------------------------------------------------------------------------------------------------

Value Control::diff_value(const config::Diff& diff) const
{
    Value::Array changed;
    for (const config::Change& change : diff.changed) {
        Value::Array what;
        for (const auto& [is, word] : {std::pair{change.exec, "exec"}, std::pair{change.sockets, "sockets"},
                                       std::pair{change.output, "output"}, std::pair{change.policy, "policy"}})
            if (is) what.emplace_back(word);
        changed.emplace_back(Value::Struct{{"name", change.namespec}, {"what", what}});
    }
    return Value::Struct{{"added", names(diff.added)}, {"removed", names(diff.removed)}, {"changed", changed},
                         {"daemon", diff.daemon}, {"servers", diff.servers}};
}

Result<config::Diff> Control::reload()
{
    if (hooks_.hold_mode) return fail("{}", kHoldMode);
    config::Loaded loaded = hooks_.load();
    for (const config::Mistake& warning : loaded.warnings) log::warn("{}", warning.message());
    if (const auto refusals = loaded.refusals(); !refusals.empty()) return fail("{}", mistakes_text(refusals));
    for (const config::Mistake& mistake : loaded.mistakes) log::error("{}", mistake.message());
    auto swap_settings = hooks_.prepare_settings(loaded.config);
    if (!swap_settings) return tl::unexpected(std::move(swap_settings).error());
    auto diff = engine_.reload(loaded.config);
    if (diff) {
        (*swap_settings)();
        parsed_ = std::move(loaded.config);
        log::info("configuration reloaded: {} added, {} changed, {} removed", diff->added.size(), diff->changed.size(), diff->removed.size());
    }
    return diff;
}

void Control::reload(const Params&, Reply reply)
{
    auto diff = reload();
    if (!diff) return refuse(reply, FaultCode::CantReread, diff.error().message);
    answer(reply, diff_value(*diff));
}

void Control::check(const Params&, Reply reply)
{
    const config::Loaded loaded = hooks_.load();
    answer(reply, Value::Struct{{"mistakes", messages(loaded.mistakes)}, {"warnings", messages(loaded.warnings)},
                                {"notes", messages(loaded.notes)}});
}

void Control::diff(const Params&, Reply reply)
{
    config::Loaded loaded = hooks_.load();
    if (const auto refusals = loaded.refusals(); !refusals.empty()) return refuse(reply, FaultCode::CantReread, mistakes_text(refusals));
    config::Config running = engine_.active();
    forget_auto_names(running);
    answer(reply, diff_value(config::diff(running, loaded.config)));
}

}  // namespace xsv::control
