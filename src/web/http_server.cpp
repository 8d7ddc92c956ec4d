#include "web/http_server.h"

#include <algorithm>
#include <cerrno>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/progress.h"

namespace xsv::web {

namespace {

constexpr int kAcceptsPerWake = 16;

bool is_any(const Connection&)
{
    return true;
}

}  // namespace

HttpServer::HttpServer(event::Loop& loop, const Settings& settings, OnRequest on_request, OnAnswer on_answer,
                       Callers callers)
    : loop_(loop),
      settings_(settings),
      on_request_(std::move(on_request)),
      on_answer_(std::move(on_answer)),
      callers_(std::move(callers))
{
}

HttpServer::~HttpServer()
{
    callers_.on_end = [](const Connection&) {};  // whom it would tell may be gone
    const auto connections = connections_;
    for (const auto& [raw, connection] : connections) connection->close();
}

void HttpServer::serve(std::vector<std::shared_ptr<Server>> wanted)
{
    if (is_finishing_) return;
    watches_.clear();  // before the sockets they watch are replaced
    for (const auto& server : servers_) server->is_gone = true;
    for (auto& server : wanted) {
        const auto known = std::find_if(servers_.begin(), servers_.end(),
                                        [&](const auto& old) { return old->is_gone && old->is_same_as(*server); });
        if (known == servers_.end()) continue;
        **known = std::move(*server);
        server = *known;
    }
    servers_ = std::move(wanted);
    const auto connections = connections_;
    for (const auto& [raw, connection] : connections)
        if (connection->server().is_gone) connection->finish();
    watch_all();
}

void HttpServer::finish(std::function<void()> done)
{
    watches_.clear();
    pause_.reset();
    servers_.clear();
    done_ = std::move(done);
    is_finishing_ = true;
    const auto connections = connections_;
    for (const auto& [raw, connection] : connections) connection->finish();
    if (connections_.empty())
        loop_.soon([this] {
            if (auto call = std::exchange(done_, nullptr)) call();
        });
}

void HttpServer::on_request(Connection& connection, Request request, Reply reply)
{
    on_request_(connection, std::move(request), std::move(reply));
}

void HttpServer::show_callers() const
{
    for (const auto& [raw, connection] : connections_)
        if (connection->server().is_unix) callers_.on_arrival(*connection);
}

void HttpServer::turn_away(std::int64_t number)
{
    for (const auto& [raw, connection] : connections_)
        if (connection->number() == number) return std::shared_ptr(connection)->refuse(403, "this server is not for you");
}

void HttpServer::on_closed(Connection& connection)
{
    if (connection.server().is_unix) callers_.on_end(connection);
    const auto count = per_source_.find(connection.peer().source);
    if (count != per_source_.end() && --count->second == 0) per_source_.erase(count);
    connections_.erase(&connection);
    if (watches_.empty() && !pause_ && !is_full()) watch_all();
    if (done_ && connections_.empty())
        loop_.soon([this] {
            if (auto call = std::exchange(done_, nullptr)) call();
        });
}

bool HttpServer::reserve(std::size_t bytes)
{
    if (bytes > settings_.max_memory - std::min(memory_, settings_.max_memory)) return false;
    memory_ += bytes;
    return true;
}

void HttpServer::watch_all()
{
    pause_.reset();
    watches_.clear();
    for (const auto& server : servers_)
        watches_.push_back(
            loop_.readable(server->socket.get(), "web server " + server->name, [this, server] { accept(server); }));
}

/// Nobody is accepted for a while; callers wait in the kernel's queue. Zero: until a connection ends.
void HttpServer::pause(Duration time)
{
    watches_.clear();
    if (time > Duration::zero()) pause_ = loop_.after(time, "pause of the web servers", [this] { watch_all(); });
}

void HttpServer::accept(const std::shared_ptr<Server>& server)
{
    for (int round = 0; round < kAcceptsPerWake; ++round) {
        if (is_full() && !oldest_idle(is_any)) return pause(Duration::zero());
        if (!accept_one(server)) return;
    }
}

bool HttpServer::accept_one(const std::shared_ptr<Server>& server)
{
    sys::UniqueFd socket(::accept4(server->socket.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (socket) {
        note_progress();
        if (server->is_tls && !server->tls) return true;  // closed: never without it
        if (is_full()) close_oldest_idle(is_any);
        admit(std::move(socket), server);
        return true;
    }
    switch (errno) {
        case EAGAIN: return false;
        case EINTR:
        case ECONNABORTED: return true;
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
            // The caller stays in the queue and keeps the socket readable: without a pause this would spin.
            close_oldest_idle(is_any);
            pause(settings_.accept_pause);
            return false;
        default:
            log::warn("web server {}: accept: {}", server->name, errno_text(errno));
            pause(settings_.accept_pause);
            return false;
    }
}

void HttpServer::admit(sys::UniqueFd socket, const std::shared_ptr<Server>& server)
{
    const int on = 1;
    if (!server->is_unix) ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    Peer peer = peer_of(socket.get());
    const bool too_many = !make_room(*server, peer);
    ++per_source_[peer.source];
    const auto connection = std::make_shared<Connection>(loop_, settings_, std::move(socket), server, std::move(peer),
                                                         static_cast<Connection::Owner&>(*this), ++last_number_);
    connections_.emplace(connection.get(), connection);
    if (server->is_unix) callers_.on_arrival(*connection);
    connection->start();
    if (too_many) connection->refuse(503, "too many connections from your address");
}

/// Rules H4 and C8: nobody has more than his share, and those who administer the daemon always find a place.
bool HttpServer::make_room(const Server& server, const Peer& peer)
{
    const auto is_his = [&](const Connection& connection) { return connection.peer().source == peer.source; };
    const auto own = [&] {
        const auto found = per_source_.find(peer.source);
        return found == per_source_.end() ? 0 : found->second;
    };
    const bool has_share = !server.is_unix || !peer.is_owner;
    // Each in turn: of those at an end, who were refused, there may be some beyond the limit.
    while (has_share && own() >= (server.is_unix ? settings_.max_per_user : settings_.max_per_address))
        if (!close_oldest_idle(is_his)) return false;
    const std::size_t places = settings_.max_local - (peer.is_owner ? 0 : settings_.owner_places);
    while (server.is_unix && count(&Connection::is_local) >= places)
        if (!close_oldest_idle(&Connection::is_local)) return false;
    return true;
}

/// Of those that may be meant. Null: every one is at work.
std::shared_ptr<Connection> HttpServer::oldest_idle(const Question& is_meant) const
{
    std::shared_ptr<Connection> oldest;
    for (const auto& [raw, connection] : connections_) {
        if (!connection->is_idle() || !is_meant(*connection)) continue;
        if (!oldest || connection->idle_since() < oldest->idle_since()) oldest = connection;
    }
    return oldest;
}

bool HttpServer::close_oldest_idle(const Question& is_meant)
{
    const auto oldest = oldest_idle(is_meant);
    if (oldest) oldest->close();
    return oldest != nullptr;
}

std::size_t HttpServer::count(bool (Connection::*question)() const) const
{
    std::size_t number = 0;
    for (const auto& [raw, connection] : connections_) number += ((*connection).*question)() ? 1 : 0;
    return number;
}

}  // namespace xsv::web
