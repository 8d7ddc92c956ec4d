#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sys/resource.h>
#include <sys/types.h>

#include "base/result.h"
#include "base/time.h"
#include "sys/address.h"
#include "sys/fd.h"

namespace xsv::sys {

/// The steps of a child before exec, in their order (robustness.md 2.2); a failing one is named in the slot.
enum class ChildStep : std::int32_t {
    None, Session, Cgroup, Accept, Refused, Descriptors, Priority, Limits, Root, Groups, Group, Capabilities, User, Verify,
    Directory, Sandbox, Signals, Exec
};
const char* step_text(ChildStep step);   ///< "changing to the directory", for messages

/// How far a child has come; the futex word the parent waits on.
enum class ChildStage : std::uint32_t { Cloning = 0, Accepted = 1, NothingToAccept = 2, Refused = 3, Failed = 4, Executing = 5 };

/// A child's part of its slot in the state table: the kernel and the child write it, until exec. Trivially copyable words.
struct ChildReport {
    std::atomic<std::int32_t> pid;       ///< stored by the kernel before the child's first instruction
    std::atomic<std::uint32_t> stage;    ///< ChildStage
    std::int32_t step;                   ///< ChildStep that failed
    std::int32_t error;                  ///< its errno
    Peer peer;                           ///< per connection: noted right after accept
};

/// A limit to set in the child: resource (RLIMIT_*), soft and hard value.
struct ResourceLimit {
    int resource = 0;
    rlim_t soft = 0, hard = 0;
    bool operator==(const ResourceLimit&) const = default;
};

/// Everything a new process needs, as values. prepare() turns it into the arrays a child can use without allocating.
struct ChildPlan {
    std::string path;                              ///< absolute, or as written when it contains a slash
    std::vector<std::string> argv;
    std::vector<std::string> environment;          ///< "KEY=value", finished (rule S6)
    std::vector<std::pair<int, int>> moves;        ///< our descriptor -> its number in the child; everything else is closed
    bool new_session = true;                       ///< setsid (always so for programs)

    /// Per connection: accept on this listener in the child; the connection becomes the target numbers.
    int listener = -1;
    std::vector<int> connection_targets;           ///< e.g. {0, 1} or {3}
    bool connection_environment = false;           ///< add REMOTE_ADDR, TCPREMOTEIP, … (all three vocabularies) after accept
    const std::uint64_t* connection_count = nullptr;   ///< add XSVD_CONNECTION=<what this says once the caller is accepted>
    bool listen_pid = false;                       ///< add LISTEN_PID=<own pid> (LISTEN_FDS, LISTEN_FDNAMES stand in `environment`)
    bool watchdog_pid = false;                     ///< add WATCHDOG_PID=<own pid>
    int until_exec = -1;                           ///< this one stays open until exec, for whoever watches its other end
    std::vector<AddressRule> allow, deny;
    AccessOrder access_order = AccessOrder::MostSpecific;
    std::string refusal;                           ///< sent to a refused caller before closing
    std::string greeting;                          ///< sent to an accepted caller before exec
    /// Asked in the child after the address rules; anything but 0 refuses the caller and stands in report.error (0 there: the
    /// rules refused him). Async-signal-safe and read-only.
    int (*why_not)(const Peer& peer, const void* context) noexcept = nullptr;
    const void* why_not_context = nullptr;

    std::optional<uid_t> uid;
    std::optional<gid_t> gid;
    std::vector<gid_t> groups;                     ///< supplementary; used when uid or gid is set
    std::optional<int> nice;
    std::optional<mode_t> umask;
    std::vector<ResourceLimit> limits;
    std::string directory;
    std::optional<int> oom_score_adj;
};

class PreparedChild;                               // private to processes.cpp

struct Spawned {
    pid_t pid = 0;
    UniqueFd pidfd;
};

/// How a process has ended, as its parent is told.
struct ProcessEnd {
    int code = 0;    ///< CLD_EXITED, CLD_KILLED, CLD_DUMPED
    int status = 0;  ///< exit code or signal
};

/// The one place where processes come from. Virtual so that tests can stand in for the kernel and refuse any call.
class Processes {
public:
    virtual ~Processes() = default;

    /// Flattens the plan; done ahead of time for services that spawn often. The plan's descriptors must stay open.
    virtual std::shared_ptr<PreparedChild> prepare(ChildPlan plan) = 0;
    /// clone3(CLONE_PARENT | CLONE_PIDFD | CLONE_PARENT_SETTID): the guardian is the parent; the kernel writes the pid into
    /// `report`. Memory is shared (fast) when the child keeps our identity, copied when it changes it (rule S1).
    /// With a listener, returns only after the child has accepted, refused, or found nothing (report.stage; ≤ 50 ms).
    /// `connection`: a caller we have accepted and admitted ourselves; -1: the child accepts.
    virtual Result<Spawned> spawn(PreparedChild& child, ChildReport& report, int connection = -1) = 0;
    /// A pidfd for a process that is certainly ours (a live slot before the guardian reaps).
    virtual Result<UniqueFd> open(pid_t pid) = 0;
    /// ESRCH counts as success (false: nobody was there).
    virtual Result<bool> signal(const UniqueFd& pidfd, int signal) = 0;
    /// The whole process group, also after its leader was reaped (rule K2). False: nobody was there.
    virtual Result<bool> signal_group(const UniqueFd& pidfd, pid_t leader, int signal) = 0;
    /// Of somebody else's child: how it ended, once its parent knows. nullopt before that, and always before Linux 6.15.
    virtual std::optional<ProcessEnd> end_of(const UniqueFd& pidfd) = 0;
    /// Seconds since boot at which the process started, in clock ticks (field 22 of its stat); 0 when gone.
    virtual std::uint64_t start_ticks(pid_t pid) = 0;
};

/// The real one. `parent_is_guardian` false (tests, `xsvctl run`): plain children of the caller.
std::unique_ptr<Processes> kernel_processes(bool parent_is_guardian);

/// This process executes that file, with its own environment: its number and what is not close-on-exec stay. Returns only if
/// that fails.
Error execute_in_place(int file, const std::vector<std::string>& arguments);

/// 0, 1 and 2 become /dev/null: nothing is left to be said there, and whoever reads it should find its end.
void leave_terminal(int null);

}  // namespace xsv::sys
