#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "config/surroundings.h"

namespace xsv::config::xinetd {

/// /etc/services and /etc/rpc, read once when something asks.
class Databases {
public:
    explicit Databases(const Surroundings& surroundings) : surroundings_(surroundings) {}

    std::optional<std::uint16_t> port(const std::string& service, const std::string& protocol);
    std::optional<std::uint32_t> rpc_program(const std::string& name);

private:
    void read_services();
    void read_programs();

    const Surroundings& surroundings_;
    std::optional<std::map<std::string, std::uint16_t>> services_;   // "name/protocol"
    std::optional<std::map<std::string, std::uint32_t>> programs_;
};

}  // namespace xsv::config::xinetd
