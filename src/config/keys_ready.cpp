#include <algorithm>

#include "base/text.h"
#include "config/directive.h"
#include "config/words.h"

/// [program:x]: when it is ready, what it may tell us, what runs beside it, and what follows its end.
namespace xsv::config {
namespace {

using S = ServiceSpec;

constexpr std::string_view kWays = "exit codes and signals such as 75, SIGKILL";
constexpr std::string_view kHook = "commands, one a line; '-' in front: may fail, '+': with the daemon's privileges";

constexpr Word<ReadyWhen> kWhens[] = {
    {"exec", ReadyWhen::Exec},       {"startsecs", ReadyWhen::StartSecs}, {"notify", ReadyWhen::Notify},
    {"connect", ReadyWhen::Connect}, {"exit", ReadyWhen::Exit},           {"fork", ReadyWhen::Fork}};
constexpr Word<NotifyAccess> kAccesses[] = {{"none", NotifyAccess::None},
                                            {"main", NotifyAccess::Main},
                                            {"exec", NotifyAccess::Exec},
                                            {"all", NotifyAccess::All}};

constexpr Word<StorePreserve> kPreserves[] = {{"no", StorePreserve::No}, {"restart", StorePreserve::Restart}, {"yes", StorePreserve::Yes}};

Status set_ready(S& spec, const std::string& text, const Setting&)
{
    constexpr std::string_view kFd = "fd:", kConnect = "connect:";
    const std::string word(text::trim(text));
    if (word.starts_with(kFd)) {
        const auto number = parse_integer(word.substr(kFd.size()));
        if (!number || *number < 3 || *number > 1023) return fail("expected fd: and a number from 3 to 1023, got '{}'", word);
        spec.ready.change().when = ReadyWhen::Fd;
        spec.ready.change().fd = static_cast<int>(*number);
        return {};
    }
    if (word.starts_with(kConnect)) {
        auto endpoint = sys::Endpoint::parse(word.substr(kConnect.size()));
        if (!endpoint) return tl::unexpected<Error>(std::move(endpoint).error());
        if (endpoint->type != sys::SocketType::Stream && endpoint->type != sys::SocketType::SeqPacket)
            return fail("nobody can be connected to {}", endpoint->text());
        spec.ready.change().when = ReadyWhen::Connect;
        spec.ready.change().connect_to = *std::move(endpoint);
        return {};
    }
    const auto when = parse_word(kWhens, word);
    if (!when) return fail("expected exec, startsecs, notify, fd:N, connect, connect:ENDPOINT, exit or fork, got '{}'", text);
    spec.ready.change().when = *when;
    return {};
}

Result<std::vector<std::string>> parse_hook(std::string_view text)
{
    std::vector<std::string> commands;
    for (const std::string& line : text::split(text, '\n')) {
        std::string command(text::trim(line));
        if (command.empty()) continue;
        const std::size_t begin = command.find_first_not_of("-+");
        const auto words = shell_words(begin == std::string::npos ? "" : command.substr(begin));
        if (!words) return fail("{}: '{}'", words.error().message, command);
        if (words->empty()) return fail("expected a command, got '{}'", command);
        commands.push_back(std::move(command));
    }
    return commands;
}

template <auto List>
Status set_hook(S& spec, const std::string& text, const Setting& setting)
{
    return set_by<parse_hook, &S::hooks, List>(spec, text, setting);
}

Status set_fdstore(S& spec, const std::string& text, const Setting&)
{
    const auto count = parse_integer(text);
    if (!count || *count < 0 || *count > 128) return fail("expected a number from 0 to 128, got '{}'", text);
    spec.ready.change().fdstore_max = static_cast<int>(*count);
    return {};
}

constexpr Directive<S> kReadyKeys[] = {
    {"ready", set_ready, "exec, startsecs, notify, fd:N, connect, connect:ENDPOINT, exit or fork", "startsecs",
     "when a started program counts as ready"},
    {"start_timeout", set<&S::policy, &Policy::start_timeout>, form::kTime, "90",
     "time until a program must be ready, else its start has failed; 0: no limit"},
    {"pid_file", set_path<&S::ready, &Ready::pid_file>, "a path", "",
     "with ready = fork: where the process that stays writes its number"},
    {"remain_after_exit", set<&S::restarts, &Restarts::remain_after_exit>, form::kYesNo, "no",
     "with ready = exit: counts as RUNNING after a good end"},
    {"notify_access", set_word<kAccesses, &S::ready, &Ready::access>, "none, main, exec or all",
     "main where notifications are needed, else none",
     "whose notifications count: the main process's, its commands' too, all of its processes'"},
    {"watchdog", set<&S::ready, &Ready::watchdog>, form::kTime, "0",
     "time in which a running program must give a sign of life (WATCHDOG=1), else it is ended; 0: off"},
    {"watchdog_signal", set_by<parse_signal, &S::restarts, &Restarts::watchdog_signal>, "a signal's name or number", "ABRT",
     "signal for a program whose sign of life is missing; SIGKILL follows after stopwaitsecs"},
    {"fdstore_max", set_fdstore, "a number from 0 to 128", "0",
     "descriptors that the program may leave with the daemon for its next process"},
    {"fdstore_preserve", set_word<kPreserves, &S::restarts, &Restarts::fdstore_preserve>, "no, restart or yes", "restart",
     "whether such descriptors go with the process, with a stop that no start follows, or stay"},
    {"restart_pause", set<&S::restarts, &Restarts::pause>, form::kTime, "0",
     "wait before each start that follows an end by itself; the state is BACKOFF"},
    {"restart_prevent", set_by<parse_exit_ways, &S::restarts, &Restarts::prevent>, kWays, "",
     "ends after which it is not started again, whatever autorestart says"},
    {"restart_force", set_by<parse_exit_ways, &S::restarts, &Restarts::force>, kWays, "",
     "ends after which it is started again, whatever autorestart says"},
    {"run_time_max", set<&S::restarts, &Restarts::run_time_max>, form::kTime, "no limit",
     "end the program after this time of running; autorestart decides what follows"},
    {"start_pre", set_hook<&Hooks::start_pre>, kHook, "", "run before each start; one that fails is a failed start"},
    {"start_post", set_hook<&Hooks::start_post>, kHook, "",
     "run once the program is ready; it is RUNNING after them, and stopped if one fails"},
    {"stop_command", set_hook<&Hooks::stop_command>, kHook, "",
     "run to stop a running program; whoever is left after them gets stopsignal"},
    {"stop_post", set_hook<&Hooks::stop_post>, kHook, "", "run after each end of the program or of a start_pre that failed, before it starts again"},
    {"reload_command", set_hook<&Hooks::reload_command>, kHook, "", "run by xsvctl refresh"},
    {"reload_signal", set_by<parse_signal, &S::hooks, &Hooks::reload_signal>, "a signal's name or number", "none",
     "sent by xsvctl refresh, after reload_command"},
};

}  // namespace

std::string Ready::text() const
{
    if (when == ReadyWhen::Fd) return fmt::format("fd:{}", fd);
    const std::string word(std::ranges::find(kWhens, when, &Word<ReadyWhen>::value)->word);
    return connect_to ? fmt::format("{}:{}", word, connect_to->text()) : word;
}

std::span<const Directive<ServiceSpec>> ready_keys()
{
    return kReadyKeys;
}

}  // namespace xsv::config
