#include "engine/connection_log.h"

#include <csignal>
#include <ctime>

#include <fmt/core.h>

namespace xsv::engine {
namespace {

/// on-demand.md 2.7. Where xinetd knows no such reason, the nearest word of it.
std::string_view reason_word(Reason why)
{
    switch (why) {
        case Reason::Rate:
        case Reason::SourceRate: return "connections per second";
        case Reason::Load: return "load";
        case Reason::Hours: return "time";
        case Reason::Instances: return "service_limit";
        case Reason::Source: return "per_source_limit";
        case Reason::Address: return "address";
        case Reason::Resources:
        case Reason::Descriptors: break;
    }
    return "process_limit";
}

std::string from(const sys::Peer& peer)
{
    return peer.kind == sys::Peer::None ? std::string("<no address>") : peer.host();
}

}  // namespace

std::optional<std::string> start_line(const config::ServiceSpec& spec, const sys::Peer& peer, pid_t pid)
{
    const auto words = spec.output->connections->success;
    if (words == 0) return std::nullopt;
    std::string line = "START: " + spec.name;
    if (words & config::kLogPid) line += fmt::format(" pid={}", pid);
    if (words & config::kLogHost) line += " from=" + from(peer);
    return line;
}

std::optional<std::string> exit_line(const config::ServiceSpec& spec, pid_t pid, const ExitStatus& status, Duration life)
{
    const auto words = spec.output->connections->success;
    if ((words & (config::kLogExit | config::kLogDuration)) == 0) return std::nullopt;
    std::string line = "EXIT: " + spec.name;
    if (words & config::kLogExit) line += fmt::format(" {}={}", status.code == CLD_EXITED ? "status" : "signal", status.status);
    if (words & config::kLogPid) line += fmt::format(" pid={}", pid);
    if (words & config::kLogDuration)
        line += fmt::format(" duration={}(sec)", std::chrono::duration_cast<std::chrono::seconds>(life).count());
    return line;
}

std::optional<std::string> fail_line(const config::ServiceSpec& spec, const sys::Peer& peer, Reason why)
{
    const auto words = spec.output->connections->failure;
    if (words == 0) return std::nullopt;
    std::string line = fmt::format("FAIL: {} {}", spec.name, reason_word(why));
    if (words & config::kLogHost) line += " from=" + from(peer);
    return line;
}

std::string line_stamp(std::int64_t wall_seconds)
{
    const auto seconds = static_cast<std::time_t>(wall_seconds);
    std::tm t{};
    ::localtime_r(&seconds, &t);
    return fmt::format("{}/{}/{}@{:02}:{:02}:{:02}: ", t.tm_year % 100, t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec);
}

}  // namespace xsv::engine
