#include "proxy/forwarder.h"

#include <algorithm>

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/log.h"

namespace xsv::proxy {
namespace {

using wire::Value;

constexpr Duration kReport = std::chrono::milliseconds(200);
constexpr Duration kRows = std::chrono::milliseconds(20);
constexpr Duration kNoLimit = std::chrono::hours(24 * 365);
constexpr std::size_t kMostRows = 256;

/// Two for each caller, and for those whose bytes are on their way two pipes of two ends each; the rest is for everything else.
std::size_t callers_at_once()
{
    constexpr rlim_t kEverythingElse = 512, kForEach = 3;
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur == RLIM_INFINITY) limit.rlim_cur = 1 << 20;
    return std::max<rlim_t>(limit.rlim_cur > 2 * kEverythingElse ? limit.rlim_cur - kEverythingElse : limit.rlim_cur / 2, kForEach) / kForEach;
}

ino_t inode(int fd)
{
    struct stat status{};
    return ::fstat(fd, &status) == 0 ? status.st_ino : 0;
}

bool is_datagram(int fd)
{
    int type = 0;
    socklen_t length = sizeof type;
    return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_DGRAM;
}

Behind behind_named(const std::string& word) { return word == "up" ? Behind::Up : word == "await" ? Behind::Awaited : Behind::Down; }

}  // namespace

Forwarder::Forwarder(event::Loop& loop, sys::UniqueFd channel, std::function<void()> on_end)
    : loop_(loop), on_end_(std::move(on_end)), workshop_{loop, poller_, {}, 0, callers_at_once(), {}},
      channel_(loop, std::move(channel), "engine",
               [this](std::string_view bytes, sys::UniqueFd fd) {
                   if (auto message = wire::decode(bytes)) on_message(*message, std::move(fd));
               },
               [this] { on_end_(); })
{
    workshop_.room_again = [this] {
        for (auto& [name, service] : services_)
            for (auto& [socket, front] : service.fronts) front->look_again();
    };
    poller_.when_turns([this] {
        if (!serving_) take_turn();
    });
    ready_ = loop.readable(poller_.fd(), "connections", [this] { serve(); });
}

Forwarder::~Forwarder()
{
    services_.clear();  // while there is somebody whom they can tell
    retired_.clear();
}

void Forwarder::take_turn()
{
    if (turn_ != nullptr) return;
    turn_ = loop_.after(Duration::zero(), "turns", [this] {
        turn_.reset();
        serve();
    });
}

/// A few times, as long as there is something to do: asking once more is cheaper than going round the outer loop.
void Forwarder::serve()
{
    constexpr int kTimes = 4;
    serving_ = true;
    for (int n = 0; n < kTimes && poller_.wait(0) > 0; ++n) {}
    serving_ = false;
    if (poller_.has_turns()) take_turn();
    std::erase_if(retired_, [](const auto& front) { return front->is_empty(); });
}

void Forwarder::on_message(const Value& message, sys::UniqueFd fd)
{
    const std::string type = message.text("type");
    if (type == "hello") {
        named_.clear();
        for (auto& [name, service] : services_) service.told.live = -1;  // an engine that is new knows nothing
        changed();
    } else if (type == "service") {
        set_service(message);
    } else if (type == "socket") {
        set_socket(message, std::move(fd));
    } else if (type == "state") {
        set_state(message);
    } else if (type == "pause") {
        answer_pause(message);
    } else if (type == "drop") {
        drop(message.text("name"));
    } else if (type == "ready") {
        drop_unnamed();
    } else if (type == "shutdown") {
        tell_rows();
        on_end_();
    }
}

void Forwarder::set_service(const Value& message)
{
    const std::string name = message.text("name"), protocol = message.text("protocol");
    named_[name] = true;
    Service& service = services_[name];
    FrontSettings& settings = service.settings;
    settings.name = name;
    settings.target = message.text("target");
    settings.protocol = protocol == "v1" ? Protocol::V1 : protocol == "v2" ? Protocol::V2 : Protocol::None;
    settings.has_program = message.flag("program");
    settings.start_timeout = std::chrono::milliseconds(message.number("start_timeout"));
    if (settings.start_timeout == Duration::zero()) settings.start_timeout = kNoLimit;
    settings.flow_time = std::chrono::milliseconds(message.number("flow_time", 60'000));
    settings.log_begin = message.flag("log_begin");
    settings.log_end = message.flag("log_end");
    service.named.clear();
}

void Forwarder::set_socket(const Value& message, sys::UniqueFd fd)
{
    Service& service = services_[message.text("name")];
    const std::string socket = message.text("socket");
    service.named[socket] = true;
    std::unique_ptr<Front>& front = service.fronts[socket];
    if (front != nullptr && fd && inode(front->fd()) == inode(fd.get())) return front->configure(service.settings);
    if (!fd) return;
    if (front != nullptr) retire(std::move(front), false);
    FrontOwner& owner = *this;
    if (is_datagram(fd.get())) front = std::make_unique<DatagramFront>(workshop_, owner, std::move(fd), service.settings);
    else front = std::make_unique<StreamFront>(workshop_, owner, std::move(fd), service.settings);
    front->set(service.behind);
}

/// All its sockets have been named before; others are not its any more.
void Forwarder::set_state(const Value& message)
{
    const auto found = services_.find(message.text("name"));
    if (found == services_.end()) return;
    Service& service = found->second;
    service.behind = behind_named(message.text("state"));
    for (auto at = service.fronts.begin(); at != service.fronts.end();) {
        if (at->second != nullptr && service.named.contains(at->first)) {
            (at++)->second->set(service.behind);
            continue;
        }
        if (at->second != nullptr) retire(std::move(at->second), false);
        at = service.fronts.erase(at);
    }
}

/// Nobody is connected, and from now on nobody will be: the program can be stopped without a failed request.
void Forwarder::answer_pause(const Value& message)
{
    const std::string name = message.text("name");
    const auto found = services_.find(name);
    if (found == services_.end()) return;
    std::int64_t live = 0;
    for (auto& [socket, front] : found->second.fronts) live += front->is_empty() ? 0 : 1;
    if (live == 0) {
        found->second.behind = Behind::Down;
        for (auto& [socket, front] : found->second.fronts) front->set(Behind::Down);
    }
    send({{"type", "paused"}, {"name", name}, {"connections", live}});
}

void Forwarder::drop(const std::string& name)
{
    const auto found = services_.find(name);
    if (found == services_.end()) return;
    // With a program behind its connections end as it ends them.
    for (auto& [socket, front] : found->second.fronts) retire(std::move(front), !found->second.settings.has_program);
    services_.erase(found);
    named_.erase(name);
}

void Forwarder::drop_unnamed()
{
    std::vector<std::string> gone;
    for (const auto& [name, service] : services_)
        if (!named_.contains(name)) gone.push_back(name);
    for (const std::string& name : gone) drop(name);
}

void Forwarder::retire(std::unique_ptr<Front> front, bool end_all)
{
    front->close();
    if (end_all) front->end_all();
    retired_.push_back(std::move(front));
}

// ---- to the engine ------------------------------------------------------------------------------------------------

void Forwarder::send(Value::Struct message) { (void)channel_.send(wire::encode(Value(std::move(message)))); }

void Forwarder::demand(const std::string& name) { send({{"type", "demand"}, {"name", name}}); }
void Forwarder::answered(const std::string& name) { send({{"type", "answered"}, {"name", name}}); }
void Forwarder::log(int level, const std::string& line) { send({{"type", "log"}, {"level", level}, {"line", line}}); }

void Forwarder::changed()
{
    if (report_timer_ != nullptr) return;
    report_timer_ = loop_.after(kReport, "report", [this] {
        report_timer_.reset();
        tell_counts();
    });
}

void Forwarder::tell_counts()
{
    for (auto& [name, service] : services_) {
        Counts sum;
        for (auto& [socket, front] : service.fronts) {
            const Counts counts = front->take_counts();
            sum.live += counts.live, sum.accepted += counts.accepted, sum.refused += counts.refused;
        }
        if (sum.accepted == 0 && sum.refused == 0 && sum.live == service.told.live) continue;
        service.told = sum;
        send({{"type", "counts"}, {"name", name}, {"connections", sum.live}, {"accepted", sum.accepted}, {"refused", sum.refused}});
    }
}

void Forwarder::began(const std::string& name, const sys::Peer& peer) { report({{"name", name}, {"peer", peer.text()}}); }

void Forwarder::ended(const std::string& name, const Session& session, bool failed)
{
    report({{"name", name},
            {"peer", session.peer().text()},
            {"seconds", to_seconds(loop_.now() - session.since)},
            {"in", static_cast<std::int64_t>(session.bytes_in())},
            {"out", static_cast<std::int64_t>(session.bytes_out())},
            {"failed", failed}});
}

void Forwarder::report(Value::Struct row)
{
    rows_.emplace_back(std::move(row));
    if (rows_.size() >= kMostRows) tell_rows();
    else if (rows_timer_ == nullptr) rows_timer_ = loop_.after(kRows, "connections", [this] { tell_rows(); });
}

void Forwarder::tell_rows()
{
    rows_timer_.reset();
    if (!rows_.empty()) send({{"type", "connections"}, {"rows", std::exchange(rows_, {})}});
}

}  // namespace xsv::proxy
