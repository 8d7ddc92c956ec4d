#pragma once

#include <string>
#include <string_view>

#include "config/systemd/unit.h"

namespace xsv::config::systemd {

/// Stands in expanded text for what only the connection tells: its instance name. Never part of a unit's own text.
constexpr char kConnection = '\x01';

/// "%i", "%t" and so on of one unit.
class Specifiers {
public:
    /// `per_connection`: the unit is a template whose instances are connections.
    Specifiers(const Unit& unit, bool per_connection, const Surroundings& surroundings)
        : unit_(unit),
          per_connection_(per_connection),
          surroundings_(surroundings)
    {
    }

    Result<std::string> expand(std::string_view text) const;

private:
    Result<std::string> value(char letter) const;
    Result<std::string> first_line(const std::string& file) const;
    std::string folder(std::string_view system, std::string_view variable, std::string_view below_home) const;
    Result<std::string> of_release(std::string_view key) const;

    const Unit& unit_;
    bool per_connection_;
    const Surroundings& surroundings_;
};

}  // namespace xsv::config::systemd
