#pragma once

#include <array>
#include <string>
#include <utility>
#include <vector>

#include <sys/syscall.h>
#include <unistd.h>

#include "sys/processes.h"

namespace xsv::sys {

/// Code that runs between clone and exec: a sanitizer's run-time library may not be entered there, because the child
/// may run on the daemon's memory.
#if defined(__clang__)
#define XSV_IN_CHILD __attribute__((no_sanitize("address", "thread", "undefined")))
#else
#define XSV_IN_CHILD __attribute__((no_sanitize("address,thread,undefined")))
#endif

/// The only way to the kernel in a child.
template <class... A>
XSV_IN_CHILD inline long call(long number, A... arguments) noexcept
{
    return ::syscall(number, arguments...);
}

/// The variables that only the child can know, in buffers made before the clone.
class ChildVariables {
public:
    static constexpr std::size_t kMost = 13;
    using Slot = std::array<char, 160>;  // the longest is IPCREMOTEPATH= with a unix path

    /// All of them without values; an inherited variable of one of these names would speak of another connection.
    static bool is_ours(const std::string& variable, bool connection, bool listen_pid, bool watchdog_pid = false);

    void add_connection(const Peer& peer, const char* path) noexcept;  ///< `path`: of a unix caller, or null
    void add_cookie(int connection) noexcept;
    void add_connection_number(std::uint64_t number) noexcept;
    void add_listen_pid(int pid) noexcept;    ///< and LISTEN_PIDFDID, where the kernel has such numbers
    void add_watchdog_pid(int pid) noexcept;
    std::size_t count() const noexcept { return count_; }
    char* operator[](std::size_t index) noexcept { return slots_[index].data(); }
    void clear() noexcept { count_ = 0; }

private:
    class Writer;
    std::array<Slot, kMost> slots_;
    std::size_t count_ = 0;
};

/// A plan as arrays that a child can use without allocating. Reused for every process of the plan, one at a time.
class PreparedChild {
public:
    struct Move { int from, to; };
    struct Range { unsigned first, last; };

    explicit PreparedChild(ChildPlan plan, int null_device = -1);
    PreparedChild(const PreparedChild&) = delete;
    PreparedChild& operator=(const PreparedChild&) = delete;

    const ChildPlan& plan() const noexcept { return plan_; }
    bool changes_identity() const noexcept { return changes_identity_; }
    const std::vector<Move>& moves() const noexcept { return moves_; }   ///< from -1: the connection

private:
    friend class Child;
    void prepare_descriptors(int null_device);

    ChildPlan plan_;
    std::vector<char*> argv_;
    std::vector<char*> envp_;                 ///< kMost free places, then the plan's, then null
    ChildVariables variables_;
    std::vector<Move> moves_;                 ///< the connection's source is -1 until it is accepted
    std::vector<Move> pending_;               ///< the child's working copy
    std::vector<Range> gaps_;                 ///< numbers to close
    std::vector<int> ignored_;                ///< signals that are ignored here and must not be there
    int highest_target_ = 2;
    int until_exec_ = -1;                     ///< number there of the descriptor that exec closes
    int log_ = -1;                            ///< 2 where the child's stderr is a log and not a caller
    uid_t uid_ = 0;
    gid_t gid_ = 0;
    bool changes_identity_ = false;
    bool wakes_parent_ = false;
    bool is_root_ = false;
};

using PeerPath = char[109];   ///< a unix caller's own name, "@name" or a path; empty: he has none
/// Who is at the other end; `from` is what accept or getpeername said.
void note_peer(Peer& peer, PeerPath& path, int connection, const void* from, unsigned length) noexcept;

class LowNumbers;

/// What a new process starts with: run() is the one function between clone and exec.
class Child {
public:
    /// With `low` it shares our descriptor table, and finds there what it needs.
    Child(PreparedChild& prepared, ChildReport& report, int connection, const LowNumbers* low)
        : prepared_(prepared), report_(report), connection_(connection), low_(low)
    {
    }
    [[noreturn]] static void run(void* child) noexcept;

private:
    void take_own_table() noexcept;
    int number_of(int fd) const noexcept;
    void accept_caller() noexcept;
    void refuse(int connection) noexcept;
    void accepted() noexcept;
    void greet() noexcept;
    void move_descriptors() noexcept;
    void set_priority_and_limits() noexcept;
    void change_identity() noexcept;
    void verify_identity() noexcept;
    void reset_signals() noexcept;
    [[noreturn]] void execute() noexcept;
    void set_stage(ChildStage stage) noexcept;
    [[noreturn]] void fail(ChildStep step, int error) noexcept;
    void explain(ChildStep step, int error) noexcept;

    PreparedChild& prepared_;
    ChildReport& report_;
    int connection_;             ///< -1: to be accepted here
    const LowNumbers* low_;
    std::uint64_t number_ = 0;   ///< of the connection
    PeerPath path_ = {};
};

}  // namespace xsv::sys
