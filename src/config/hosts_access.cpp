#include "config/hosts_access.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/text.h"

namespace xsv::config {
namespace {

using Weight = Remark::Weight;

/// At colons, but not those of an address in brackets and not behind a backslash.
std::vector<std::string> fields_of(std::string_view line)
{
    std::vector<std::string> fields(1);
    int depth = 0;
    for (std::size_t i = 0; i < line.size(); ++i) {
        const char c = line[i];
        if (c == '\\' && line.substr(i + 1, 1) == ":") fields.back() += line[++i];
        else if (c == ':' && depth == 0) fields.emplace_back();
        else {
            // The options behind the lists are free text.
            if (fields.size() <= 2) depth += c == '[' ? 1 : c == ']' && depth > 0 ? -1 : 0;
            fields.back() += c;
        }
    }
    return fields;
}

std::vector<std::string> items_of(std::string text)
{
    std::replace(text.begin(), text.end(), ',', ' ');
    return text::words(text);
}

std::optional<AddressSet::Bytes> parse_six(const std::string& text)
{
    AddressSet::Bytes bytes{};
    if (::inet_pton(AF_INET6, text.c_str(), bytes.data()) != 1) return std::nullopt;
    return bytes;
}

std::optional<std::uint32_t> parse_four(const std::string& text)
{
    in_addr address{};
    if (::inet_pton(AF_INET, text.c_str(), &address) != 1) return std::nullopt;
    return ntohl(address.s_addr);
}

/// "10.1." and "10.1.*": all addresses whose text begins so.
std::optional<AddressSet::Range> parse_beginning(std::string text)
{
    if (text.ends_with('*')) text.pop_back();
    while (text.ends_with(".*.")) text.resize(text.size() - 2);
    if (!text.ends_with('.')) return std::nullopt;
    const auto parts = text::split(text.substr(0, text.size() - 1), '.');
    if (parts.empty() || parts.size() > 3) return std::nullopt;
    std::uint32_t address = 0;
    for (std::size_t i = 0; i < 4; ++i) {
        const auto octet = i < parts.size() ? text::to_int(parts[i]) : 0;
        if (!octet || *octet < 0 || *octet > 255) return std::nullopt;
        address = (address << 8) | static_cast<std::uint32_t>(*octet);
    }
    return AddressSet::prefix(AddressSet::mapped(address), 96 + 8 * static_cast<int>(parts.size()));
}

/// What one server gets to know of the rules about it.
class Evaluation {
public:
    Evaluation(const std::string& server, const Surroundings& surroundings, HostsAccess::Decision& decision)
        : server_(server), surroundings_(surroundings), decision_(decision)
    {
    }

    void run(const std::vector<HostsAccess::Rule>& rules)
    {
        for (const HostsAccess::Rule& rule : rules) {
            rule_ = &rule;
            if (!is_about_server(rule.servers, 0)) continue;
            const bool allows = verdict();
            if (!decision_.allowed) {
                decision_.allowed.emplace();
                decision_.place = rule.place;
            }
            if (allows != meant_) decide();
            meant_ = allows;
            const AddressSet set = callers(rule.clients, 0, allows);
            matched_.insert(matched_.end(), set.ranges().begin(), set.ranges().end());
        }
        if (!decision_.allowed) return;
        decide();
        decision_.allowed->add(undecided_);
    }

private:
    /// Rules in a row that mean the same are one: lists of thousands of refused addresses are common.
    void decide()
    {
        const AddressSet rest = undecided_.without(AddressSet(std::exchange(matched_, {})));
        if (meant_) decision_.allowed->add(undecided_.without(rest));
        undecided_ = rest;
    }

    void remark(Weight weight, std::string text) { decision_.remarks.push_back({weight, rule_->place, "", "", std::move(text)}); }

    /// "a, b EXCEPT c EXCEPT d": a and b, but not what c means without d.
    static std::size_t end_of_list(const std::vector<std::string>& list, std::size_t from)
    {
        while (from < list.size() && !text::iequals(list[from], "except")) ++from;
        return from;
    }

    bool is_about_server(const std::vector<std::string>& list, std::size_t from)
    {
        const std::size_t end = end_of_list(list, from);
        bool matches = false;
        for (std::size_t i = from; i < end && !matches; ++i) matches = is_server(list[i]);
        return matches && (end == list.size() || !is_about_server(list, end + 1));
    }

    bool is_server(const std::string& pattern)
    {
        if (const auto at = pattern.find('@'); at != std::string::npos && at > 0) {
            if (is_server(pattern.substr(0, at))) remark(Weight::Warning, fmt::format("'{}' is ignored: rules for one address of this machine are not supported", pattern));
            return false;
        }
        if (text::iequals(pattern, "all")) return true;
        if (pattern.find_first_of("*?") != std::string::npos) return matches_wildcard(pattern, server_);
        const std::string lower = text::lower(pattern), server = text::lower(server_);
        if (lower.starts_with('.')) return server.ends_with(lower);
        if (lower.ends_with('.')) return server.starts_with(lower);
        return lower == server;
    }

    static bool matches_wildcard(std::string_view pattern, std::string_view text)
    {
        std::size_t p = 0, t = 0, star = std::string_view::npos, retry = 0;
        while (t < text.size()) {
            if (p < pattern.size() && pattern[p] == '*') star = p++, retry = t;
            else if (p < pattern.size() && (pattern[p] == '?' || (pattern[p] | 0x20) == (text[t] | 0x20))) ++p, ++t;
            else if (star != std::string_view::npos) p = star + 1, t = ++retry;
            else return false;
        }
        return pattern.find_first_not_of('*', p) == std::string_view::npos;
    }

    /// A pattern that needs a name is taken for nobody, or for everybody where that lets fewer callers in.
    AddressSet callers(const std::vector<std::string>& list, int depth, bool allows, std::size_t from = 0)
    {
        const std::size_t end = end_of_list(list, from);
        const bool unknown_matches = allows && depth % 2 == 1;
        std::vector<AddressSet::Range> ranges;
        for (std::size_t i = from; i < end; ++i) {
            const auto one = pattern(list[i], allows).value_or(unknown_matches ? AddressSet::everything() : AddressSet());
            ranges.insert(ranges.end(), one.ranges().begin(), one.ranges().end());
        }
        const AddressSet set(std::move(ranges));
        return end == list.size() ? set : set.without(callers(list, depth + 1, allows, end + 1));
    }

    std::optional<AddressSet> needs_name(const std::string& pattern, const char* why)
    {
        remark(Weight::Warning, fmt::format("'{}' is not supported: {}", text::escape_control(pattern), why));
        return std::nullopt;
    }

    std::optional<AddressSet> pattern(const std::string& text, bool allows)
    {
        if (const auto at = text.find('@', 1); at != std::string::npos) {
            // Who cannot be asked for the user's name is refused, and not let in.
            auto hosts = pattern(text.substr(at + 1), allows);
            remark(Weight::Warning, fmt::format("'{}': callers are not asked for their user (ident)", text::escape_control(text)));
            return allows ? std::nullopt : hosts;
        }
        AddressSet set;
        if (text::iequals(text, "all")) return AddressSet::everything();
        if (text.starts_with('@')) return needs_name(text, "netgroups are not looked up");
        if (text.starts_with('/')) return file(text, allows);
        for (const char* word : {"known", "local", "unknown", "paranoid"})
            if (text::iequals(text, word)) return needs_name(text, "callers' names are not looked up");
        if (const auto slash = text.find('/'); slash != std::string::npos) return masked(text, slash);
        if (text.starts_with('[') && text.ends_with(']'))
            if (const auto address = parse_six(text.substr(1, text.size() - 2))) return six_only({*address, *address});
        if (const auto address = parse_four(text)) return set.add({AddressSet::mapped(*address), AddressSet::mapped(*address)}), set;
        if (const auto range = parse_beginning(text)) return set.add(*range), set;
        if (text.starts_with('.')) return needs_name(text, "callers' names are not looked up");
        if (text.find_first_of("*?") != std::string::npos) return needs_name(text, "only '*' at the end of an address is");
        return host(text);
    }

    /// IPv4 callers have IPv4 addresses here, on any socket.
    static AddressSet six_only(const AddressSet::Range& range)
    {
        AddressSet six, four;
        six.add(range);
        four.add(AddressSet::prefix(AddressSet::mapped(0), 96));
        return six.without(four);
    }

    std::optional<AddressSet> host(const std::string& name)
    {
        const auto addresses = surroundings_.addresses(name);
        if (!addresses) return needs_name(name, addresses.error().message.c_str());
        remark(Weight::Note, fmt::format("'{}' means its addresses at the time the file is read: {}", name, text::join(*addresses, ", ")));
        AddressSet set;
        for (const std::string& address : *addresses) {
            if (const auto four = parse_four(address)) set.add({AddressSet::mapped(*four), AddressSet::mapped(*four)});
            else if (const auto six = parse_six(address.substr(0, address.find('%')))) set.add({*six, *six});
        }
        return set;
    }

    /// "10.0.0.0/8", "10.0.0.0/255.0.0.0", "[2001:db8::]/32". A net with bits beyond its mask matches nobody.
    std::optional<AddressSet> masked(const std::string& text, std::size_t slash)
    {
        const std::string net = text.substr(0, slash), mask = text.substr(slash + 1);
        const auto bits = text::to_int(mask);
        std::optional<AddressSet::Bytes> address;
        int length = -1;
        if (const auto four = parse_four(net)) {
            address = AddressSet::mapped(*four);
            const auto dotted = parse_four(mask);
            if (bits && *bits >= 0 && *bits <= 32) length = 96 + static_cast<int>(*bits);
            else if (dotted && (~*dotted & (~*dotted + 1)) == 0) length = 96 + __builtin_popcount(*dotted);
        } else if (net.starts_with('[') && net.ends_with(']')) {
            address = parse_six(net.substr(1, net.size() - 2));
            if (bits && *bits >= 0 && *bits <= 128) length = static_cast<int>(*bits);
        }
        if (!address || length < 0) return needs_name(text, "expected net/mask, as in 10.0.0.0/8 or [2001:db8::]/32");
        AddressSet set;
        const auto range = AddressSet::prefix(*address, length);
        if (range.first == *address && net.starts_with('[')) return six_only(range);
        if (range.first == *address) set.add(range);
        else remark(Weight::Warning, fmt::format("'{}' matches nobody: the net has bits beyond its mask", text));
        return set;
    }

    std::optional<AddressSet> file(const std::string& path, bool allows)
    {
        const auto text = surroundings_.read(path);
        if (!text) return needs_name(path, text.error().message.c_str());
        if (std::find(open_.begin(), open_.end(), path) != open_.end()) return needs_name(path, "the file names itself");
        open_.push_back(path);
        std::vector<AddressSet::Range> ranges;
        for (const std::string& item : text::words(*text))
            if (const auto one = pattern(item, allows)) ranges.insert(ranges.end(), one->ranges().begin(), one->ranges().end());
        open_.pop_back();
        return AddressSet(std::move(ranges));
    }

    /// What a match means: the file's word, unless an option says otherwise.
    bool verdict()
    {
        bool allows = rule_->allows;
        for (const std::string& option : rule_->options) {
            const std::string word = text::lower(option.substr(0, option.find_first_of(" \t=")));
            if (word == "allow" || word == "deny") allows = word == "allow";
            else if (word == "twist" || word == "aclexec") {
                remark(Weight::Warning, fmt::format("'{}' is not supported: nothing is run, the callers are refused", word));
                allows = false;
            } else if (word == "spawn" || word == "banners") remark(Weight::Warning, fmt::format("'{}' is ignored", word));
            else if (!is_harmless(word)) {
                remark(Weight::Warning, fmt::format("'{}' is no option: the callers are refused", text::escape_control(word)));
                allows = false;
            }
        }
        return allows;
    }

    static bool is_harmless(std::string_view word)
    {
        constexpr std::string_view kHarmless[] = {"severity", "keepalive", "linger", "rfc931", "nice", "umask", "setenv", "user", "group"};
        return std::find(std::begin(kHarmless), std::end(kHarmless), word) != std::end(kHarmless);
    }

    const std::string& server_;
    const Surroundings& surroundings_;
    HostsAccess::Decision& decision_;
    const HostsAccess::Rule* rule_ = nullptr;
    std::vector<std::string> open_;            // files of patterns
    AddressSet undecided_ = AddressSet::everything();
    std::vector<AddressSet::Range> matched_;   // by the rules since the last verdict
    bool meant_ = true;                        // that verdict
};

}  // namespace

void HostsAccess::read(const std::string& file, bool allows)
{
    const auto content = surroundings_.read(file);
    if (!content) {
        const Error& error = content.error();
        const bool is_absent = error.code == ENOENT || error.message.starts_with("could not find");
        if (is_absent) return;
        files_.push_back(file);
        remarks_.push_back({Weight::Mistake, {file, 0}, "", "", error.message});
        return;
    }
    files_.push_back(file);
    std::string_view text = *content;
    int number = 0;
    while (!text.empty()) {
        const Place place{file, number + 1};
        std::string line;
        bool is_whole = false;
        for (bool more = true; more && !text.empty();) {
            const auto end = text.find('\n');
            line += text.substr(0, end);
            is_whole = end != std::string_view::npos;
            text.remove_prefix(is_whole ? end + 1 : text.size());
            ++number;
            more = is_whole && line.ends_with('\\');
            if (more) line.pop_back();
        }
        if (text::trim(line).empty() || (is_whole && line.starts_with('#'))) continue;
        auto fields = fields_of(line);
        if (!is_whole) {
            remarks_.push_back({Weight::Warning, place, "", "", "the last line has no end: tcp wrappers refuse everybody for whom they read on to it"});
            rules_.push_back({place, false, {"ALL"}, {"ALL"}, {}});
            continue;
        }
        if (fields.size() < 2) {
            remarks_.push_back({Weight::Warning, place, "", "", "expected servers : clients, the line is ignored"});
            continue;
        }
        Rule rule{place, allows, items_of(fields[0]), items_of(fields[1]), {}};
        for (std::size_t i = 2; i < fields.size(); ++i)
            if (const auto option = text::trim(fields[i]); !option.empty()) rule.options.emplace_back(option);
        rules_.push_back(std::move(rule));
    }
}

HostsAccess::Decision HostsAccess::decide(const std::string& server)
{
    if (!is_read_) {
        read("/etc/hosts.allow", true);
        read("/etc/hosts.deny", false);
        is_read_ = true;
    }
    Decision decision;
    decision.remarks = remarks_;
    Evaluation(server, surroundings_, decision).run(rules_);
    return decision;
}

void AccessLists::restrict_to(const AddressSet& allowed)
{
    const auto in = allowed.rules(), out = AddressSet::everything().without(allowed).rules();
    if (out.empty()) return;
    if (allowed.empty()) return deny.assign(1, "all");
    if (!has_allow && in.size() <= out.size()) {
        allow = in;
        has_allow = true;
    } else {
        deny.insert(deny.end(), out.begin(), out.end());
    }
}

void AccessLists::write(NativeSection& section, const Place& allow_place, const Place& deny_place) const
{
    if (has_allow && allow.empty()) return section.set("deny_from", "all", allow_place);
    if (!allow.empty()) section.set("allow_from", text::join(allow, ", "), allow_place);
    if (deny.empty()) return;
    section.set("deny_from", text::join(deny, ", "), deny_place);
    // The most specific rule would win otherwise.
    if (!allow.empty()) section.set("access_order", "deny_first", deny_place);
}

}  // namespace xsv::config
