#include <algorithm>
#include <chrono>

#include <net/if.h>

#include "base/text.h"
#include "sys/endpoint.h"

namespace xsv::sys {
namespace {

using Setter = Status (*)(SocketOptions&, std::string_view value);

struct Word {
    std::string_view name;
    bool takes_value;
    Setter set;
};

template <bool SocketOptions::*Field>
Status set_flag(SocketOptions& options, std::string_view value)
{
    if (value.empty() || value == "yes" || value == "true" || value == "on" || value == "1") options.*Field = true;
    else if (value == "no" || value == "false" || value == "off" || value == "0") options.*Field = false;
    else return fail("expected yes or no, got '{}'", value);
    return {};
}

template <int SocketOptions::*Field, std::int64_t Low, std::int64_t High>
Status set_number(SocketOptions& options, std::string_view value)
{
    const auto number = text::to_int(value);
    if (!number || *number < Low || *number > High) return fail("expected a number from {} to {}, got '{}'", Low, High, value);
    options.*Field = static_cast<int>(*number);
    return {};
}

template <int SocketOptions::*Field>
Status set_bytes(SocketOptions& options, std::string_view value)
{
    std::int64_t factor = 1;
    std::string_view digits = value;
    if (!digits.empty()) {
        switch (digits.back()) {
        case 'k': case 'K': factor = 1 << 10; digits.remove_suffix(1); break;
        case 'm': case 'M': factor = 1 << 20; digits.remove_suffix(1); break;
        default: break;
        }
    }
    const auto number = text::to_int(digits);
    if (!number || *number < 1 || *number > (1 << 30) / factor) return fail("expected a size such as 64k, got '{}'", value);
    options.*Field = static_cast<int>(*number * factor);
    return {};
}

Result<int> parse_seconds(std::string_view value)
{
    auto duration = parse_duration(value);
    if (!duration) return tl::unexpected(std::move(duration).error());
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(*duration).count();
    if (seconds < 1 || seconds > 32767) return fail("expected a time from 1s to 32767s, got '{}'", value);
    return static_cast<int>(seconds);
}

Status set_keepalive(SocketOptions& options, std::string_view value)
{
    options.keepalive = true;
    if (value.empty() || value == "yes") return {};
    const auto parts = text::split(value, '/');
    if (parts.size() > 3) return fail("expected idle/interval/probes, got '{}'", value);
    int* times[] = {&options.keepalive_idle, &options.keepalive_interval};
    for (std::size_t i = 0; i < parts.size() && i < 2; ++i) {
        auto seconds = parse_seconds(parts[i]);
        if (!seconds) return tl::unexpected(std::move(seconds).error());
        *times[i] = *seconds;
    }
    return parts.size() == 3 ? set_number<&SocketOptions::keepalive_probes, 1, 127>(options, parts[2]) : Status{};
}

Status set_defer_accept(SocketOptions& options, std::string_view value)
{
    auto seconds = parse_seconds(value);
    if (!seconds) return tl::unexpected(std::move(seconds).error());
    options.defer_accept = *seconds;
    return {};
}

Status set_v6only(SocketOptions& options, std::string_view value)
{
    if (value.empty() || value == "yes") options.v6only = true;
    else if (value == "no") options.v6only = false;
    else return fail("expected yes or no, got '{}'", value);
    return {};
}

Status set_device(SocketOptions& options, std::string_view value)
{
    if (value.size() >= IF_NAMESIZE) return fail("'{}' is too long for the name of an interface", value);
    options.device = value;
    return {};
}

Status set_congestion(SocketOptions& options, std::string_view value)
{
    if (value.size() > 15) return fail("'{}' is too long for a congestion control", value);
    options.congestion = value;
    return {};
}

Status set_symlink(SocketOptions& options, std::string_view value)
{
    if (value.front() != '/') return fail("expected an absolute path, got '{}'", value);
    options.symlinks.emplace_back(value);
    return {};
}

Status set_dir_mode(SocketOptions& options, std::string_view value)
{
    std::uint32_t mode = 0;
    for (const char digit : value) {
        if (digit < '0' || digit > '7' || mode > 0777) return fail("expected an octal mode such as 0755, got '{}'", value);
        mode = mode * 8 + static_cast<std::uint32_t>(digit - '0');
    }
    if (mode > 07777) return fail("expected an octal mode such as 0755, got '{}'", value);
    options.dir_mode = mode;
    return {};
}

Status set_mode(SocketOptions& options, std::string_view value)
{
    SocketOptions other;
    if (auto set = set_dir_mode(other, value); !set) return set;
    options.mode = other.dir_mode;
    return {};
}

template <std::optional<uid_t> SocketOptions::*Field>
Status set_id(SocketOptions& options, std::string_view value)
{
    const auto number = text::to_int(value);
    if (!number || *number < 0 || *number >= UINT32_MAX) return fail("expected a number, got '{}'", value);
    options.*Field = static_cast<uid_t>(*number);
    return {};
}

Status set_timestamp(SocketOptions& options, std::string_view value)
{
    if (!value.empty() && value != "us" && value != "ns") return fail("expected us or ns, got '{}'", value);
    options.timestamp = value == "ns" ? SocketOptions::Stamps::Nano : SocketOptions::Stamps::Micro;
    return {};
}

using O = SocketOptions;
constexpr Word kWords[] = {
    {"v6only", false, set_v6only},
    {"reuseport", false, set_flag<&O::reuseport>},
    {"freebind", false, set_flag<&O::freebind>},
    {"transparent", false, set_flag<&O::transparent>},
    {"broadcast", false, set_flag<&O::broadcast>},
    {"nodelay", false, set_flag<&O::nodelay>},
    {"keepalive", false, set_keepalive},
    {"defer_accept", true, set_defer_accept},
    {"rcvbuf", true, set_bytes<&O::receive_buffer>},
    {"sndbuf", true, set_bytes<&O::send_buffer>},
    {"pipebuf", true, set_bytes<&O::pipe_buffer>},
    {"tos", true, set_number<&O::tos, 0, 255>},
    {"ttl", true, set_number<&O::ttl, 1, 255>},
    {"priority", true, set_number<&O::priority, 0, 6>},
    {"mark", true, set_number<&O::mark, 1, 2147483647>},
    {"device", true, set_device},
    {"congestion", true, set_congestion},
    {"symlink", true, set_symlink},
    {"pktinfo", false, set_flag<&O::pktinfo>},
    {"passcred", false, set_flag<&O::passcred>},
    {"passsec", false, set_flag<&O::passsec>},
    {"passpidfd", false, set_flag<&O::passpidfd>},
    {"no_passrights", false, set_flag<&O::no_passrights>},
    {"timestamp", false, set_timestamp},
    {"write", false, set_flag<&O::write>},
    {"mq_max", true, set_number<&O::queue_length, 1, 65536>},
    {"mq_size", true, set_bytes<&O::message_size>},
    {"nonblock", false, set_flag<&O::nonblock>},
    {"mode", true, set_mode},
    {"owner", true, set_id<&O::owner>},
    {"group", true, set_id<&O::group>},
    {"backlog", true, set_number<&O::backlog, 1, 65535>},
    {"dir_mode", true, set_dir_mode},
    {"keep_path", false, set_flag<&O::keep_path>},
};

}  // namespace

Status parse_socket_options(std::string_view text, SocketOptions& options)
{
    for (const std::string& item : text::words(text::replace_all(std::string(text), ",", " "))) {
        const auto equals = item.find('=');
        const std::string name = text::lower(item.substr(0, equals));
        const std::string value = equals == std::string::npos ? "" : item.substr(equals + 1);
        const auto word = std::find_if(std::begin(kWords), std::end(kWords), [&](auto& w) { return w.name == name; });
        if (word == std::end(kWords)) {
            std::vector<std::string> known;
            for (const Word& w : kWords) known.emplace_back(w.name);
            const auto near = text::nearest(name, known);
            return fail("unknown socket option '{}'{}", name, near ? fmt::format(", did you mean '{}'?", *near) : "");
        }
        if (word->takes_value && value.empty()) return fail("socket option '{}' needs a value: {}=…", name, name);
        if (Status set = word->set(options, value); !set) return wrap(set, fmt::format("socket option '{}'", name));
    }
    return {};
}

}  // namespace xsv::sys
