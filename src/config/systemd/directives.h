#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/systemd/unit.h"

namespace xsv::config::systemd {

class ProgramBuilder;

/// What becomes of a directive.
enum class Fate : std::uint8_t {
    Used,      ///< told in native keys
    Ignored,   ///< has no meaning here, and nobody misses it
    Warned,    ///< ignored with a warning
    Refused,   ///< the program does not start: nothing here does that
    Sandbox    ///< the program does not start unless import_unsafe: it would have more rights than its author allowed
};
std::string_view fate_text(Fate fate);   ///< for the guide's table: "used", "ignored", …

/// The values of one directive of one unit since the last empty one; never none.
struct Values {
    std::vector<const Assignment*> items;
    const Assignment& last() const { return *items.back(); }
    const Place& place() const { return items.back()->place; }
};

struct Directive {
    using Reader = void (ProgramBuilder::*)(const Directive&, const Values&);
    std::string_view section, key;
    Fate fate;
    std::string_view text;       ///< Used: the native keys; else the reason
    Reader read = nullptr;
    std::string_view word = {};  ///< what a reader for many directives needs to know
};

std::span<const Directive> unit_directives();
std::span<const Directive> socket_directives();
std::span<const Directive> service_directives();
/// All of them; read in this order, which matters where one looks at another.
std::span<const Directive> directives();

}  // namespace xsv::config::systemd
