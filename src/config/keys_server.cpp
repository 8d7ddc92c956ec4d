#include "base/text.h"
#include "config/directive.h"

/// [unix_http_server], [inet_http_server].
namespace xsv::config {
namespace {

Status set_mode(ServerSpec& server, const std::string& text, const Setting&)
{
    const auto mode = parse_octal(text);
    if (!mode) return fail("Invalid chmod value {}", text);
    server.mode = *mode;
    return {};
}

Status set_owner(ServerSpec& server, const std::string& text, const Setting& setting)
{
    const auto owner = parse_owner(text, setting.surroundings);
    if (!owner) return fail("Invalid sockchown value {}: {}", text, owner.error().message);
    server.owner = owner->uid;
    server.group = owner->gid;
    return {};
}

Status set_port(ServerSpec& server, const std::string& text, const Setting&)
{
    const auto colon = text.rfind(':');
    const std::string port = colon == std::string::npos ? text : text.substr(colon + 1);
    std::string host = colon == std::string::npos ? "" : text::lower(text.substr(0, colon));
    if (colon != std::string::npos && port.empty()) return fail("no port number specified in ''");
    const auto number = parse_integer(port);
    const bool fits = number && *number >= 1 && *number <= 65535;
    if (!fits && colon == std::string::npos) return fail("not a valid port number: {} ", text::repr(port));
    if (!number) return tl::unexpected<Error>(number.error());
    if (*number < 1) return fail("{} is below lower bound (1)", *number);
    if (*number > 65535) return fail("{} is above upper bound (65535)", *number);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    server.host = host == "*" ? "" : host;
    server.port = static_cast<std::uint16_t>(*number);
    return {};
}

constexpr Word<Role> kRoles[] = {{"viewer", Role::Viewer}, {"operator", Role::Operator}, {"admin", Role::Admin}};

/// "alice:operator", "@staff:viewer", "*:viewer"
Result<PeerRole> parse_peer(const std::string& text, const Surroundings& surroundings)
{
    const auto colon = text.rfind(':');
    if (colon == std::string::npos) return fail("expected NAME:ROLE, @GROUP:ROLE or *:ROLE, got '{}'", text);
    const auto role = parse_word(kRoles, text.substr(colon + 1));
    if (!role) return tl::unexpected<Error>(role.error());
    const std::string name = text.substr(0, colon);
    PeerRole peer;
    peer.role = *role;
    if (name == "*") return peer;
    if (name.starts_with('@')) {
        const auto group = surroundings.group(name.substr(1));
        if (!group) return tl::unexpected<Error>(group.error());
        peer.gid = *group;
        return peer;
    }
    const auto user = surroundings.user(name);
    if (!user) return tl::unexpected<Error>(user.error());
    peer.uid = user->uid;
    return peer;
}

Status set_peers(ServerSpec& server, const std::string& text, const Setting& setting)
{
    server.peers.clear();
    for (const std::string& item : parse_list(text)) {
        auto peer = parse_peer(item, setting.surroundings);
        if (!peer) return tl::unexpected<Error>(std::move(peer).error());
        server.peers.push_back(*peer);
    }
    return {};
}

constexpr Directive<ServerSpec> kUnixKeys[] = {
    {"file", set_path<&ServerSpec::path>, "a path", "", "where the socket lies; required"},
    {"chmod", set_mode, "an octal number such as 0700", "0700", "mode of the socket"},
    {"chown", set_owner, "user or user:group", "unchanged", "owner of the socket"},
    {"username", set<&ServerSpec::username>, "text", "", "name clients log in with"},
    {"password", set<&ServerSpec::password>, "text, {SHA} and a SHA-1, or a crypt(3) hash", "",
     "password clients log in with"},
    {"role", set_word<kRoles, &ServerSpec::role>, "viewer, operator or admin", "admin",
     "the most that anybody may do here: read states and logs; start, stop, signal programs and clear logs, too; everything"},
    {"peers", set_peers, "a list of NAME:ROLE, @GROUP:ROLE and *:ROLE", "whoever can connect has the server's role",
     "what each user may do here, by whom the kernel says he is; others may do nothing, root everything"},
};

constexpr Directive<ServerSpec> kInetKeys[] = {
    {"port", set_port, "PORT or HOST:PORT", "", "where to listen; required"},
    {"username", set<&ServerSpec::username>, "text", "", "name clients log in with"},
    {"password", set<&ServerSpec::password>, "text, {SHA} and a SHA-1, or a crypt(3) hash", "",
     "password clients log in with"},
    {"allow_unauthenticated", set<&ServerSpec::allow_unauthenticated>, "yes or no", "no",
     "serve other hosts without a password"},
    {"certificate", set_path<&ServerSpec::certificate>, "a PEM file", "",
     "the server speaks TLS (1.2 or later) with this certificate, behind which its chain may stand"},
    {"certificate_key", set_path<&ServerSpec::certificate_key>, "a PEM file that others cannot read", "the certificate's file",
     "the certificate's key, without a password"},
    {"client_certificates", set_path<&ServerSpec::client_certificates>, "a PEM file", "",
     "only clients with a certificate from one of these authorities are let in"},
    {"role", set_word<kRoles, &ServerSpec::role>, "viewer, operator or admin", "admin",
     "the most that anybody may do here: read states and logs; start, stop, signal programs and clear logs, too; everything"},
};

}  // namespace

Result<Owner> parse_owner(const std::string& text, const Surroundings& surroundings)
{
    const auto colon = text.find(':');
    const auto user = surroundings.user(text.substr(0, colon));
    if (!user) return tl::unexpected<Error>(user.error());
    Owner owner{user->uid, std::nullopt};
    if (colon == std::string::npos) return owner;
    const auto group = surroundings.group(text.substr(colon + 1));
    if (!group) return tl::unexpected<Error>(group.error());
    owner.gid = *group;
    return owner;
}

std::span<const Directive<ServerSpec>> unix_server_keys()
{
    return kUnixKeys;
}
std::span<const Directive<ServerSpec>> inet_server_keys()
{
    return kInetKeys;
}

}  // namespace xsv::config
