#include <algorithm>

#include "base/text.h"
#include "config/systemd/program.h"
#include "config/systemd/text.h"

/// [Socket]: what to listen on, how, and how often.
namespace xsv::config::systemd {
namespace {

bool is_path_kind(std::string_view endpoint)
{
    return endpoint.starts_with("unix") ? endpoint.find(":/") != std::string_view::npos
                                        : endpoint.starts_with("fifo:") || endpoint.starts_with("mqueue:");
}

}  // namespace

void ProgramBuilder::accept(const Directive& directive, const Values& values)
{
    const auto flag = parse_flag(values.last().value);
    if (!flag) return mistake(values.place(), std::string(directive.key), flag.error().message);
    parts_.back().accept = *flag;
}

void ProgramBuilder::socket_text(const Directive& directive, const Values& values)
{
    const auto value = plain(values.last());
    if (!value) return;
    SocketPart& part = parts_.back();
    if (directive.word == "mode") part.mode = *value;
    else if (directive.word == "user") part.user = *value;
    else if (directive.word == "group") part.group = *value;
    else if (value->find_first_of(":=,\n") != std::string::npos || value->size() > 255)
        mistake(values.place(), std::string(directive.key), fmt::format("'{}' cannot be a name: expected at most 255 letters without ':', '=' or ','", *value));
    else part.name = *value;
}

void ProgramBuilder::ipv6_only(const Directive& directive, const Values& values)
{
    const std::string& value = values.last().value;
    SocketPart& part = parts_.back();
    part.v6only = value == "ipv6-only";
    if (value == "both") add_option("v6only=no", values);
    else if (value != "default" && !part.v6only)
        mistake(values.place(), std::string(directive.key), fmt::format("expected default, both or ipv6-only, got '{}'", value));
}

void ProgramBuilder::socket_protocol(const Directive& directive, const Values& values)
{
    const std::string& value = values.last().value;
    if (value == "sctp" || value == "mptcp" || value == "udplite") parts_.back().protocol = value;
    else mistake(values.place(), std::string(directive.key), fmt::format("expected udplite, sctp or mptcp, got '{}'", value));
}

/// The address forms of ListenStream= and its relatives in ours.
std::string ProgramBuilder::endpoint_of(std::string_view kind, const std::string& address) const
{
    const SocketPart& part = parts_.back();
    if (kind == "netlink") return "netlink:" + text::join(text::words(address), "/");
    if (kind == "fifo" || kind == "file" || kind == "mqueue") return std::string(kind) + ":" + address;
    if (address.starts_with("vsock")) {
        const auto colon = address.find(':');
        std::string word = address.substr(0, colon), rest = colon == std::string::npos ? "" : address.substr(colon + 1);
        if (word == "vsock" && kind == "dgram") word = "vsock-dgram";
        if (word == "vsock" && kind == "seqpacket") word = "vsock-seqpacket";
        if (word == "vsock-stream") word = "vsock";
        if (rest.starts_with(':')) rest = "any" + rest;
        return word + ":" + rest;
    }
    if (address.starts_with('/') || address.starts_with('@'))
        return (kind == "stream" ? "unix:" : kind == "dgram" ? "unix-dgram:" : "unix-seqpacket:") + address;
    std::string scheme = !part.protocol.empty() ? part.protocol : kind == "dgram" ? "udp" : "tcp";
    const std::string six = scheme == "tcp" || scheme == "udp" ? scheme + "6" : scheme;
    const std::string any = part.v6only ? six : scheme;
    if (address.find(':') == std::string::npos) return any + ":" + address;
    constexpr std::string_view kAnySix = "[::]:";
    if (address.starts_with(kAnySix)) return any + ":" + address.substr(kAnySix.size());
    const auto zone = address.rfind('%'), close = address.find("]:");
    if (zone != std::string::npos && close != std::string::npos && zone > close)
        return fmt::format("{}:{}{}]:{}", scheme, address.substr(0, close), address.substr(zone), address.substr(close + 2, zone - close - 2));
    return scheme + ":" + address;
}

void ProgramBuilder::listen(const Directive& directive, const Values& values)
{
    SocketPart& part = parts_.back();
    for (const Assignment* line : values.items) {
        const auto address = plain(*line);
        if (!address) continue;
        const bool is_seqpacket_inet = directive.word == "seqpacket" && address->find_first_of("/@v") != 0;
        const std::string endpoint = endpoint_of(directive.word, *address);
        const auto parsed = sys::Endpoint::parse(endpoint);
        if (is_seqpacket_inet) {
            mistake(line->place, line->key, fmt::format("expected a path, @name or vsock address, got '{}'", *address));
        } else if (!parsed) {
            mistake(line->place, line->key, parsed.error().message);
        } else {
            part.has_path = part.has_path || is_path_kind(endpoint);
            part.endpoints.emplace_back(line, endpoint);
        }
    }
}

void ProgramBuilder::add_option(std::string word, const Values& values)
{
    sys::SocketOptions ignored;
    if (auto known = sys::parse_socket_options(word, ignored); !known) return mistake(values.place(), values.last().key, known.error().message);
    parts_.back().words.push_back(std::move(word));
}

void ProgramBuilder::option_flag(const Directive& directive, const Values& values)
{
    const auto flag = parse_flag(values.last().value);
    if (!flag) return mistake(values.place(), std::string(directive.key), flag.error().message);
    if (*flag) add_option(std::string(directive.word), values);
}

void ProgramBuilder::option_no(const Directive& directive, const Values& values)
{
    const auto flag = parse_flag(values.last().value);
    if (!flag) return mistake(values.place(), std::string(directive.key), flag.error().message);
    if (!*flag) add_option(std::string(directive.word), values);
}

void ProgramBuilder::option_number(const Directive& directive, const Values& values)
{
    option_text(directive, values);
}

void ProgramBuilder::option_text(const Directive& directive, const Values& values)
{
    const auto value = plain(values.last());
    if (!value) return;
    if (value->find_first_of(", \t\n") != std::string::npos)
        return mistake(values.place(), std::string(directive.key), fmt::format("expected one word, got '{}'", *value));
    add_option(fmt::format("{}={}", directive.word, *value), values);
}

void ProgramBuilder::option_bytes(const Directive& directive, const Values& values)
{
    const auto bytes = parse_size(values.last().value);
    if (!bytes) return mistake(values.place(), std::string(directive.key), bytes.error().message);
    add_option(fmt::format("{}={}", directive.word, *bytes), values);
}

void ProgramBuilder::option_time(const Directive& directive, const Values& values)
{
    const auto span = parse_span(values.last().value);
    if (!span) return mistake(values.place(), std::string(directive.key), span.error().message);
    if (*span > 0) add_option(fmt::format("{}={}", directive.word, native_time(*span)), values);
}

void ProgramBuilder::option_symlinks(const Directive&, const Values& values)
{
    const auto paths = plain_words(values);
    if (!paths) return;
    for (const std::string& path : *paths) add_option("symlink=" + path, values);
}

void ProgramBuilder::option_tos(const Directive&, const Values& values)
{
    static const std::map<std::string, int, std::less<>> kNames = {{"low-delay", 16}, {"throughput", 8}, {"reliability", 4}, {"low-cost", 2}};
    const auto name = kNames.find(values.last().value);
    add_option("tos=" + (name != kNames.end() ? std::to_string(name->second) : values.last().value), values);
}

void ProgramBuilder::option_timestamps(const Directive& directive, const Values& values)
{
    const std::string& value = values.last().value;
    if (value == "off") return;
    const std::string unit = value == "usec" || value == "µs" ? "us" : value == "nsec" ? "ns" : value;
    if (unit != "us" && unit != "ns") return mistake(values.place(), std::string(directive.key), fmt::format("expected off, us or ns, got '{}'", value));
    add_option("timestamp=" + unit, values);
}

void ProgramBuilder::keep_alive(const Directive& directive, const Values& values)
{
    const auto flag = parse_flag(values.last().value);
    if (!flag) return mistake(values.place(), std::string(directive.key), flag.error().message);
    const SocketPart& part = parts_.back();
    if (!*flag) return;
    if (!part.keepalive_timed) return add_option("keepalive", values);
    add_option(fmt::format("keepalive={}/{}/{}", part.keepalive_times[0], part.keepalive_times[1], part.keepalive_times[2]), values);
}

void ProgramBuilder::keep_alive_time(const Directive& directive, const Values& values)
{
    SocketPart& part = parts_.back();
    const auto index = static_cast<std::size_t>(directive.word.front() - '0');
    part.keepalive_timed = true;
    if (index == 2) {
        part.keepalive_times[2] = values.last().value;
        return;
    }
    const auto span = parse_span(values.last().value);
    if (!span) return mistake(values.place(), std::string(directive.key), span.error().message);
    part.keepalive_times[index] = native_time(*span);
}

void ProgramBuilder::backlog(const Directive& directive, const Values& values)
{
    const auto number = text::to_int(values.last().value);
    if (!number || *number < 0) return mistake(values.place(), std::string(directive.key), fmt::format("expected a number, got '{}'", values.last().value));
    if (*number > 0 && *number <= 65535) parts_.back().backlog = std::to_string(*number);
}

void ProgramBuilder::socket_limit(const Directive& directive, const Values& values)
{
    const auto number = text::to_int(values.last().value);
    if (!number || *number < 0) return mistake(values.place(), std::string(directive.key), fmt::format("expected a number, got '{}'", values.last().value));
    if (!serves_one_caller()) return;
    if (*number > 0) section_.set(directive.word, std::to_string(*number), values.place());
}

void ProgramBuilder::limit_rate(const Directive& directive, const Values& values)
{
    const bool is_time = directive.word.ends_with("time");
    const auto number = is_time ? parse_span(values.last().value) : parse_size(values.last().value);
    if (!number) return mistake(values.place(), std::string(directive.key), number.error().message);
    rates_[std::string(directive.word)] = *number;
    rate_place_ = values.place();
    if (directive.word.starts_with("trigger"))
        note(values.place(), std::string(directive.key), "callers beyond it wait in the queue; the socket never fails for good");
}

void ProgramBuilder::addresses(const Directive& directive, const Values& values)
{
    static const std::map<std::string, std::string, std::less<>> kNames = {{"any", "0.0.0.0/0 ::/0"},
                                                                          {"localhost", "127.0.0.0/8 ::1/128"},
                                                                          {"link-local", "169.254.0.0/16 fe80::/64"},
                                                                          {"multicast", "224.0.0.0/4 ff00::/8"}};
    const auto words = plain_words(values);
    if (!words) return;
    auto& list = addresses_[std::string(directive.word)];
    for (const std::string& word : *words) {
        const auto name = kNames.find(word);
        const std::string prefixes = name == kNames.end() ? word : name->second;
        for (const std::string& prefix : text::words(prefixes)) {
            if (sys::parse_address_rule(prefix)) list.push_back(prefix);
            else mistake(values.place(), std::string(directive.key), fmt::format("expected addresses, prefixes, any, localhost, link-local or multicast, got '{}'", text::escape_control(word)));
        }
    }
    addresses_place_ = values.place();
}

// ---------------------------------------------------------------------------------------------------------------------

void ProgramBuilder::finish_sockets()
{
    std::vector<std::string> endpoints;
    const Assignment* first = nullptr;
    for (const SocketPart& part : parts_) {
        if (part.accept != parts_.front().accept) mistake(part.unit->place, "Accept", "expected the same in all sockets of one service");
        const std::string name = part.accept ? "" : (part.name.empty() ? part.unit->name.full : part.name) + "=";
        for (const auto& [line, endpoint] : part.endpoints) {
            if (first == nullptr) first = line;
            endpoints.push_back(name + endpoint);
        }
    }
    const Place& place = first != nullptr ? first->place : parts_.front().unit->place;
    if (!endpoints.empty()) section_.set("socket", text::join(endpoints, "\n"), place);
    section_.set("activation", serves_one_caller() ? "per_connection" : "on_demand", parts_.front().unit->place);
    finish_options();
    if (!serves_one_caller()) {
        if (!rates_.empty()) note(rate_place_, "PollLimitBurst", "a program that leaves its callers waiting is started again after growing pauses instead");
        return;
    }
    if (!section_.has("max_instances")) section_.set("max_instances", "64", parts_.front().unit->place);
    section_.set("overload", "refuse", parts_.front().unit->place);
    const auto rate = [&](const char* key, std::int64_t usual) { return rates_.contains(key) ? rates_.at(key) : usual; };
    std::int64_t count = rate("poll_burst", 150), time = rate("poll_time", 2000);
    const std::int64_t triggers = rate("trigger_burst", 200), trigger_time = rate("trigger_time", 2000);
    const bool polls = count > 0 && time > 0, limited = triggers > 0 && trigger_time > 0;
    // The smaller of the two is what callers would meet.
    if (limited && (!polls || static_cast<double>(triggers) / static_cast<double>(trigger_time) < static_cast<double>(count) / static_cast<double>(time)))
        count = triggers, time = trigger_time;
    if (polls || limited) section_.set("max_rate", fmt::format("{}/{}", count, time % 1000 == 0 ? fmt::format("{}s", time / 1000) : fmt::format("{}ms", time)), rate_place_.file.empty() ? place : rate_place_);
}

void ProgramBuilder::finish_addresses()
{
    const auto& allow = addresses_["allow_from"];
    const auto& deny = addresses_["deny_from"];
    if (deny.empty()) return;   // with nothing denied everybody may
    const bool reachable = std::any_of(parts_.begin(), parts_.end(), [](const SocketPart& part) {
        return std::any_of(part.endpoints.begin(), part.endpoints.end(), [](const auto& e) { return e.second.starts_with("tcp") || e.second.starts_with("udp"); });
    });
    warn(addresses_place_, "IPAddressDeny", reachable ? "applied to callers only, not to what the program sends and receives" : "ignored: it limits the program's own traffic");
    if (!reachable) return;
    section_.set("deny_from", text::join(deny, ", "), addresses_place_);
    if (!allow.empty()) section_.set("allow_from", text::join(allow, ", "), addresses_place_);
}

/// Where the units of one service agree, the program's own keys say it; else the words go to each socket by its name.
void ProgramBuilder::finish_options()
{
    const SocketPart& first = parts_.front();
    const SocketPart* owned = nullptr;
    bool agree = true;
    for (const SocketPart& part : parts_) {
        agree = agree && part.words == first.words && part.backlog == first.backlog;
        if (!part.has_path) continue;
        agree = agree && (owned == nullptr || (owned->mode == part.mode && owned->user == part.user && owned->group == part.group));
        if (owned == nullptr) owned = &part;
    }
    if (!agree) return finish_own_options();
    if (!first.words.empty()) section_.set("socket_options", text::join(first.words, ", "), first.unit->place);
    if (!first.backlog.empty()) section_.set("socket_backlog", first.backlog, first.unit->place);
    if (owned == nullptr) return;
    section_.set("socket_mode", owned->mode, owned->unit->place);
    if (const auto [user, group] = owner_of(*owned); !user.empty()) section_.set("socket_owner", group.empty() ? user : user + ":" + group, owned->unit->place);
}

void ProgramBuilder::finish_own_options()
{
    std::vector<std::string> all, names;
    for (const SocketPart& part : parts_) {
        const std::string name = part.name.empty() ? part.unit->name.full : part.name;
        if (std::find(names.begin(), names.end(), name) != names.end() || name.find(' ') != std::string::npos)
            mistake(part.unit->place, "FileDescriptorName", fmt::format("expected a name of its own, without blanks: its options differ from those of {}", parts_.front().unit->name.full));
        names.push_back(name);
        for (const std::string& word : part.words) all.push_back(name + ":" + word);
        if (!part.backlog.empty()) all.push_back(name + ":backlog=" + part.backlog);
        if (!part.has_path) continue;
        all.push_back(name + ":mode=" + part.mode);
        const auto [user, group] = owner_of(part);
        if (user.empty()) continue;
        const auto uid = surroundings_.user(user);
        const auto gid = group.empty() ? Result<gid_t>(uid ? uid->gid : 0) : text::to_int(group) ? Result<gid_t>(static_cast<gid_t>(*text::to_int(group))) : surroundings_.group(group);
        if (!uid) mistake(part.unit->place, "SocketUser", uid.error().message);
        else if (!gid) mistake(part.unit->place, "SocketGroup", gid.error().message);
        else all.push_back(fmt::format("{}:owner={}, {}:group={}", name, uid->uid, name, *gid));
    }
    section_.set("socket_options", text::join(all, ", "), parts_.front().unit->place);
    section_.set("socket_mode", "0600", parts_.front().unit->place);   // nothing is open that no unit has opened
}

/// User and group of a path; both empty: those of whoever runs us.
std::pair<std::string, std::string> ProgramBuilder::owner_of(const SocketPart& part) const
{
    if (part.user.empty() && part.group.empty() && surroundings_.uid != 0) return {};
    const std::string user = part.user.empty() ? surroundings_.uid == 0 ? "root" : std::to_string(surroundings_.uid) : part.user;
    if (!part.group.empty()) return {user, part.group};
    const auto known = surroundings_.user(user);
    return {user, known ? std::to_string(known->gid) : std::string()};
}

}  // namespace xsv::config::systemd
