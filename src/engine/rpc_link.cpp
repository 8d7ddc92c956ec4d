#include "engine/rpc_link.h"

#include <algorithm>
#include <array>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/log.h"
#include "base/text.h"
#include "sys/socket_address.h"

namespace xsv::engine {
namespace {

constexpr Duration kRetry = std::chrono::seconds(60);
constexpr Duration kLastWait = std::chrono::seconds(3);
constexpr std::size_t kLongestAnswer = 512;

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

Duration RpcLink::period() const
{
    const Duration shorter = period_();
    return shorter > Duration::zero() ? std::min(shorter, kRetry) : kRetry;
}

/// One request at a time for a service; its answer brings the next.
void RpcLink::advance(const std::string& service)
{
    Place& place = places_.at(service);
    if (place.question) return;
    place.timer.reset();
    if (place.wanted != place.registered) return run(service, place, place.registered.addresses.empty() ? Request::Set : Request::Unset);
    if (place.registered.addresses.empty()) return;
    place.timer = context_.loop.after(period(), service + " rpcbind", [this, service] { check(std::string(service)); });
}

void RpcLink::check(const std::string& service)
{
    Place& place = places_.at(service);
    if (!place.question && place.wanted == place.registered) run(service, place, Request::Keep);
}

void RpcLink::run(const std::string& service, Place& place, Request request)
{
    place.request = request;
    place.sent = request == Request::Unset ? place.registered : place.wanted;
    if (auto started = start(service, place); !started) finish(service, started.error().message);
}

Status RpcLink::start(const std::string& service, Place& place)
{
    const RpcEntry& entry = place.sent;
    const char* const word = place.request == Request::Unset ? "unset" : "set";
    std::vector<std::string> argv = {context_.surroundings.name + ": rpcbind", word, std::to_string(entry.program.number),
                                     std::to_string(entry.program.first), std::to_string(entry.program.last)};
    for (const RpcEntry::Address& address : entry.addresses) {
        argv.push_back(address.transport);
        if (place.request != Request::Unset) argv.push_back(address.host), argv.push_back(std::to_string(address.port));
    }
    auto question = Question::ask(context_, {helper_, std::move(argv)}, kLongestAnswer, [this, service](const std::string& text) {
        std::string answer(text::trim(text));
        if (answer.empty()) answer = "rpcbind did not answer within 10 s";
        finish(service, text::escape_control(answer));
    });
    if (!question) return tl::unexpected(std::move(question).error());
    pids_.insert((*question)->pid());
    place.question = std::move(*question);
    return {};
}

/// `answer`: "ok"; "set" where rpcbind did not have it; else what went wrong.
void RpcLink::finish(const std::string& service, std::string answer)
{
    Place& place = places_.at(service);
    place.question.reset();
    const std::uint32_t program = place.sent.program.number;
    const bool good = answer == "ok" || answer == "set";
    if (place.request == Request::Unset) {
        if (!good) log::warn("{}: RPC program {} may still be registered: {}", service, program, answer);
        place.registered = {};
    } else if (!good) {
        register_later(service, place, answer);
        return check_idle();
    } else {
        if (place.request == Request::Set) log::info("{}: RPC program {} is registered", service, program);
        else if (answer == "set") log::warn("{}: rpcbind had forgotten RPC program {}; it is registered again", service, program);
        place.registered = place.sent;
        place.failed = false;
    }
    if (place.wanted == RpcEntry{} && place.registered == RpcEntry{}) places_.erase(service);
    else advance(service);
    check_idle();
}

void RpcLink::register_later(const std::string& service, Place& place, const std::string& problem)
{
    place.registered = {};
    if (!std::exchange(place.failed, true))
        log::error("{}: RPC program {} is not registered, so nobody finds it: {}; trying again every minute", service,
                   place.sent.program.number, problem);
    place.timer = context_.loop.after(period(), service + " rpcbind", [this, service] { advance(std::string(service)); });
}

bool RpcLink::is_idle() const
{
    return std::none_of(places_.begin(), places_.end(), [](const auto& each) { return static_cast<bool>(each.second.question); });
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
