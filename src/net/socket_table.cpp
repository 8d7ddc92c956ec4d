#include "net/socket_table.h"

#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"

namespace xsv::net {

namespace {

/// As Supervisor writes it: "tcp://127.0.0.1:9000", "unix:///run/x.sock".
std::string url(const sys::Endpoint& endpoint)
{
    const bool is_stream = endpoint.type == sys::SocketType::Stream;
    if (is_stream && endpoint.family == sys::Family::Unix) return "unix://" + endpoint.path;
    if (!is_stream || !endpoint.path.empty() || endpoint.protocol != sys::Protocol::Usual || endpoint.family == sys::Family::Vsock) return endpoint.text();
    const std::string host = endpoint.host.empty() ? "*" : endpoint.host;
    return endpoint.family == sys::Family::Inet6 ? fmt::format("tcp://[{}]:{}", host, endpoint.port)
                                                 : fmt::format("tcp://{}:{}", host, endpoint.port);
}

}  // namespace

void SocketTable::inherit(std::string key, sys::UniqueFd fd)
{
    inherited_.insert_or_assign(std::move(key), std::move(fd));
}

void SocketTable::receive(std::string name, sys::UniqueFd fd)
{
    received_.push_back({std::move(name), std::move(fd)});
}

void SocketTable::restore(const std::string& name, std::string key, sys::UniqueFd fd)
{
    stored_.insert_or_assign(name, Received{std::move(key), std::move(fd)});
}

sys::UniqueFd SocketTable::take_inherited(const std::string& key, const sys::Endpoint& endpoint)
{
    auto inherited = inherited_.extract(key);
    if (inherited.empty()) return {};
    if (sockets_.is_bound_to(inherited.mapped().get(), endpoint)) return std::move(inherited.mapped());
    log::warn("a descriptor kept as '{}' is not bound there; opening it anew", key);
    return {};
}

sys::UniqueFd SocketTable::take_stored(const std::string& key, const sys::Endpoint& endpoint)
{
    auto stored = stored_.extract(stored_name(key));
    if (stored.empty()) return {};
    keeper_.drop(stored.mapped().name);
    if (!sockets_.is_bound_to(stored.mapped().fd.get(), endpoint)) return {};
    log::info("Taking socket {} from the service manager's store", url(endpoint));
    keeper_.hold(key, Held::Listener, stored.mapped().fd.get());
    return std::move(stored.mapped().fd);
}

const SocketTable::Received* SocketTable::received(const sys::Endpoint& endpoint) const
{
    const bool by_name = endpoint.family == sys::Family::Inherited;
    for (const Received& one : received_)
        if (by_name ? one.name == endpoint.path : sockets_.is_bound_to(one.fd.get(), endpoint)) return &one;
    return nullptr;
}

Result<SocketPtr> SocketTable::adopt(const Received& received, const sys::Endpoint& endpoint, const Shared<sys::SocketOptions>& options)
{
    sys::UniqueFd fd(::fcntl(received.fd.get(), F_DUPFD_CLOEXEC, 0));
    if (!fd) return fail_errno("taking " + endpoint.text(), errno);
    sys::Endpoint real = endpoint;
    if (endpoint.family == sys::Family::Inherited) {
        auto described = sockets_.describe(fd.get());
        if (!described) return wrap(described, endpoint.text());
        real = *std::move(described);
        real.name = endpoint.name.empty() ? endpoint.path : endpoint.name;
    }
    if (auto set = sockets_.set_nonblocking(fd.get(), true); !set) return wrap(set, endpoint.text());
    log::info("Taking socket {} from our parent", real.text());
    SocketPtr socket(new HeldSocket{real, options, std::move(fd), key_of(endpoint), true, true}, [this](HeldSocket* s) { release(s); });
    held_[socket->key] = socket;
    return socket;
}

Result<SocketPtr> SocketTable::take_hold(const sys::Endpoint& endpoint, const Shared<sys::SocketOptions>& options)
{
    std::string key = key_of(endpoint);
    if (const auto known = held_.find(key); known != held_.end()) {
        if (SocketPtr socket = known->second.lock()) {
            if (auto adjusted = adjust(*socket, options); !adjusted) return tl::unexpected(std::move(adjusted).error());
            return socket;
        }
    }
    if (const Received* known = received(endpoint)) return adopt(*known, endpoint, options);
    sys::UniqueFd fd = take_inherited(key, endpoint);
    if (!fd) fd = take_stored(key, endpoint);
    const bool is_new = !fd;
    if (is_new) {
        auto opened = sockets_.listen(endpoint, *options);
        if (!opened) return tl::unexpected(std::move(opened).error());
        fd = std::move(*opened);
        log::info("Creating socket {}", url(endpoint));
    }
    SocketPtr socket(new HeldSocket{endpoint, options, std::move(fd), key, !is_new}, [this](HeldSocket* s) { release(s); });
    held_[key] = socket;
    if (is_new) keeper_.hold(key, Held::Listener, socket->fd.get());
    return socket;
}

Status SocketTable::adjust(HeldSocket& socket, const Shared<sys::SocketOptions>& options)
{
    if (socket.options == options) return {};
    auto adjusted = socket.is_received ? Status{} : sockets_.adjust(socket.fd.get(), socket.endpoint, *options);
    if (!adjusted) return wrap(adjusted, "changing options");
    socket.options = options;
    return {};
}

Status SocketTable::renew(HeldSocket& socket)
{
    auto opened = sockets_.listen(socket.endpoint, *socket.options);
    if (!opened) return wrap(opened, "opening a socket again");
    socket.fd = std::move(*opened);
    keeper_.hold(socket.key, Held::Listener, socket.fd.get());
    return {};
}

bool SocketTable::is_held(const sys::Endpoint& endpoint) const
{
    const std::string key = key_of(endpoint);
    const auto known = held_.find(key);
    return inherited_.contains(key) || stored_.contains(stored_name(key)) || received(endpoint) != nullptr || (known != held_.end() && !known->second.expired());
}

void SocketTable::release(HeldSocket* socket)
{
    if (!socket->is_received) {
        log::info("Closing socket {}", url(socket->endpoint));
        sockets_.remove_path(socket->fd.get(), socket->endpoint, *socket->options);
        keeper_.drop(socket->key);
    }
    if (const auto known = held_.find(socket->key); known != held_.end() && known->second.expired()) held_.erase(known);
    delete socket;
}

void SocketTable::drop_unclaimed()
{
    for (auto& [key, fd] : inherited_) keeper_.drop(key);
    inherited_.clear();
    for (auto& [name, stored] : stored_) keeper_.drop(stored.name);
    stored_.clear();
}

std::vector<sys::Endpoint> SocketTable::sockets_of(const sys::Endpoint& endpoint, const sys::SocketOptions& options, bool per_connection) const
{
    const bool has_six = ::access("/proc/net/if_inet6", F_OK) == 0;
    if (endpoint.family != sys::Family::Dual || !has_six || options.v6only.value_or(false)) return {endpoint};
    bool splits = per_connection && !options.v6only;
    for (const Received& one : received_) {
        if (!sockets_.is_bound_to(one.fd.get(), endpoint)) continue;
        const auto described = sockets_.describe(one.fd.get());
        if (described && described->family == sys::Family::Dual) return {endpoint};
        splits = true;   // a socket for one family: the other one needs its own
    }
    if (!splits) return {endpoint};
    sys::Endpoint four = endpoint, six = endpoint;
    four.family = sys::Family::Inet4;
    six.family = sys::Family::Inet6;
    return {four, six};
}

}  // namespace xsv::net
