// Prints the tables that the manual pages are made from, for manuals.py: records end with \x1e, their fields with \x1f.
#include <cstdio>

#include <fmt/format.h>

#include "config/directives.h"
#include "control/methods.h"
#include "daemon/options.h"
#include "xsvctl/commands.h"
#include "xsvctl/options.h"

namespace {

template <class... Fields>
void record(const Fields&... fields)
{
    (fmt::print("{}\x1f", fields), ...);
    fmt::print("\x1e");
}

}  // namespace

int main()
{
    for (const auto& key : xsv::config::all_directives()) record("key", key.section, key.key, key.expected, key.initial, key.help);
    for (const auto& method : xsv::control::all_methods()) record("method", method.name, method.signature, method.least, method.help);
    for (const auto& name : xsv::xsvctl::command_names(false)) record("command", name, xsv::xsvctl::find_command(name, false)->help);
    record("usage", "xsvd", xsv::daemon::usage_text("xsvd"));
    record("usage", "xsvctl", xsv::xsvctl::usage_text({}));
}
