#include "xsvctl/options.h"

namespace xsv::xsvctl {

std::string usage_text(const Options& options)
{
    const char* text = options.as_supervisorctl
                           ? R"(supervisorctl -- control applications run by supervisord from the cmd line.

Usage: {} [options] [action [arguments]]

Options:
-c/--configuration FILENAME -- configuration file path (searches if not given)
-h/--help -- print usage message and exit
-i/--interactive -- start an interactive shell after executing commands
-s/--serverurl URL -- URL on which supervisord server is listening
     (default "http://localhost:9001").
-u/--username USERNAME -- username to use for authentication with server
-p/--password PASSWORD -- password to use for authentication with server
-r/--history-file -- keep a readline history (if readline is available)

action [arguments] -- see below

Actions are commands like "tail" or "stop".  If -i is specified or no action is
specified on the command line, a "shell" interpreting actions typed
interactively is started.  Use the action "help" to find out about available
actions.

)"
                           : R"(xsvctl -- control the programs that xsvd runs.

Usage: {} [options] [command [arguments]]

Options:
-c/--configuration FILE   configuration file of the daemon (searched for if not given)
-s/--serverurl URL        http://HOST:PORT, https://HOST:PORT or unix:///PATH (default: from the configuration file)
-u/--username NAME        user name for the server
-p/--password PASSWORD    password for the server
-i/--interactive          ask before reload --restart-all and shutdown
-r/--history_file FILE    keep the history of the shell there
--json                    print one JSON value instead of lines
--raw                     do not make control bytes visible on a terminal
--completion SHELL        print the completion script for bash, zsh or fish
--version                 print the version
-h/--help                 print this text

Without a command, a shell is started; "help" lists the commands.
)";
    return fmt::format(fmt::runtime(text), options.program);
}

}  // namespace xsv::xsvctl
