#include <algorithm>
#include <csignal>

#include "engine/lifecycle.h"

namespace xsv::engine {

namespace {

using namespace std::chrono_literals;

constexpr Duration kShortestPause = 100ms;  // also the least that backoff_max can mean: a retry loop is never tight
constexpr Duration kLongestPause = 5s;

bool was_killed(const ExitStatus& status) { return status.code == CLD_KILLED || status.code == CLD_DUMPED; }

bool names(const config::ExitWays& ways, const ExitStatus& status)
{
    const std::vector<int>& list = was_killed(status) ? ways.signals : ways.codes;
    const bool is_known = was_killed(status) || status.code == CLD_EXITED;
    return is_known && std::ranges::find(list, status.status) != list.end();
}

/// systemd's: these signals are a way to ask for an end, but not of a job that is to be finished.
bool is_clean(const Policy& policy, const ExitStatus& status)
{
    if (is_expected(policy, status)) return true;
    const int n = status.status;
    const bool asked = n == SIGHUP || n == SIGINT || n == SIGTERM || n == SIGPIPE;
    return status.code == CLD_KILLED && asked && policy.ready != config::ReadyWhen::Exit;
}

}  // namespace

Policy make_policy(const config::ServiceSpec& spec)
{
    const config::Policy& from = *spec.policy;
    Policy policy;
    policy.activation = spec.exec.activation;
    policy.has_sockets = spec.sockets.follow_state();
    policy.autostart = from.autostart;
    policy.gives_up = !policy.has_sockets || from.start_retries_set;
    policy.start_retries = from.start_retries;
    policy.start_time = from.start_time;
    policy.stop_time = from.stop_time;
    policy.backoff_max = from.backoff_max;
    policy.fatal_retry = from.fatal_retry;
    policy.autorestart = from.autorestart;
    policy.exit_codes = from.exit_codes;
    policy.restarts = spec.restarts;
    policy.ready = spec.ready->when;
    policy.start_timeout = from.start_timeout;
    policy.before_start = !spec.hooks->start_pre.empty() || !spec.hooks->stop_post.empty();
    policy.after_start = !spec.hooks->start_post.empty();
    policy.before_stop = !spec.hooks->stop_command.empty();
    policy.stop_signal = from.stop_signal;
    policy.stop_as_group = from.stop_as_group;
    policy.kill_as_group = from.kill_as_group || from.stop_as_group;
    return policy;
}

int ExitStatus::exit_code() const noexcept { return code == CLD_EXITED ? status : -1; }

bool is_expected(const Policy& policy, const ExitStatus& status)
{
    return names({policy.exit_codes, policy.restarts->exit_signals}, status);
}

bool restarts_after(const Policy& policy, Cause cause, const ExitStatus& status)
{
    using config::Autorestart;
    if (names(policy.restarts->prevent, status)) return false;
    if (names(policy.restarts->force, status)) return true;
    const bool by_itself = cause == Cause::Exit, clean = by_itself && is_clean(policy, status);
    switch (policy.autorestart) {
        case Autorestart::Never: return false;
        case Autorestart::Always: return true;
        case Autorestart::Unexpected: return !by_itself || !is_expected(policy, status);
        case Autorestart::OnSuccess: return clean;
        case Autorestart::OnFailure: return !clean;
        case Autorestart::OnAbnormal: return !by_itself || (!clean && was_killed(status));
        case Autorestart::OnAbort: return by_itself && !clean && was_killed(status);
        case Autorestart::OnWatchdog: return cause == Cause::Watchdog;
    }
    return false;
}

Duration retry_delay(const Policy& policy, int failures)
{
    if (!policy.has_sockets) return std::chrono::seconds(std::max(failures, 1));
    const int doublings = failures - (policy.activation == config::Activation::OnDemand ? 2 : 1);
    if (doublings < 0) return 0s;
    const Duration longest = std::max<Duration>(policy.backoff_max, kShortestPause);
    return std::min<Duration>(std::chrono::seconds(1LL << std::min(doublings, 30)), longest);
}

Duration pause_delay(int pauses)
{
    return std::min<Duration>(kShortestPause * (1LL << std::clamp(pauses - 1, 0, 10)), kLongestPause);
}

}  // namespace xsv::engine
