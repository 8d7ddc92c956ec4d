#include "engine/forwarder_link.h"

#include <unistd.h>

#include "base/log.h"
#include "engine/service.h"

namespace xsv::engine {
namespace {

using wire::Value;

constexpr Duration kFlowTime = std::chrono::seconds(60);

std::int64_t milliseconds(Duration time) { return std::chrono::duration_cast<std::chrono::milliseconds>(time).count(); }

Value settings_of(const config::ServiceSpec& spec)
{
    static constexpr const char* kProtocols[] = {"", "v1", "v2"};
    const config::ConnectionLog log = spec.policy->connection_log;
    return Value::Struct{{"type", "service"},
                         {"name", spec.namespec()},
                         {"target", spec.proxy->target},
                         {"protocol", kProtocols[static_cast<int>(spec.proxy->protocol)]},
                         {"program", !spec.exec.command.empty()},
                         {"start_timeout", milliseconds(spec.policy->start_timeout)},
                         {"flow_time", milliseconds(std::min(kFlowTime, spec.policy->idle_time.value_or(kFlowTime)))},
                         {"log_begin", log == config::ConnectionLog::Both},
                         {"log_end", log != config::ConnectionLog::None}};
}

}  // namespace

void ForwarderLink::attach(Helper& helper, Find find, std::function<void()> start)
{
    helper_ = &helper;
    find_ = std::move(find);
    start_ = std::move(start);
}

void ForwarderLink::greet()
{
    helper_->send(Value::Struct{{"type", "hello"}, {"generation", std::int64_t{::getpid()}}});
    for (const auto& [name, front] : fronts_) {
        tell(name, front);
        if (Service* const service = find_(name)) service->on_forwarded(0, 0, 0);  // it tells, if there are any
    }
    helper_->send(Value::Struct{{"type", "ready"}});
}

void ForwarderLink::tell(const std::string& name, const Front& front)
{
    helper_->send(front.settings);
    for (const net::SocketPtr& socket : front.sockets)
        helper_->send_copy_of(Value::Struct{{"type", "socket"}, {"name", name}, {"socket", socket->endpoint.text()}}, socket->fd.get());
    tell_state(name, front.state);
}

void ForwarderLink::tell_state(const std::string& name, const std::string& state)
{
    helper_->send(Value::Struct{{"type", "state"}, {"name", name}, {"state", state}});
}

void ForwarderLink::open(const config::ServiceSpec& spec, const std::vector<net::SocketPtr>& sockets, const char* state)
{
    Front& front = fronts_[spec.namespec()];
    front = {settings_of(spec), sockets, state};
    if (helper_ == nullptr) return;
    start_();
    tell(spec.namespec(), front);
}

void ForwarderLink::set(const std::string& namespec, const char* state)
{
    const auto found = fronts_.find(namespec);
    if (found == fronts_.end()) return;
    found->second.state = state;
    if (helper_ != nullptr) tell_state(namespec, state);
}

void ForwarderLink::pause(const std::string& namespec)
{
    if (helper_ != nullptr && fronts_.contains(namespec)) helper_->send(Value::Struct{{"type", "pause"}, {"name", namespec}});
}

void ForwarderLink::close(const std::string& namespec)
{
    if (fronts_.erase(namespec) == 0 || helper_ == nullptr) return;
    helper_->send(Value::Struct{{"type", "drop"}, {"name", namespec}});
}

void ForwarderLink::on_message(const Value& message)
{
    const std::string type = message.text("type");
    if (type == "connections") {
        const Value* rows = message.find("rows");
        if (rows == nullptr || rows->array() == nullptr) return;
        for (const Value& row : *rows->array()) log_connection(row);
        return;
    }
    Service* const service = find_(message.text("name"));
    if (service == nullptr) return;
    if (type == "demand") service->on_demand();
    else if (type == "answered") service->on_answered();
    else if (type == "paused") service->on_paused(message.number("connections"));
    else if (type == "counts") service->on_forwarded(message.number("connections"), message.number("accepted"), message.number("refused"));
}

void ForwarderLink::log_connection(const Value& row)
{
    const std::string name = row.text("name"), peer = row.text("peer");
    const Value* seconds = row.find("seconds");
    if (seconds == nullptr || seconds->real() == nullptr) return log::info("{}: connection from {}", name, peer);
    const auto life = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(*seconds->real()));
    log::info("{}: {} forwarded for {} ({} bytes in, {} out{})", name, peer, format_duration(life), row.number("in"), row.number("out"),
              row.flag("failed") ? ", broken off" : "");
}

}  // namespace xsv::engine
