#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>

#include "base/text.h"
#include "config/xinetd/draft.h"

/// Where callers come to: the port, the families, the address.
namespace xsv::config::xinetd {
namespace {

bool is_four(const std::string& text)
{
    in_addr address{};
    return ::inet_pton(AF_INET, text.c_str(), &address) == 1;
}

bool is_six(const std::string& text)
{
    in6_addr address{};
    return ::inet_pton(AF_INET6, text.substr(0, text.find('%')).c_str(), &address) == 1;
}

class SocketWriter {
public:
    SocketWriter(Draft& draft, Databases& databases) : draft_(draft), databases_(databases) {}

    void run()
    {
        if (draft_.protocol.empty() || draft_.socket_type.empty()) return;
        if (draft_.is_muxed()) {
            draft_.section.set("socket", std::string(draft_.is("tcpmuxplus") ? "tcpmux:+" : "tcpmux:") + draft_.service.name, place("type"));
        } else if (draft_.is("rpc")) {
            write_rpc();
        } else if (take_port()) {
            if (const auto endpoint = endpoint_text()) draft_.section.set("socket", *endpoint, socket_place());
        }
        write_options();
    }

private:
    Place place(std::string_view attribute) const
    {
        const Attribute* const line = draft_.find(attribute);
        return line != nullptr ? line->place : draft_.service.place;
    }
    Place socket_place() const { return draft_.find("port") != nullptr ? place("port") : place("socket_type"); }

    /// A listed service has the port of /etc/services, whatever the entry says.
    bool take_port()
    {
        const Attribute* const line = draft_.find("port");
        // 0 is allowed with xinetd, but no caller finds such a service.
        const std::int64_t written = line != nullptr ? draft_.number(*line, 1, 65535, line->values[0]).value_or(0) : 0;
        if (line != nullptr && written == 0) return false;
        if (draft_.is("unlisted")) {
            if (line == nullptr) draft_.missing("port", "missing: type = UNLISTED needs it");
            draft_.port = static_cast<std::uint16_t>(written);
            return line != nullptr;
        }
        const std::string& name = draft_.service.name;
        draft_.port = databases_.port(name, draft_.protocol);
        if (!draft_.port) {
            draft_.missing("service", fmt::format("/etc/services has no '{}' for {}: expected type = UNLISTED and a port", text::escape_control(name), draft_.protocol));
            return false;
        }
        if (line == nullptr || written == *draft_.port) return true;
        draft_.mistake(*line, fmt::format("expected {}, as in /etc/services, or type = UNLISTED; got {}", *draft_.port, written));
        return false;
    }

    /// IPv6 means both families with xinetd, unless v6only says no.
    std::optional<std::string> endpoint_text()
    {
        const bool four = draft_.has_flag("ipv4"), six = draft_.has_flag("ipv6");
        const bool v6only = read_v6only();
        const Attribute* const bind = draft_.find("bind");
        if (bind != nullptr) return bound(*bind, four && !six, six && !four, v6only);
        const char* const family = four && !six ? "4" : v6only ? "6" : "";
        return fmt::format("{}{}:{}", draft_.protocol, family, *draft_.port);
    }

    bool read_v6only()
    {
        const Attribute* const line = draft_.find("v6only");
        const auto flag = draft_.flag("v6only");
        if (flag && !*flag && draft_.service.settings.find("v6only") != nullptr)
            draft_.warning(*line, "'no' lets IPv4 callers in as well; with xinetd it did not, whatever it said");
        return flag.value_or(false);
    }

    std::optional<std::string> bound(const Attribute& line, bool only_four, bool only_six, bool v6only)
    {
        const auto address = look_up(line, only_four, only_six);
        if (!address) return std::nullopt;
        const bool is_four_address = is_four(*address);
        if ((is_four_address && only_six) || (!is_four_address && only_four)) {
            draft_.mistake(line, fmt::format("'{}' does not go with flags = {}", *address, only_six ? "IPv6" : "IPv4"));
            return std::nullopt;
        }
        if (*address == "0.0.0.0") return fmt::format("{}4:{}", draft_.protocol, *draft_.port);
        if (*address == "::") return fmt::format("{}{}:{}", draft_.protocol, v6only ? "6" : "", *draft_.port);
        if (is_four_address) return fmt::format("{}:{}:{}", draft_.protocol, *address, *draft_.port);
        return fmt::format("{}:[{}]:{}", draft_.protocol, *address, *draft_.port);
    }

    /// The one address of a host; of several, that of the family which the flags name, and IPv6 without flags.
    std::optional<std::string> look_up(const Attribute& line, bool only_four, bool only_six)
    {
        const std::string& written = line.values[0];
        if (is_four(written) || is_six(written)) return written;
        const auto addresses = draft_.surroundings.addresses(written);
        if (!addresses) {
            draft_.mistake(line, addresses.error().message);
            return std::nullopt;
        }
        const bool want_six = only_six || (!only_four && addresses->size() > 1);
        const auto fits = std::find_if(addresses->begin(), addresses->end(), [&](const std::string& one) { return is_six(one) == want_six; });
        if (fits != addresses->end()) return *fits;
        if (only_six || only_four) {
            draft_.mistake(line, fmt::format("'{}' has no {} address", text::escape_control(written), only_six ? "IPv6" : "IPv4"));
            return std::nullopt;
        }
        return addresses->front();
    }

    void write_rpc()
    {
        if (const Attribute* port = draft_.find("port")) draft_.mistake(*port, "does not go with type = RPC: rpcbind tells callers the port");
        const Attribute* const version = draft_.find("rpc_version");
        const Attribute* const number = draft_.find("rpc_number");
        if (version == nullptr) draft_.missing("rpc_version", "missing: type = RPC needs it");
        std::optional<std::int64_t> program;
        if (number != nullptr) {
            program = draft_.number(*number, 0, UINT32_MAX, number->values[0]);
        } else if (draft_.is("unlisted")) {
            draft_.missing("rpc_number", "missing: an UNLISTED service of type RPC needs it");
        } else if (const auto listed = databases_.rpc_program(draft_.service.name)) {
            program = *listed;
        } else {
            draft_.missing("service", fmt::format("/etc/rpc has no '{}': expected type = RPC UNLISTED and rpc_number", text::escape_control(draft_.service.name)));
        }
        if (version == nullptr || !program) return;
        const std::string& versions = version->values[0];
        const auto dash = versions.find('-');
        const auto first = draft_.number(*version, 0, UINT32_MAX, versions.substr(0, dash));
        const auto last = dash == std::string::npos ? first : draft_.number(*version, 0, UINT32_MAX, versions.substr(dash + 1));
        if (!first || !last) return;
        if (*last < *first) return draft_.mistake(*version, fmt::format("the range '{}' ends before it begins", versions));
        draft_.section.set("rpc", dash == std::string::npos ? fmt::format("{}/{}", *program, *first) : fmt::format("{}/{}-{}", *program, *first, *last), version->place);
        draft_.port = 0;
        // rpcbind tells a port for each family, and callers ask for that of IPv4.
        if (auto endpoint = endpoint_text()) draft_.section.set("socket", *endpoint == draft_.protocol + ":0" ? draft_.protocol + "4:0" : *endpoint, place("socket_type"));
    }

    void write_options()
    {
        std::string options;
        if (draft_.has_flag("nodelay") && draft_.is_stream()) options = "nodelay";
        if (draft_.has_flag("keepalive") && draft_.is_stream()) options += options.empty() ? "keepalive" : ", keepalive";
        if (!options.empty()) draft_.section.set("socket_options", options, place("flags"));
        if (draft_.has_flag("keepalive") && !draft_.is_stream()) draft_.warning(*draft_.find("flags"), "KEEPALIVE is ignored: it is for stream sockets");
    }

    Draft& draft_;
    Databases& databases_;
};

}  // namespace

void write_socket(Draft& draft, Databases& databases)
{
    SocketWriter(draft, databases).run();
}

}  // namespace xsv::config::xinetd
