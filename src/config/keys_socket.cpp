#include "base/text.h"
#include "config/directive.h"

/// [program:x]: the keys of programs that are started by their callers.
namespace xsv::config {
namespace {

using S = ServiceSpec;

constexpr std::string_view kAddresses = "addresses, prefixes, ranges, names of hosts, uid:, gid: or cid:, separated by commas";

constexpr Word<Activation> kActivations[] = {
    {"always", Activation::Always}, {"on_demand", Activation::OnDemand}, {"per_connection", Activation::PerConnection}};
constexpr Word<SocketPass> kPasses[] = {{"listen_fds", SocketPass::ListenFds},
                                        {"stdio", SocketPass::Stdio},
                                        {"stdio_all", SocketPass::StdioAll},
                                        {"stdin", SocketPass::Stdin}};
constexpr Word<Overload> kOverloads[] = {{"queue", Overload::Queue}, {"refuse", Overload::Refuse}};
constexpr Word<ConnectionLog> kLogs[] = {
    {"none", ConnectionLog::None}, {"end", ConnectionLog::End}, {"both", ConnectionLog::Both}};
constexpr Word<sys::AccessOrder> kOrders[] = {{"most_specific", sys::AccessOrder::MostSpecific}, {"deny_first", sys::AccessOrder::DenyFirst}};
constexpr Word<AcceptIn> kAccepts[] = {
    {"auto", AcceptIn::Auto}, {"child", AcceptIn::Child}, {"engine", AcceptIn::Engine}};

Status set_sockets(S& spec, const std::string& text, const Setting&)
{
    spec.sockets.endpoints.clear();
    for (const std::string& item : parse_list(text)) {
        auto endpoint = sys::Endpoint::parse(item, true);  // port 0 is for rpc, complete.cpp has the word
        if (!endpoint) return tl::unexpected<Error>(std::move(endpoint).error());
        for (const sys::Endpoint& before : spec.sockets.endpoints)
            if (before.text() == endpoint->text()) return fail("'{}' is listed twice", item);
        spec.sockets.endpoints.push_back(*std::move(endpoint));
    }
    if (spec.sockets.endpoints.empty())
        return fail("expected at least one endpoint such as tcp:8080 or unix:/run/x.sock");
    return {};
}

/// "tcp://web.example:9000" with the host's address, as Supervisor looks it up; what is no name stays as it is.
Result<std::string> with_address(const std::string& text, const Surroundings& surroundings)
{
    constexpr std::string_view kTcp = "tcp://";
    const auto colon = text.rfind(':');
    if (!text.starts_with(kTcp) || colon <= kTcp.size()) return text;
    const std::string host = text.substr(kTcp.size(), colon - kTcp.size());
    const bool is_name = host != "localhost" && host.find_first_of("[]:*%/") == std::string::npos &&
                         host.find_first_not_of("0123456789.") != std::string::npos;
    if (!is_name) return text;
    auto address = surroundings.address(host);
    if (!address) return tl::unexpected<Error>(std::move(address).error());
    return fmt::format("{}{}{}", kTcp, *address, text.substr(colon));
}

/// [fcgi-program:x] has one, in Supervisor's spelling.
Status set_fcgi_socket(S& spec, const std::string& text, const Setting& setting)
{
    constexpr std::string_view kUnix = "unix://", kTcp = "tcp://";
    spec.sockets.endpoints.clear();
    if (!text.starts_with(kUnix) && !text.starts_with(kTcp)) return fail("Bad socket format {}", text);
    if (text.starts_with(kUnix) && text.substr(kUnix.size(), 1) != "/")
        return fail("Unix socket path {} is not an absolute path", text.substr(kUnix.size()));
    const auto numeric = with_address(text, setting.surroundings);
    if (!numeric) return fail("Bad socket format {}: {}", text, numeric.error().message);
    auto endpoint = sys::Endpoint::parse(*numeric);
    if (!endpoint) return fail("Bad socket format {}", endpoint.error().message);
    spec.sockets.endpoints.push_back(*std::move(endpoint));
    return {};
}

/// "nodelay, admin:mode=0600": a name of a socket before a word makes it count for that one alone.
Status set_options(S& spec, const std::string& text, const Setting&)
{
    spec.sockets.own_options.clear();
    std::string common;
    for (const std::string& word : text::words(text::replace_all(text, ",", " "))) {
        const auto colon = word.substr(0, word.find('=')).rfind(':');
        if (colon == std::string::npos) {
            common += word + " ";
            continue;
        }
        sys::SocketOptions ignored;
        const std::string own = word.substr(colon + 1);
        if (auto known = sys::parse_socket_options(own, ignored); !known || own.empty()) return known ? fail("expected NAME:word, got '{}'", word) : known;
        spec.sockets.own_options.emplace_back(word.substr(0, colon), own);
    }
    return sys::parse_socket_options(common, spec.sockets.options.change());
}

Status set_mode(S& spec, const std::string& text, const Setting&)
{
    const auto mode = parse_octal(text);
    if (!mode) return fail("Invalid socket_mode value {}", text);
    spec.sockets.options.change().mode = *mode;
    return {};
}

Status set_owner(S& spec, const std::string& text, const Setting& setting)
{
    const auto owner = parse_owner(text, setting.surroundings);
    if (!owner) return fail("Invalid socket_owner value {}: {}", text, owner.error().message);
    spec.sockets.options.change().owner = owner->uid;
    spec.sockets.options.change().group = owner->gid;
    return {};
}

Status set_backlog(S& spec, const std::string& text, const Setting&)
{
    const auto backlog = parse_integer(text);
    if (!backlog || *backlog < 1 || *backlog > 65535) return fail("Invalid socket_backlog value {}", text);
    spec.sockets.options.change().backlog = static_cast<int>(*backlog);
    return {};
}

/// A host's name is looked up here, once: the forwarder never waits for an answer of that kind.
Result<sys::Endpoint> parse_target(const std::string& text, const Surroundings& surroundings)
{
    auto endpoint = sys::Endpoint::parse(text);
    const auto first = text.find(':'), last = text.rfind(':');
    if (endpoint || first == last || (!text.starts_with("tcp") && !text.starts_with("udp"))) return endpoint;
    const std::string host = text.substr(first + 1, last - first - 1);
    if (host.empty() || host.find_first_not_of("0123456789.") == std::string::npos || host.find_first_of("[]:*%/") != std::string::npos) return endpoint;
    const auto address = surroundings.address(host);
    if (!address) return tl::unexpected<Error>(address.error());
    return sys::Endpoint::parse(text.substr(0, first + 1) + *address + text.substr(last));
}

Status set_proxy_to(S& spec, const std::string& text, const Setting& setting)
{
    const auto endpoint = parse_target(std::string(text::trim(text)), setting.surroundings);
    if (!endpoint) return tl::unexpected<Error>(endpoint.error());
    const bool is_unix = endpoint->family == sys::Family::Unix;
    const std::string kind = endpoint->text().substr(0, 3);
    if ((kind != "tcp" && kind != "udp" && kind != "uni") || (is_unix && endpoint->type != sys::SocketType::Stream))
        return fail("expected tcp:, udp: or unix:, got '{}'", text);
    if (!is_unix && endpoint->port == 0) return fail("'{}' needs a port", text);
    spec.proxy.emplace().target = endpoint->text();
    return {};
}

constexpr Word<Proxy::Protocol> kProtocols[] = {{"v1", Proxy::Protocol::V1}, {"v2", Proxy::Protocol::V2}};

Status set_proxy_protocol(S& spec, const std::string& text, const Setting&)
{
    const auto protocol = parse_word(kProtocols, text);
    if (!protocol) return tl::unexpected<Error>(protocol.error());
    if (!spec.proxy) return fail("needs 'proxy_to' beside it");
    spec.proxy->protocol = *protocol;
    return {};
}

template <auto List>
Status set_rules(S& spec, const std::string& text, const Setting& setting)
{
    // Who is denied must be known.
    constexpr bool kIsAllow = List == &Policy::allow;
    auto rules = parse_address_rules(text, setting.surroundings.addresses, kIsAllow ? &setting.warnings : nullptr);
    if (!rules) return tl::unexpected<Error>(std::move(rules).error());
    spec.policy.change().*List = *std::move(rules);
    return {};
}

// activation and socket_pass have defaults that depend on other keys: program.cpp.
constexpr Directive<S> kSocketKeys[] = {
    {"socket", set_sockets, "endpoints such as tcp:8080, unix:/run/x.sock, udp:69", "",
     "where callers come to; comma or line separated, each optionally name=endpoint"},
    {"socket_options", set_options, "words such as nodelay, keepalive=60/10/5, reuseport", "",
     "how the sockets are opened"},
    {"socket_mode", set_mode, "an octal number such as 0700", "0700", "mode of a unix socket"},
    {"socket_owner", set_owner, "user or user:group", "the program's user", "owner of a unix socket"},
    {"socket_backlog", set_backlog, "a number from 1 to 65535", "the kernel's maximum; with max_rate 4 seconds of it", "callers that may queue"},
    {"rpc", set_by<parse_rpc, &S::sockets, &Sockets::rpc>, "an RPC program's name or number and its versions, such as rstatd/1-3", "",
     "register the sockets with rpcbind; their port may be 0 then, which is any free one"},
    {"activation", set_word<kActivations, &S::exec, &Exec::activation>, "always, on_demand or per_connection",
     "on_demand with socket, else always", "when the program runs"},
    {"socket_pass", set_word<kPasses, &S::exec, &Exec::socket_pass>, "listen_fds, stdio, stdio_all or stdin",
     "stdio for per_connection, else listen_fds", "how the program gets the sockets"},
    {"accept", set_word<kAccepts, &S::policy, &Policy::accept>, "auto, child or engine", "auto",
     "who accepts a connection"},
    {"idle_timeout", set<&S::policy, &Policy::idle_time>, form::kTime, "never",
     "stop after this time without a connection"},
    {"flush_pending", set<&S::policy, &Policy::flush_pending>, form::kYesNo, "no",
     "drop what queued while the program ran"},
    {"max_instances", set_at_least<0, &S::policy, &Policy::max_instances>, form::kNumber, "64",
     "connections served at once; 0: as many as max_connections of [supervisord]"},
    {"max_per_source", set_at_least<0, &S::policy, &Policy::max_per_source>, form::kNumber, "0",
     "connections at once from one address, /64 or user; 0: no limit"},
    {"max_rate", set_by<parse_rate, &S::policy, &Policy::max_rate>,
     "NUMBER/TIME such as 50/1s, optionally 'per source'", "", "connections in a time; more of them wait"},
    {"overload", set_word<kOverloads, &S::policy, &Policy::overload>, "queue or refuse", "queue",
     "what callers beyond max_instances meet"},
    {"allow_from", set_rules<&Policy::allow>, kAddresses, "everybody",
     "who may connect; where the program accepts its callers itself, the kernel drops the others' packets"},
    {"deny_from", set_rules<&Policy::deny>, kAddresses, "nobody", "who may not connect"},
    {"access_order", set_word<kOrders, &S::policy, &Policy::access_order>, "most_specific or deny_first", "most_specific",
     "which of several rules decides; at equal length the denial does"},
    {"access_hours", set_by<parse_hours, &S::policy, &Policy::access_hours>, "hours such as 'Mon-Fri 09:00-17:00'",
     "always", "when callers are let in"},
    {"max_load", set<&S::policy, &Policy::max_load>, "a number such as 2.5", "0",
     "pause while the load average is above; 0: no limit"},
    {"greeting", set_paths<&S::policy, &Policy::greeting>, "paths", "", "files sent to callers that are let in"},
    {"refusal", set_paths<&S::policy, &Policy::refusal>, "paths", "", "files sent to callers that are refused"},
    {"connection_log", set_word<kLogs, &S::policy, &Policy::connection_log>, "none, end or both", "end",
     "log lines for each connection"},
    {"proxy_to", set_proxy_to, "an endpoint such as tcp:127.0.0.1:8080, unix:/run/x.sock, udp:10.0.0.1:53", "",
     "where callers are forwarded to; the program is started for them and gets no socket"},
    {"proxy_protocol", set_proxy_protocol, "v1 or v2", "", "tell the target with PROXY protocol who the caller is"},
};

constexpr Directive<S> kFcgiKeys[] = {
    {"socket", set_fcgi_socket, "tcp://HOST:PORT or unix:///PATH", "", "the socket that every process gets as stdin",
     Scope::Program},
    {"socket_mode", set_mode, "an octal number such as 0700", "0700", "mode of a unix socket", Scope::Plain},
    {"socket_owner", set_owner, "user or user:group", "the program's user", "owner of a unix socket", Scope::Plain},
    {"socket_backlog", set_backlog, "a number from 1 to 65535", "the kernel's maximum", "callers that may queue",
     Scope::Plain},
};

}  // namespace

Shared<sys::SocketOptions> Sockets::options_of(const sys::Endpoint& endpoint) const
{
    Shared<sys::SocketOptions> own = options;
    for (const auto& [name, word] : own_options)
        if (name == endpoint.name) (void)sys::parse_socket_options(word, own.change());   // checked when it was read
    return own;
}

std::span<const Directive<ServiceSpec>> socket_keys()
{
    return kSocketKeys;
}

std::span<const Directive<ServiceSpec>> fcgi_keys()
{
    return kFcgiKeys;
}

}  // namespace xsv::config
