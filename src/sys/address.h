#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace xsv::sys {

/// Who called. IPv4 is kept in its mapped form, so one comparison serves both families.
/// Plain bytes: it lies in the shared state table and is written by a child before exec.
struct Peer {
    enum Kind : std::uint8_t { None, Inet, Unix, Vsock };
    std::uint8_t kind = None;
    std::uint8_t mapped = 0;             ///< Inet: an IPv4 address
    std::uint16_t port = 0, local_port = 0;
    std::uint32_t uid = 0, gid = 0;      ///< Unix; Vsock: the machine (CID) and its port
    std::int32_t pid = 0;                ///< Unix
    std::uint32_t scope = 0;
    std::array<std::uint8_t, 16> address{}, local{};

    std::string text() const;            ///< "192.0.2.1:4711", "[2001:db8::1]:4711", "uid 1000 pid 17", "vsock:3:4711"
    std::string host() const;            ///< the address alone
    /// Same source for max_per_source: the address, the /64 of an IPv6 one, the uid of a unix caller, the CID of one on vsock.
    bool same_source(const Peer& other) const noexcept;
};

/// One line of allow_from or deny_from: a prefix, a range, "uid:N", "gid:N", "cid:N".
struct AddressRule {
    enum Kind : std::uint8_t { Range, Uid, Gid, Loopback, All, Cid };
    Kind kind = Range;                              ///< only Uid, Gid and All match callers on unix sockets, only Cid and All those on vsock
    std::uint8_t family = 0;                        ///< Range: 4 or 6; "::/0" says nothing about IPv4 callers
    std::array<std::uint8_t, 16> first{}, last{};   ///< mapped form for IPv4, both ends included
    std::uint32_t id = 0;
    std::uint8_t prefix = 0;                        ///< in the 128-bit form; ranges count as their narrowest common prefix
    std::string text;                               ///< as written, for messages
    bool named = false;                             ///< Range: one of the addresses of the host that `text` names
    bool operator==(const AddressRule&) const = default;
};

/// "10.0.0.0/8", "10.0.0.1-10.0.0.9", "::1", "fe80::/10", "localhost", "uid:1000", "uid:git", "gid:staff", "cid:3", "cid:host", "all".
Result<AddressRule> parse_address_rule(std::string_view text);

/// Is the word the name of a host by its form: letters, digits, '-' and '_' between dots, and not only a number at the end?
/// The names that rules have of their own (all, localhost) are none.
bool is_host_name(std::string_view word);
/// A rule for each address that a host has, without its zone. What is no address is left out.
std::vector<AddressRule> rules_of_host(const std::string& name, std::span<const std::string> addresses);
/// For one whose addresses are not known yet: it matches nobody.
AddressRule rule_of_unknown_host(const std::string& name);
bool is_unknown_host(const AddressRule& rule);
std::vector<std::string> hosts_of(std::span<const AddressRule> rules);   ///< the first address of each; none of an unknown host

/// Which rule decides where several match. In xinetd's files any denial does.
enum class AccessOrder : std::uint8_t { MostSpecific, DenyFirst };

/// The most specific rule decides, at equal length the denial; with DenyFirst any denial. An empty allow list allows
/// everybody. Async-signal-safe: it runs in the child between accept and exec.
bool is_allowed(const Peer& peer, std::span<const AddressRule> allow, std::span<const AddressRule> deny,
                AccessOrder order = AccessOrder::MostSpecific) noexcept;

}  // namespace xsv::sys
