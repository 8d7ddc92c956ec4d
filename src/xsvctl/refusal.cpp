#include "xsvctl/refusal.h"

#include "xsvctl/commands.h"

namespace xsv::xsvctl {

Outcome complain_about_usage(Session& session, std::string_view command)
{
    session.error(fmt::format("Error: wrong arguments for {}", command), exit_code::kInvalidArguments);
    session.out.line(find_command(command, false)->help);
    return {};
}

Outcome refuse(Session& session, Answer& failed, std::string_view name)
{
    const CallError& error = failed.error();
    if (error.is_fault(fault::kUnknownMethod)) {
        session.error("ERROR: the daemon does not know this command: it is Supervisor's, or an older xsvd",
                      exit_code::kUnsupported);
    } else if (error.is_fault(fault::kBadName)) {
        session.error(fmt::format("{}: ERROR (no such process)", name));
    } else if (error.is_fault(fault::kShutdownState)) {
        session.error("ERROR: already shutting down");
    } else if (error.is_fault(fault::kCantReread)) {
        std::string_view mistakes = error.text;
        if (mistakes.starts_with("CANT_REREAD: ")) mistakes.remove_prefix(13);
        session.error("ERROR: the configuration has mistakes, nothing was changed:\n" + std::string(mistakes));
    } else {
        return raise(failed);
    }
    return {};
}

}  // namespace xsv::xsvctl
