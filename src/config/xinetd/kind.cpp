#include <algorithm>
#include <array>

#include "base/text.h"
#include "config/xinetd/draft.h"

/// What sort of service it is: on-demand.md 2.5 and 2.6.
namespace xsv::config::xinetd {
namespace {

constexpr std::array<std::string_view, 5> kTypes = {"rpc", "internal", "unlisted", "tcpmux", "tcpmuxplus"};
constexpr std::array<std::string_view, 12> kFlags = {"intercept", "noretry", "idonly", "nameinargs", "nodelay", "keepalive",
                                                     "nolibwrap", "sensor", "ipv4", "ipv6", "labeled", "reuse"};

template <std::size_t N>
void take_words(Draft& draft, const char* name, const std::array<std::string_view, N>& known, std::set<std::string, std::less<>>& into)
{
    const Attribute* const line = draft.find(name);
    if (line == nullptr) return;
    if (line->values.empty()) return draft.mistake(*line, "expected at least one word");
    for (const std::string& word : line->values) {
        std::string lower = text::lower(word);
        if (std::find(known.begin(), known.end(), lower) == known.end())
            draft.mistake(*line, fmt::format("'{}' is unknown: expected {}", text::escape_control(word), text::join(std::vector<std::string>(known.begin(), known.end()), ", ")));
        else
            into.insert(std::move(lower));
    }
}

/// What cannot be carried over (7.4).
void check_flags(Draft& draft)
{
    const Attribute* const line = draft.find("flags");
    if (line == nullptr) return;
    if (draft.has_flag("intercept") && draft.wait && !draft.is_internal())
        draft.mistake(*line, "INTERCEPT is not supported: nobody would check the callers of a running server");
    else if (draft.has_flag("intercept"))
        draft.warning(*line, "INTERCEPT is ignored, as by xinetd: it is for external servers with wait = yes");
    if (draft.has_flag("idonly")) draft.mistake(*line, "IDONLY is not supported: callers are not asked for their user (ident)");
    if (draft.has_flag("labeled")) draft.mistake(*line, "LABELED is not supported: the server would run without the caller's security label");
    if (draft.has_flag("reuse")) draft.warning(*line, "REUSE is ignored: addresses are always reused");
    if (draft.has_flag("noretry")) draft.warning(*line, "NORETRY is ignored: a caller waits until a process can be made");
    if (draft.has_flag("nameinargs") && (draft.is_internal() || draft.find("redirect") != nullptr))
        draft.mistake(*line, fmt::format("NAMEINARGS does not go with {}", draft.is_internal() ? "an INTERNAL service" : "redirect"));
    if (draft.has_flag("sensor") && draft.wait) draft.mistake(*line, "SENSOR needs wait = no");
}

void take_socket_type(Draft& draft)
{
    const Attribute* const type = draft.find("socket_type");
    const Attribute* const protocol = draft.find("protocol");
    if (protocol != nullptr) draft.protocol = text::lower(protocol->values[0]);
    if (type != nullptr) {
        draft.socket_type = text::lower(type->values[0]);
    } else if (draft.protocol == "tcp" || draft.protocol == "udp") {
        draft.socket_type = draft.protocol == "tcp" ? "stream" : "dgram";
    } else {
        draft.missing("socket_type", "missing");
        return;
    }
    if (draft.socket_type == "raw" || draft.socket_type == "seqpacket") {
        draft.mistake(*type, fmt::format("'{}' sockets are not supported", draft.socket_type));
        draft.socket_type.clear();
    } else if (draft.socket_type != "stream" && draft.socket_type != "dgram") {
        draft.mistake(*type, fmt::format("expected stream or dgram, got '{}'", text::escape_control(type->values[0])));
        draft.socket_type.clear();
    }
}

void take_protocol(Draft& draft)
{
    if (draft.socket_type.empty()) return draft.protocol.clear();
    const Attribute* const line = draft.find("protocol");
    if (line == nullptr) {
        draft.protocol = draft.is_stream() ? "tcp" : "udp";
        return;
    }
    const bool of_stream = draft.protocol == "tcp" || draft.protocol == "sctp" || draft.protocol == "mptcp";
    const bool of_datagram = draft.protocol == "udp" || draft.protocol == "udplite";
    if (of_stream || of_datagram) {
        if (of_stream != draft.is_stream()) draft.mistake(*line, fmt::format("'{}' has no {} sockets", draft.protocol, draft.socket_type));
        return;
    }
    const bool has_family = draft.protocol == "tcp6" || draft.protocol == "udp6" || draft.protocol == "tcp4" || draft.protocol == "udp4";
    draft.mistake(*line, fmt::format("expected tcp or udp, got '{}'{}", text::escape_control(line->values[0]), has_family ? "; the family is a flag: flags = IPv4, flags = IPv6" : ""));
    draft.protocol.clear();
}

void check_redirect(Draft& draft)
{
    const Attribute* const line = draft.find("redirect");
    if (line == nullptr) return;
    if (draft.wait) draft.mistake(*line, "needs wait = no");
    if (!draft.socket_type.empty() && !draft.is_stream()) draft.mistake(*line, "needs socket_type = stream");
    if (draft.is_internal()) draft.mistake(*line, "does not go with an INTERNAL service");
}

}  // namespace

void write_kind(Draft& draft)
{
    take_words(draft, "type", kTypes, draft.types);
    take_words(draft, "flags", kFlags, draft.flags);
    take_socket_type(draft);
    take_protocol(draft);
    const Attribute* const wait = draft.find("wait");
    if (wait == nullptr) draft.missing("wait", "missing");
    draft.wait = draft.flag("wait").value_or(false);
    check_flags(draft);
    check_redirect(draft);
    if (!draft.is_muxed()) return;
    const Attribute& type = *draft.find("type");
    if (!draft.is("unlisted")) draft.mistake(type, "TCPMUX needs UNLISTED beside it");
    if (draft.protocol != "tcp") draft.mistake(type, "TCPMUX needs protocol = tcp");
    if (draft.wait) draft.mistake(type, "TCPMUX needs wait = no");
}

}  // namespace xsv::config::xinetd
