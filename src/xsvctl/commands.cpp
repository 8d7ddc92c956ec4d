#include "xsvctl/commands.h"

#include <algorithm>

namespace xsv::xsvctl {
namespace {

using enum Names;

constexpr bool kServer = true;
constexpr bool kArguments = true, kNoArguments = false;

constexpr Command kSupervisorCommands[] = {
    {"add", Groups, "add <name> [...]\tActivates any updates in config for process/group", commands::add},
    {"avail", None, "avail\t\t\tDisplay all configured processes", commands::avail, false, kNoArguments},
    {"clear", Processes,
     "clear <name>\t\tClear a process' log files.\n"
     "clear <name> <name>\tClear multiple process' log files\n"
     "clear all\t\tClear all process' log files",
     commands::clear, kServer},
    {"exit", None, "exit\tExit the supervisor shell.", commands::quit},
    {"fg", Processes,
     "fg <process>\tConnect to a process in foreground mode\n"
     "\t\tCtrl-C to exit",
     commands::fg, kServer},
    {"maintail", None,
     "maintail -f \tContinuous tail of supervisor main log file (Ctrl-C to exit)\n"
     "maintail -100\tlast 100 *bytes* of supervisord main log file\n"
     "maintail\tlast 1600 *bytes* of supervisor main log file\n",
     commands::maintail, kServer},
    {"open", None,
     "open <url>\tConnect to a remote supervisord process.\n"
     "\t\t(for UNIX domain socket, use unix:///socket/path)",
     commands::open},
    {"pid", Processes,
     "pid\t\t\tGet the PID of supervisord.\n"
     "pid <name>\t\tGet the PID of a single child process by name.\n"
     "pid all\t\t\tGet the PID of every child process, one per line.",
     commands::pid, kServer},
    {"quit", None, "quit\tExit the supervisor shell.", commands::quit},
    {"reload", None, "reload \t\tRestart the remote supervisord.", commands::reload, false, kNoArguments},
    {"remove", Groups, "remove <name> [...]\tRemoves process/group from active config", commands::remove},
    {"reread", None, "reread \t\t\tReload the daemon's configuration files without add/remove", commands::reread, false,
     kNoArguments},
    {"restart", Processes,
     "restart <name>\t\tRestart a process\n"
     "restart <gname>:*\tRestart all processes in a group\n"
     "restart <name> <name>\tRestart multiple processes or groups\n"
     "restart all\t\tRestart all processes\n"
     "Note: restart does not reread config files. For that, see reread and update.",
     commands::restart, kServer},
    {"shutdown", None, "shutdown \tShut the remote supervisord down.", commands::shutdown, false, kNoArguments},
    {"signal", Processes,
     "signal <signal name> <name>\t\tSignal a process\n"
     "signal <signal name> <gname>:*\t\tSignal all processes in a group\n"
     "signal <signal name> <name> <name>\tSignal multiple processes or groups\n"
     "signal <signal name> all\t\tSignal all processes",
     commands::signal, kServer},
    {"start", Processes,
     "start <name>\t\tStart a process\n"
     "start <gname>:*\t\tStart all processes in a group\n"
     "start <name> <name>\tStart multiple processes or groups\n"
     "start all\t\tStart all processes",
     commands::start, kServer},
    {"status", Processes,
     "status <name>\t\tGet status for a single process\n"
     "status <gname>:*\tGet status for all processes in a group\n"
     "status <name> <name>\tGet status for multiple named processes\n"
     "status\t\t\tGet all process status info",
     commands::status, kServer},
    {"stop", Processes,
     "stop <name>\t\tStop a process\n"
     "stop <gname>:*\t\tStop all processes in a group\n"
     "stop <name> <name>\tStop multiple processes or groups\n"
     "stop all\t\tStop all processes",
     commands::stop, kServer},
    {"tail", Processes,
     "tail [-f] <name> [stdout|stderr] (default stdout)\n"
     "Ex:\n"
     "tail -f <name>\t\tContinuous tail of named process stdout\n"
     "\t\t\tCtrl-C to exit.\n"
     "tail -100 <name>\tlast 100 *bytes* of process stdout\n"
     "tail <name> stderr\tlast 1600 *bytes* of process stderr",
     commands::tail, kServer},
    {"update", Groups,
     "update\t\t\tReload config and add/remove as necessary, and will restart affected programs\n"
     "update all\t\tReload config and add/remove as necessary, and will restart affected programs\n"
     "update <gname> [...]\tUpdate specific groups",
     commands::update},
    {"version", None, "version\t\t\tShow the version of the remote supervisord process", commands::version, kServer,
     kNoArguments},
};

constexpr Command kOwnCommands[] = {
    {"check", Files,
     "check\t\t\tCheck the daemon's configuration; every mistake with file and line\n"
     "check <file>\t\tCheck a file, without a daemon; also one of xinetd, inetd or systemd, with what will differ",
     commands::check, false, kArguments, true},
    {"diff", None, "diff\t\t\tShow what reload would change", commands::diff, false, kNoArguments, true},
    {"import", Files,
     "import [--from xinetd|inetd|systemd] [--unsafe] <file> [...]\n"
     "\t\t\tPrint the files of another daemon as a configuration of xsvd, with a comment for what differs",
     commands::import, false, kArguments, true},
    {"refresh", Processes, "refresh <name> [...]\tAsk programs to read their own configuration again", commands::refresh, false, kArguments,
     true},
    {"reload", None,
     "reload\t\t\tRead the configuration again and apply the difference\n"
     "reload --restart-all\tStop everything and start it anew",
     commands::apply, false, kArguments, true},
    {"resume", None, "resume\t\t\tLeave hold mode: accept new configuration again", commands::resume, false, kNoArguments, true},
    {"run", Processes, "run <name>\t\tRun a program here, in its own environment", commands::run, false, kArguments,
     true},
    {"show", Processes,
     "show\t\t\tShow everything about every program\n"
     "show <name> [...]\tShow sockets, callers, memory, restarts, last exit, next try",
     commands::show, false, kArguments, true},
    {"wait", Processes,
     "wait <name> [--for running|stopped|exited|listening] [--timeout 30s]\n"
     "\t\t\tWait until a program is there; exit code 1 when the time is up",
     commands::wait, false, kArguments, true},
    {"why", Processes, "why <name> [...]\tTell why a program is not running", commands::why, false, kArguments, true},
};

// "help" belongs to the shell and not to the list it prints.
constexpr Command kHelp{"help", Commands,
                        "help\t\tPrint a list of available actions\n"
                        "help <action>\tPrint help for <action>",
                        commands::help};
// The end of the shell's input arrives as this word, and typing it does the same.
constexpr Command kEndOfInput{"EOF", None, "", commands::quit};

const Command* find_in(std::span<const Command> list, std::string_view name)
{
    const auto found = std::find_if(list.begin(), list.end(), [&](const Command& c) { return c.name == name; });
    return found == list.end() ? nullptr : &*found;
}

}  // namespace

std::span<const Command> supervisor_commands()
{
    return kSupervisorCommands;
}
std::span<const Command> own_commands()
{
    return kOwnCommands;
}

const Command* find_command(std::string_view name, bool as_supervisorctl)
{
    if (name == kHelp.name) return &kHelp;
    if (name == kEndOfInput.name) return &kEndOfInput;
    if (!as_supervisorctl) {
        if (const Command* own = find_in(kOwnCommands, name)) return own;
    }
    return find_in(kSupervisorCommands, name);
}

std::vector<std::string> command_names(bool as_supervisorctl)
{
    std::vector<std::string> names{"help"};
    for (const Command& command : kSupervisorCommands) names.emplace_back(command.name);
    if (!as_supervisorctl) {
        for (const Command& command : kOwnCommands) names.emplace_back(command.name);
    }
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    return names;
}

}  // namespace xsv::xsvctl
