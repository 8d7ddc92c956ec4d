#include "engine/rpc_link.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "sys/socket_address.h"

namespace xsv::engine {
namespace {

constexpr Duration kRetry = std::chrono::seconds(60);
constexpr Duration kLastWait = std::chrono::seconds(3);

void add_address(RpcEntry& entry, const net::HeldSocket& socket)
{
    const sys::SocketAddress bound = sys::bound_address(socket.fd.get());
    const std::string transport = socket.endpoint.type == sys::SocketType::Datagram ? "udp" : "tcp";
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (bound.family() == AF_INET) {
        const auto& four = reinterpret_cast<const sockaddr_in&>(bound.storage);
        entry.addresses.push_back({transport, ::inet_ntop(AF_INET, &four.sin_addr, text.data(), text.size()), ntohs(four.sin_port)});
    } else if (bound.family() == AF_INET6) {
        const auto& six = reinterpret_cast<const sockaddr_in6&>(bound.storage);
        const std::uint16_t port = ntohs(six.sin6_port);
        entry.addresses.push_back({transport + "6", ::inet_ntop(AF_INET6, &six.sin6_addr, text.data(), text.size()), port});
        // One socket for both families is two entries.
        if (socket.endpoint.family == sys::Family::Dual) entry.addresses.push_back({transport, "0.0.0.0", port});
    }
}

}  // namespace

RpcEntry rpc_entry(const config::ServiceSpec& spec, const std::vector<net::SocketPtr>& sockets)
{
    RpcEntry entry;
    if (!spec.sockets.rpc) return entry;
    entry.program = *spec.sockets.rpc;
    for (const net::SocketPtr& socket : sockets) add_address(entry, *socket);
    return entry;
}

void RpcLink::want(const std::string& service, RpcEntry entry)
{
    if (entry.addresses.empty()) {
        const auto known = places_.find(service);
        if (known == places_.end()) return;
        entry = {};
    }
    places_[service].wanted = std::move(entry);
    advance(service);
}

/// One request at a time for a service; its answer brings the next.
void RpcLink::advance(const std::string& service)
{
    Place& place = places_.at(service);
    if (place.answer || place.wanted == place.registered) return;
    place.retry.reset();
    const bool set = place.registered.addresses.empty();
    if (auto started = run(service, place, set); !started) finish(service, place, started.error().message);
}

Status RpcLink::run(const std::string& service, Place& place, bool set)
{
    place.setting = set;
    place.sent = set ? place.wanted : place.registered;
    const RpcEntry& entry = place.sent;
    sys::ChildPlan plan;
    plan.path = helper_;
    plan.argv = {context_.surroundings.name + ": rpcbind", set ? "set" : "unset", std::to_string(entry.program.number),
                 std::to_string(entry.program.first), std::to_string(entry.program.last)};
    for (const RpcEntry::Address& address : entry.addresses) {
        plan.argv.push_back(address.transport);
        if (set) plan.argv.push_back(address.host), plan.argv.push_back(std::to_string(address.port));
    }
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) return fail_errno("pipe", errno);
    sys::UniqueFd reader(ends[0]), writer(ends[1]);
    plan.moves = {{context_.surroundings.null, 0}, {writer.get(), 1}, {context_.surroundings.null, 2}};
    sys::ChildReport report{};
    const auto prepared = context_.processes.prepare(std::move(plan));
    auto spawned = context_.processes.spawn(*prepared, report);
    if (!spawned) return wrap(spawned, helper_);
    pids_.insert(spawned->pid);
    place.text.clear();
    place.answer = std::move(reader);
    place.watch = context_.loop.readable(place.answer.get(), service + " rpcbind", [this, service] { read(std::string(service)); });
    return {};
}

void RpcLink::read(const std::string& service)
{
    Place& place = places_.at(service);
    std::array<char, 512> buffer;
    const auto count = ::read(place.answer.get(), buffer.data(), buffer.size());
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count > 0 && place.text.size() < buffer.size()) place.text.append(buffer.data(), static_cast<std::size_t>(count));
    if (count > 0) return;
    std::string text(text::trim(place.text));
    if (text.empty()) text = "rpcbind did not answer within 10 s";
    finish(service, place, text == "ok" ? "" : text::escape_control(text));
}

void RpcLink::finish(const std::string& service, Place& place, std::string problem)
{
    place.watch.reset();
    place.answer.reset();
    const std::uint32_t program = place.sent.program.number;
    if (!place.setting) {
        if (!problem.empty()) log::warn("{}: RPC program {} may still be registered: {}", service, program, problem);
        place.registered = {};
    } else if (problem.empty()) {
        place.registered = place.sent;
        log::info("{}: RPC program {} is registered", service, program);
        place.failed = false;
    } else {
        if (!std::exchange(place.failed, true))
            log::error("{}: RPC program {} is not registered, so nobody finds it: {}; trying again every minute", service, program, problem);
        place.retry = context_.loop.after(kRetry, service + " rpcbind", [this, service] { advance(std::string(service)); });
        return check_idle();
    }
    if (place.wanted == RpcEntry{} && place.registered == RpcEntry{}) places_.erase(service);
    else advance(service);
    check_idle();
}

bool RpcLink::is_idle() const
{
    return std::none_of(places_.begin(), places_.end(), [](const auto& each) { return static_cast<bool>(each.second.answer); });
}

void RpcLink::check_idle()
{
    if (!on_idle_ || !is_idle()) return;
    idle_timer_.reset();
    std::exchange(on_idle_, nullptr)();
}

void RpcLink::when_idle(std::function<void()> done)
{
    if (is_idle()) return done();
    on_idle_ = std::move(done);
    idle_timer_ = context_.loop.after(kLastWait, "rpcbind", [this] { std::exchange(on_idle_, nullptr)(); });
}

}  // namespace xsv::engine
