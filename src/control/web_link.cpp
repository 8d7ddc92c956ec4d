#include "control/web_link.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "base/time.h"
#include "sys/files.h"
#include "wire/tls.h"

namespace xsv::control {

using wire::Value;

namespace {

constexpr std::size_t kMaxCallers = 512;
constexpr std::size_t kMaxTlsFile = 256 << 10;
constexpr Duration kSweepTime = std::chrono::seconds(10);

sys::Endpoint endpoint_of(const config::ServerSpec& spec)
{
    sys::Endpoint endpoint;
    if (spec.kind == config::ServerSpec::Kind::Unix) {
        endpoint.family = sys::Family::Unix;
        endpoint.path = spec.path;
    } else {
        endpoint.family = spec.host.find(':') != std::string::npos ? sys::Family::Inet6 : sys::Family::Inet4;
        endpoint.host = spec.host == "localhost" ? "127.0.0.1" : spec.host;
        endpoint.port = spec.port;
    }
    return endpoint;
}

sys::SocketOptions options_of(const config::ServerSpec& spec)
{
    sys::SocketOptions options;
    options.backlog = 1024;
    options.mode = spec.mode;
    options.owner = spec.owner;
    options.group = spec.group;
    options.nodelay = spec.kind == config::ServerSpec::Kind::Inet;  // accepted ones inherit it: answers are not held back
    return options;
}

// Supervisor's lines. What comes from outside stays within its line (rule L8): a request must not be able to write another.

void log_outcome(std::string_view call, const Outcome& outcome)
{
    if (outcome) return log::trace("{}() returned successfully", call);
    log::trace("{}() returned fault: [{}] {}", call, outcome.error().code, text::escape_control(outcome.error().text));
}

void log_answer(const Value& message)
{
    const std::string peer = text::escape_control(message.text("peer"));
    const std::size_t host = std::min(peer.rfind(':'), peer.size());   // first: lines are limited per host
    log::trace("{}{} - - [{}] \"{}\" {} {}", peer.substr(0, host), peer.substr(host), local_time(wall_seconds(), "%d/%b/%Y:%H:%M:%S %z"),
               text::escape_control(message.text("request")), message.number("status"), message.number("bytes"));
}

void log_unreadable(const Value& message)
{
    constexpr std::string_view format = "XML-RPC request data {} is invalid: {}";
    log::write_limited(log::Level::error, format, {},   // whatever the data: each would be an origin of its own
                       fmt::format(format, text::repr(message.text("data")), text::escape_control(message.text("reason"))));
}

}  // namespace

/// The web process has no files; and they are read before it could be taken for somebody who may read them.
Result<WebLink::Tls> WebLink::read_tls(const config::ServerSpec& spec)
{
    Tls tls;
    if (spec.certificate.empty()) return tls;
    const std::pair<const std::string&, std::string&> files[] = {
        {spec.certificate, tls.certificate}, {spec.certificate_key, tls.key}, {spec.client_certificates, tls.authorities}};
    for (const auto& [path, text] : files) {
        if (path.empty()) continue;
        auto read = sys::read_config_file(path, ::geteuid() == 0, kMaxTlsFile);
        if (!read) return tl::unexpected(std::move(read).error());
        text = *std::move(read);
    }
    struct stat info {};
    if (::stat(spec.certificate_key.c_str(), &info) != 0) return fail_errno(spec.certificate_key, errno);
    if ((info.st_mode & 077) != 0) return fail("{}: others than its owner can read the key; chmod 600", spec.certificate_key);
    return tls;
}

std::vector<std::string> WebLink::variables() const
{
    const bool has_tls = std::any_of(servers_.begin(), servers_.end(), [](const Server& server) { return !server.spec.certificate.empty(); });
    return has_tls ? std::vector{fmt::format("{}=1", wire::kTlsVariable)} : std::vector<std::string>();
}

Result<std::function<void()>> WebLink::prepare(const std::vector<config::ServerSpec>& servers, bool is_recovery)
{
    auto next = std::make_shared<std::vector<Server>>();
    std::vector<Server>& opened = *next;
    for (const config::ServerSpec& spec : servers) {
        auto socket = context_.socket_table.take_hold(endpoint_of(spec), options_of(spec));
        if (!socket) return wrap(socket, "[" + spec.section + "]");
        if (auto set = context_.sockets.set_nonblocking((*socket)->fd.get(), true); !set)
            return tl::unexpected(std::move(set).error());
        auto tls = read_tls(spec);
        if (!tls && !is_recovery) return wrap(tls, "[" + spec.section + "]");
        if (!tls) log::error("[{}] answers nobody before the next reload: {}", spec.section, tls.error().message);
        opened.push_back({spec, std::move(*socket), tls ? *std::move(tls) : Tls{}});
    }
    return [this, next] {
        const bool same = std::equal(servers_.begin(), servers_.end(), next->begin(), next->end(),
                                     [](const Server& a, const Server& b) { return a.spec == b.spec && a.tls == b.tls; });
        servers_ = std::move(*next);
        if (!same) send_servers();
    };
}

void WebLink::serve_tcp()
{
    only_unix_ = false;
    send_servers();
}

void WebLink::greet()
{
    callers_.clear();   // a new process knows none of them, and one we have found shows them to us
    helper_->send(Value::Struct{{"type", "hello"}, {"generation", std::int64_t{::getpid()}}, {"traces", log::enabled(log::Level::trace)}});
    send_servers();
}

void WebLink::send_servers()
{
    if (helper_ == nullptr) return;
    for (std::size_t i = 0; i < servers_.size(); ++i) {
        const auto& [spec, socket, tls] = servers_[i];
        const bool is_unix = spec.kind == config::ServerSpec::Kind::Unix;
        if (only_unix_ && !is_unix) continue;
        const std::string address = is_unix ? spec.path : fmt::format("{}:{}", spec.host, spec.port);
        helper_->send_copy_of(Value::Struct{{"type", "server"}, {"index", static_cast<std::int64_t>(i)}, {"name", spec.section},
                                            {"kind", is_unix ? "unix" : "inet"}, {"address", address}, {"username", spec.username},
                                            {"password", spec.password}, {"tls", !spec.certificate.empty()}, {"certificate", tls.certificate},
                                            {"key", tls.key}, {"authorities", tls.authorities}},
                              socket->fd.get());
    }
    helper_->send(Value::Struct{{"type", "ready"}});
}

void WebLink::on_message(const Value& message, sys::UniqueFd fd)
{
    const std::string type = message.text("type");
    if (type == "caller") meet(message, std::move(fd));
    if (type == "left") callers_.erase(message.number("connection"));
    if (type == "call") call(message);
    if (type == "follow") follow(message);
    if (type == "answered") log_answer(message);
    if (type == "unreadable") log_unreadable(message);
}

void WebLink::meet(const Value& message, sys::UniqueFd connection)
{
    const std::int64_t number = message.number("connection");
    auto caller = identify(std::move(connection));
    const config::ServerSpec* server = caller ? server_at(caller->address) : nullptr;
    if (server == nullptr || callers_.size() >= kMaxCallers || !role_of(*caller, *server)) {
        log::warn("a client was turned away: {}", caller ? caller->text + " has no role here" : caller.error().message);
        helper_->send(Value::Struct{{"type", "unwanted"}, {"connection", number}});
        return;
    }
    callers_.insert_or_assign(number, *std::move(caller));
    if (!sweep_) sweep_ = context_.loop.every(kSweepTime, "callers who left", [this] { forget_those_who_left(); });
}

/// The web process says so when a connection has ended; but if it has been taken over, it need not.
void WebLink::forget_those_who_left()
{
    std::erase_if(callers_, [](const auto& entry) { return entry.second.has_left(); });
    if (callers_.empty()) sweep_.reset();
}

/// The unix server with this address, as the kernel writes it.
const config::ServerSpec* WebLink::server_at(const std::string& address) const
{
    for (const Server& server : servers_)
        if (server.spec.kind == config::ServerSpec::Kind::Unix && bound_address(server.socket->fd.get()) == address) return &server.spec;
    return nullptr;
}

/// Whose call it is and what he may do; nullopt: nobody's that we know.
std::optional<WebLink::Standing> WebLink::standing_of(const Value& message) const
{
    const std::string user = message.text("user");
    if (const Value* number = message.find("connection"); number != nullptr && number->integer() != nullptr) {
        const auto caller = callers_.find(*number->integer());
        const config::ServerSpec* server = caller != callers_.end() ? server_at(caller->second.address) : nullptr;
        const auto role = server != nullptr ? role_of(caller->second, *server) : std::nullopt;
        if (!role) return std::nullopt;
        return Standing{caller->second.text + (user.empty() ? "" : " as " + text::escape_control(user)), *role};
    }
    const auto index = static_cast<std::uint64_t>(message.number("server", -1));
    if (index >= servers_.size() || servers_[index].spec.kind != config::ServerSpec::Kind::Inet) return std::nullopt;
    return Standing{text::escape_control((user.empty() ? "somebody" : user) + " at " + message.text("peer")), servers_[index].spec.role};
}

/// A web process that serves unix servers and shows nobody is one that an upgrade has left. The next one is ours.
void WebLink::retire_former_version(const Value& message)
{
    const auto index = static_cast<std::uint64_t>(message.number("server", -1));
    if (message.find("connection") != nullptr || index >= servers_.size() || servers_[index].spec.kind != config::ServerSpec::Kind::Unix) return;
    log::info("the web process is of a former version; another one takes over");
    helper_->send(Value::Struct{{"type", "shutdown"}});
}

void WebLink::refuse(std::int64_t id, std::string_view text)
{
    helper_->send(Value::Struct{{"type", "fault"}, {"id", id}, {"code", static_cast<int>(FaultCode::Failed)}, {"text", text}});
}

void WebLink::call(const Value& message)
{
    const Value* params = message.find("params");
    const std::int64_t id = message.number("id");
    auto standing = standing_of(message);
    if (!standing) {
        refuse(id, "FAILED: nobody we know calls");
        return retire_former_version(message);
    }
    Request request{message.text("method"), params != nullptr && params->array() != nullptr ? *params->array() : Value::Array{},
                    std::move(standing->text), standing->role};
    // Pages call methods silently, as Supervisor's do.
    std::string call;
    if (const std::string protocol = message.text("rpc"); !protocol.empty() && log::enabled(log::Level::trace)) {
        const std::string method = text::escape_control(request.method);
        constexpr std::string_view format = "{} method called: {}()";
        log::write_limited(log::Level::trace, format, method, fmt::format(format, protocol, method));   // not all calls are one origin
        call = protocol + " method " + method;
    }
    control_.call(request, [this, id, call](const Outcome& outcome) {
        if (!call.empty()) log_outcome(call, outcome);
        wire::Encoder out;
        if (outcome) {
            out.begin_struct(3);
            out.key("type"), out.string("reply");
            out.key("id"), out.integer(id);
            out.key("result"), out.string(*outcome);
        } else {
            out.begin_struct(4);
            out.key("type"), out.string("fault");
            out.key("id"), out.integer(id);
            out.key("code"), out.integer(outcome.error().code);
            out.key("text"), out.string(outcome.error().text);
        }
        if (helper_->send_encoded(out.take())) return;
        log::warn("an answer was dropped: the web process does not read");
        refuse(id, "FAILED: too many answers wait to be sent");
    });
}

void WebLink::follow(const Value& message)
{
    const std::int64_t id = message.number("id");
    if (!standing_of(message)) {
        helper_->send(Value::Struct{{"type", "follow"}, {"id", id}, {"status", 403}});
        return;
    }
    const auto file = control_.log_behind(message.text("path"));
    int ends[2];
    if (!file || ::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        helper_->send(Value::Struct{{"type", "follow"}, {"id", id}, {"status", file ? 500 : 404}});
        return;
    }
    sys::UniqueFd reader(ends[0]), writer(ends[1]);
    scribe_.follow(*file, std::move(writer));
    struct stat info {};
    const std::int64_t modified = ::stat(file->c_str(), &info) == 0 ? std::int64_t{info.st_mtime} : wall_seconds();
    helper_->send(Value::Struct{{"type", "follow"}, {"id", id}, {"status", 200}, {"modified", modified}}, std::move(reader));
}

}  // namespace xsv::control
