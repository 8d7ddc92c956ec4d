#include "config/systemd/directives.h"

/// What of a unit is understood. doc/socket-activation-without-systemd.md has the same table; a test compares them.
namespace xsv::config::systemd {

std::string_view fate_text(Fate fate)
{
    switch (fate) {
        case Fate::Used: return "used";
        case Fate::Ignored: return "ignored";
        case Fate::Warned: return "warning";
        case Fate::Refused: return "refused";
        case Fate::Sandbox: break;
    }
    return "refused unless import_unsafe";
}

std::span<const Directive> directives()
{
    static const std::vector<Directive> kAll = [] {
        std::vector<Directive> all;
        for (const auto& section : {unit_directives(), socket_directives(), service_directives()}) all.insert(all.end(), section.begin(), section.end());
        return all;
    }();
    return kAll;
}

}  // namespace xsv::config::systemd
