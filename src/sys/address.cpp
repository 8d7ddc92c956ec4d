#include "sys/address.h"

#include <algorithm>
#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/text.h"
#include "sys/files.h"

namespace xsv::sys {
namespace {

using Bytes = std::array<std::uint8_t, 16>;
constexpr Bytes kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr Bytes kLoopback6{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
constexpr int kUidSpecificity = 128, kGidSpecificity = 127;  // one user is narrower than a group

struct Parsed {
    Bytes bytes{};
    std::uint8_t family = 0;
};

std::optional<Parsed> parse_address(std::string_view text)
{
    const std::string terminated(text);
    Parsed parsed;
    if (in_addr four{}; ::inet_pton(AF_INET, terminated.c_str(), &four) == 1) {
        parsed.bytes = kMappedPrefix;
        std::memcpy(parsed.bytes.data() + 12, &four, 4);
        parsed.family = 4;
        return parsed;
    }
    if (in6_addr six{}; ::inet_pton(AF_INET6, terminated.c_str(), &six) == 1) {
        std::memcpy(parsed.bytes.data(), &six, 16);
        parsed.family = IN6_IS_ADDR_V4MAPPED(&six) ? 4 : 6;
        return parsed;
    }
    return std::nullopt;
}

int common_prefix(const Bytes& a, const Bytes& b)
{
    int bits = 0;
    for (std::size_t i = 0; i < a.size(); ++i, bits += 8) {
        if (const unsigned difference = a[i] ^ b[i]) return bits + __builtin_clz(difference) - 24;
    }
    return bits;
}

/// The specificity of the match, or -1.
int match(const Peer& peer, const AddressRule& rule) noexcept
{
    if (rule.kind == AddressRule::Uid) return peer.kind == Peer::Unix && peer.uid == rule.id ? kUidSpecificity : -1;
    if (rule.kind == AddressRule::Gid) return peer.kind == Peer::Unix && peer.gid == rule.id ? kGidSpecificity : -1;
    if (rule.kind == AddressRule::Cid) return peer.kind == Peer::Vsock && peer.uid == rule.id ? kUidSpecificity : -1;
    if (rule.kind == AddressRule::All) return 0;
    if (peer.kind != Peer::Inet) return -1;
    if (rule.kind == AddressRule::Loopback) {
        if (peer.mapped) return peer.address[12] == 127 ? 96 + 8 : -1;
        return std::memcmp(peer.address.data(), kLoopback6.data(), 16) == 0 ? 128 : -1;
    }
    if ((rule.family == 4) != (peer.mapped != 0)) return -1;
    const bool inside = std::memcmp(rule.first.data(), peer.address.data(), 16) <= 0 &&
                        std::memcmp(peer.address.data(), rule.last.data(), 16) <= 0;
    return inside ? rule.prefix : -1;
}

int best_match(const Peer& peer, std::span<const AddressRule> rules) noexcept
{
    int best = -1;
    for (const AddressRule& rule : rules) best = std::max(best, match(peer, rule));
    return best;
}

std::string text_of(const Peer& peer)
{
    std::array<char, INET6_ADDRSTRLEN> buffer{};
    if (peer.mapped) return ::inet_ntop(AF_INET, peer.address.data() + 12, buffer.data(), buffer.size());
    return ::inet_ntop(AF_INET6, peer.address.data(), buffer.data(), buffer.size());
}

Result<AddressRule> parse_prefix(AddressRule rule, const Parsed& address, std::string_view digits)
{
    const int width = address.family == 4 && rule.text.find(':') == std::string::npos ? 32 : 128;
    const auto length = text::to_int(digits);
    if (!length || *length < 0 || *length > width || digits.front() == '+') {
        return fail("'{}': expected a prefix length from 0 to {}, got '{}'", rule.text, width, digits);
    }
    rule.prefix = static_cast<std::uint8_t>(128 - width + *length);
    rule.family = width == 32 || rule.prefix >= 96 ? address.family : std::uint8_t{6};
    rule.first = rule.last = address.bytes;
    for (int bit = rule.prefix; bit < 128; ++bit) {
        const auto mask = static_cast<std::uint8_t>(0x80 >> (bit % 8));
        rule.first[static_cast<std::size_t>(bit / 8)] &= static_cast<std::uint8_t>(~mask);
        rule.last[static_cast<std::size_t>(bit / 8)] |= mask;
    }
    return rule;
}

/// "uid:git", "gid:50". A number needs no account here: callers from elsewhere have ids nobody on this machine has.
Result<AddressRule> parse_id(AddressRule rule, std::string_view word)
{
    const bool is_user = word.starts_with("uid:");
    const std::string name(word.substr(4));
    rule.kind = is_user ? AddressRule::Uid : AddressRule::Gid;
    if (const auto number = text::to_int(name)) {
        if (*number < 0 || *number >= UINT32_MAX) return fail("'{}': expected a {} name or number", word, is_user ? "user" : "group");
        rule.id = static_cast<std::uint32_t>(*number);
        return rule;
    }
    auto id = is_user ? find_user(name).map([](const User& user) { return user.uid; }) : find_group(name);
    if (!id) return wrap(id, fmt::format("'{}'", word));
    rule.id = *id;
    return rule;
}

Result<AddressRule> parse_range(AddressRule rule, std::string_view from, std::string_view to)
{
    const auto first = parse_address(text::trim(from)), last = parse_address(text::trim(to));
    if (!first || !last || first->family != last->family) {
        return fail("'{}': expected two addresses of one family, as in 10.0.0.1-10.0.0.9", rule.text);
    }
    if (last->bytes < first->bytes) return fail("'{}': the range ends before it begins", rule.text);
    rule.first = first->bytes;
    rule.last = last->bytes;
    rule.family = first->family;
    rule.prefix = static_cast<std::uint8_t>(common_prefix(rule.first, rule.last));
    return rule;
}

}  // namespace

std::string Peer::host() const
{
    if (kind == Inet) return text_of(*this);
    if (kind == Vsock) return fmt::format("vsock:{}", uid);
    return kind == Unix ? fmt::format("uid {}", uid) : std::string();
}

std::string Peer::text() const
{
    if (kind == Inet && mapped) return fmt::format("{}:{}", text_of(*this), port);
    if (kind == Inet) return fmt::format("[{}]:{}", text_of(*this), port);
    if (kind == Vsock) return fmt::format("vsock:{}:{}", uid, gid);
    return kind == Unix ? fmt::format("uid {} pid {}", uid, pid) : std::string();
}

bool Peer::same_source(const Peer& other) const noexcept
{
    if (kind != other.kind) return false;
    if (kind == Unix || kind == Vsock) return uid == other.uid;
    if (kind != Inet || mapped != other.mapped) return false;
    return mapped ? address == other.address
                  : scope == other.scope && std::memcmp(address.data(), other.address.data(), 8) == 0;
}

Result<AddressRule> parse_address_rule(std::string_view written)
{
    AddressRule rule;
    rule.text = text::trim(written);
    const std::string_view word = rule.text;
    if (text::iequals(word, "all")) {
        rule.kind = AddressRule::All;
        return rule;
    }
    if (text::iequals(word, "localhost")) {
        rule.kind = AddressRule::Loopback;
        return rule;
    }
    if (word.starts_with("uid:") || word.starts_with("gid:")) return parse_id(rule, word);
    if (word.starts_with("cid:")) {
        const std::string_view which = word.substr(4);
        const auto number = which == "hypervisor" ? 0 : which == "local" ? 1 : which == "host" ? 2 : text::to_int(which);
        if (!number || *number < 0 || *number >= UINT32_MAX) return fail("'{}': expected the number of a machine (CID), hypervisor, local or host", word);
        rule.kind = AddressRule::Cid;
        rule.id = static_cast<std::uint32_t>(*number);
        return rule;
    }
    if (const auto dash = word.find('-'); dash != std::string_view::npos && parse_address(text::trim(word.substr(0, dash)))) {
        return parse_range(rule, word.substr(0, dash), word.substr(dash + 1));
    }
    const auto slash = word.find('/');
    if (const auto address = parse_address(word.substr(0, slash))) {
        if (slash == std::string_view::npos) return parse_range(rule, word, word);
        if (slash + 1 == word.size()) return fail("'{}': the prefix length after / is missing", word);
        return parse_prefix(rule, *address, word.substr(slash + 1));
    }
    return fail("'{}': expected an address, address/prefix, first-last, localhost, all, a host's name, uid:NAME, gid:NAME or cid:N "
                "(callers' names are not looked up)", word);
}

bool is_host_name(std::string_view word)
{
    constexpr std::size_t kLongestName = 253, kLongestLabel = 63;
    if (word.ends_with('.')) word.remove_suffix(1);
    if (word.empty() || word.size() > kLongestName || text::iequals(word, "all") || text::iequals(word, "localhost")) return false;
    const auto is_letter = [](char c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; };
    const auto is_plain = [&](char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.'; };
    if (!std::all_of(word.begin(), word.end(), is_plain)) return false;
    const auto labels = text::split(word, '.');
    for (const std::string& label : labels)
        if (label.empty() || label.size() > kLongestLabel || label.front() == '-') return false;
    return std::any_of(labels.back().begin(), labels.back().end(), is_letter);
}

std::vector<AddressRule> rules_of_host(const std::string& name, std::span<const std::string> addresses)
{
    std::vector<AddressRule> rules;
    for (const std::string& address : addresses) {
        auto rule = parse_address_rule(address.substr(0, address.find('%')));
        if (!rule || rule->kind != AddressRule::Range) continue;
        rule->text = name;
        rule->named = true;
        if (std::find(rules.begin(), rules.end(), *rule) == rules.end()) rules.push_back(*std::move(rule));
    }
    return rules;
}

AddressRule rule_of_unknown_host(const std::string& name)
{
    AddressRule rule;
    rule.text = name;
    rule.named = true;
    rule.first.fill(0xff);   // and last is zero
    return rule;
}

bool is_unknown_host(const AddressRule& rule)
{
    return rule.named && rule.family == 0;
}

std::vector<std::string> hosts_of(std::span<const AddressRule> rules)
{
    std::vector<std::string> hosts;
    for (const AddressRule& rule : rules) {
        if (is_unknown_host(rule)) continue;
        Peer peer;
        peer.kind = Peer::Inet;
        peer.mapped = rule.family == 4;
        peer.address = rule.first;
        hosts.push_back(peer.host());
    }
    return hosts;
}

bool is_allowed(const Peer& peer, std::span<const AddressRule> allow, std::span<const AddressRule> deny, AccessOrder order) noexcept
{
    const int denied = best_match(peer, deny);
    if (allow.empty() || (order == AccessOrder::DenyFirst && denied >= 0)) return denied < 0;
    const int allowed = best_match(peer, allow);
    return allowed >= 0 && allowed > denied;
}

}  // namespace xsv::sys
