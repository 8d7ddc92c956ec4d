#include <algorithm>
#include <csignal>

#include "engine/lifecycle.h"

namespace xsv::engine {

namespace {

using namespace std::chrono_literals;

constexpr Duration kShortestPause = 100ms;  // also the least that backoff_max can mean: a retry loop is never tight
constexpr Duration kLongestPause = 5s;

}  // namespace

Policy make_policy(const config::ServiceSpec& spec)
{
    const config::Policy& from = spec.policy;
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
    policy.stop_signal = from.stop_signal;
    policy.stop_as_group = from.stop_as_group;
    policy.kill_as_group = from.kill_as_group || from.stop_as_group;
    return policy;
}

int ExitStatus::exit_code() const noexcept { return code == CLD_EXITED ? status : -1; }

bool is_expected(const Policy& policy, const ExitStatus& status)
{
    return status.code == CLD_EXITED && std::ranges::find(policy.exit_codes, status.status) != policy.exit_codes.end();
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
