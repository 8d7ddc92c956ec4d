// Everything between clone and exec. Only raw system calls: the child may run on the daemon's memory while the daemon
// stands still, and other threads' locks are frozen as they were.

#include "sys/child.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/low_numbers.h"

namespace xsv::sys {
namespace {

XSV_IN_CHILD void write_text(int fd, const char* text) noexcept
{
    std::size_t length = 0;
    while (text[length]) ++length;
    call(SYS_write, fd, text, length);
}

XSV_IN_CHILD void write_number(int fd, unsigned long value) noexcept
{
    char digits[21];
    char* at = digits + sizeof digits - 1;
    *at = '\0';
    do {
        *--at = static_cast<char>('0' + value % 10);
        value /= 10;
    } while (value);
    write_text(fd, at);
}

}  // namespace

XSV_IN_CHILD void Child::run(void* argument) noexcept
{
    Child& child = *static_cast<Child*>(argument);
    const ChildPlan& plan = child.prepared_.plan_;
    if (child.low_ != nullptr) child.take_own_table();
    if (plan.new_session && call(SYS_setsid) < 0) child.fail(ChildStep::Session, errno);
    if (plan.listener >= 0) child.accept_caller();
    child.move_descriptors();
    child.set_priority_and_limits();
    if (child.prepared_.changes_identity_) child.change_identity();
    // As the user, so that root does not walk the user's links.
    if (!plan.directory.empty() && call(SYS_chdir, plan.directory.c_str()) < 0) child.fail(ChildStep::Directory, errno);
    child.execute();
}

/// The low part of our table; whatever is above stays behind. Nothing else may be done to a table that is shared.
XSV_IN_CHILD void Child::take_own_table() noexcept
{
    constexpr unsigned kUnshare = 1U << 1;  // CLOSE_RANGE_UNSHARE
    if (call(SYS_close_range, LowNumbers::kEnd, ~0U, kUnshare) < 0) fail(ChildStep::Descriptors, errno);
    if (connection_ >= 0) connection_ = number_of(connection_);
}

XSV_IN_CHILD int Child::number_of(int fd) const noexcept
{
    return low_ != nullptr ? low_->of(fd) : fd;
}

XSV_IN_CHILD void Child::move_descriptors() noexcept
{
    PreparedChild::Move* moves = prepared_.pending_.data();
    const PreparedChild::Move* planned = prepared_.moves_.data();
    const std::size_t count = prepared_.moves_.size();
    for (std::size_t i = 0; i < count; ++i) moves[i] = {planned[i].from < 0 ? connection_ : number_of(planned[i].from), planned[i].to};
    // First out of the way with every source that stands where another descriptor will go.
    for (std::size_t i = 0; i < count; ++i) {
        const int source = moves[i].from;
        bool is_in_the_way = false;
        for (std::size_t other = 0; other < count; ++other) {
            is_in_the_way = is_in_the_way || (moves[other].to == source && moves[other].from != source);
        }
        if (!is_in_the_way) continue;
        const long copy = call(SYS_fcntl, source, F_DUPFD_CLOEXEC, prepared_.highest_target_ + 1);
        if (copy < 0) fail(ChildStep::Descriptors, errno);
        for (std::size_t other = 0; other < count; ++other) {
            if (moves[other].from == source) moves[other].from = static_cast<int>(copy);
        }
    }
    for (std::size_t i = 0; i < count; ++i) {
        const auto [from, to] = moves[i];
        // dup2 to the same number keeps close-on-exec, and dup3 refuses it.
        const long done = from == to ? call(SYS_fcntl, from, F_SETFD, 0) : call(SYS_dup3, from, to, 0);
        if (done < 0) fail(ChildStep::Descriptors, errno);
    }
    if (prepared_.until_exec_ >= 0 && call(SYS_fcntl, prepared_.until_exec_, F_SETFD, FD_CLOEXEC) < 0) fail(ChildStep::Descriptors, errno);
    // Ours are close-on-exec from birth; this is for what a library or our own starter left open.
    const PreparedChild::Range* gaps = prepared_.gaps_.data();
    for (std::size_t i = 0; i < prepared_.gaps_.size(); ++i) {
        if (call(SYS_close_range, gaps[i].first, gaps[i].last, 0) < 0) fail(ChildStep::Descriptors, errno);
    }
}

XSV_IN_CHILD void Child::set_priority_and_limits() noexcept
{
    const ChildPlan& plan = prepared_.plan_;
    if (plan.oom_score_adj) {
        const long fd = call(SYS_openat, AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC, 0);
        if (fd < 0) fail(ChildStep::Priority, errno);
        char digits[8];
        std::size_t at = sizeof digits;
        int value = *plan.oom_score_adj < 0 ? -*plan.oom_score_adj : *plan.oom_score_adj;
        do digits[--at] = static_cast<char>('0' + value % 10);
        while ((value /= 10) && at > 1);
        if (*plan.oom_score_adj < 0) digits[--at] = '-';
        if (call(SYS_write, fd, digits + at, sizeof digits - at) < 0) fail(ChildStep::Priority, errno);
        call(SYS_close, fd);
    }
    if (plan.nice && call(SYS_setpriority, PRIO_PROCESS, 0, *plan.nice) < 0) fail(ChildStep::Priority, errno);
    const ResourceLimit* limits = plan.limits.data();
    for (std::size_t i = 0; i < plan.limits.size(); ++i) {
        const std::uint64_t values[2] = {limits[i].soft, limits[i].hard};
        if (call(SYS_prlimit64, 0, limits[i].resource, values, nullptr) < 0) fail(ChildStep::Limits, errno);
    }
    if (plan.umask) call(SYS_umask, *plan.umask);
}

XSV_IN_CHILD void Child::change_identity() noexcept
{
    const std::vector<gid_t>& groups = prepared_.plan_.groups;
    const uid_t uid = prepared_.uid_;
    const gid_t gid = prepared_.gid_;
    // Straight to the kernel: the library's wrappers would wait for threads that do not exist here.
    if (call(SYS_setgroups, groups.size(), groups.data()) < 0) fail(ChildStep::Groups, errno);
    if (call(SYS_setresgid, gid, gid, gid) < 0) fail(ChildStep::Group, errno);
    if (call(SYS_setresuid, uid, uid, uid) < 0) fail(ChildStep::User, errno);
    verify_identity();
}

XSV_IN_CHILD void Child::verify_identity() noexcept
{
    const uid_t uid = prepared_.uid_;
    const gid_t gid = prepared_.gid_;
    uid_t uids[3] = {~uid, ~uid, ~uid};
    gid_t gids[3] = {~gid, ~gid, ~gid};
    call(SYS_getresuid, &uids[0], &uids[1], &uids[2]);
    call(SYS_getresgid, &gids[0], &gids[1], &gids[2]);
    for (int i = 0; i < 3; ++i) {
        if (uids[i] != uid || gids[i] != gid) fail(ChildStep::Verify, EPERM);
    }
    if (call(SYS_getgroups, 0, nullptr) != static_cast<long>(prepared_.plan_.groups.size())) fail(ChildStep::Verify, EPERM);
    if (uid != 0 && call(SYS_setresuid, 0, 0, 0) == 0) fail(ChildStep::Verify, EPERM);
}

XSV_IN_CHILD void Child::reset_signals() noexcept
{
    // Handlers went with the clone (CLONE_CLEAR_SIGHAND); what was ignored stays ignored through exec.
    struct KernelAction {
        void (*handler)(int);
        unsigned long flags;
        void (*restorer)();
        std::uint64_t mask;
    };
    const KernelAction standard{};
    const int* ignored = prepared_.ignored_.data();
    for (std::size_t i = 0; i < prepared_.ignored_.size(); ++i) {
        call(SYS_rt_sigaction, ignored[i], &standard, nullptr, sizeof standard.mask);
    }
    const std::uint64_t none = 0;
    if (call(SYS_rt_sigprocmask, SIG_SETMASK, &none, nullptr, sizeof none) < 0) fail(ChildStep::Signals, errno);
}

XSV_IN_CHILD void Child::execute() noexcept
{
    const ChildPlan& plan = prepared_.plan_;
    ChildVariables& variables = prepared_.variables_;
    variables.clear();
    if (plan.connection_environment && plan.listener >= 0) {
        variables.add_connection(report_.peer, path_);
        if (!plan.connection_targets.empty()) variables.add_cookie(plan.connection_targets.front());
        if (plan.connection_count != nullptr) variables.add_connection_number(number_);
    }
    if (plan.listen_pid) variables.add_listen_pid(static_cast<int>(call(SYS_getpid)));
    if (plan.watchdog_pid) variables.add_watchdog_pid(static_cast<int>(call(SYS_getpid)));
    char** envp = prepared_.envp_.data() + ChildVariables::kMost;
    for (std::size_t i = 0; i < variables.count(); ++i) *--envp = variables[i];
    set_stage(ChildStage::Executing);
    reset_signals();
    call(SYS_execve, plan.path.c_str(), prepared_.argv_.data(), envp);
    fail(ChildStep::Exec, errno);
}

XSV_IN_CHILD void Child::set_stage(ChildStage stage) noexcept
{
    report_.stage.store(static_cast<std::uint32_t>(stage), std::memory_order_release);
    // Where memory is shared the parent stands still anyway.
    if (prepared_.wakes_parent_ && stage != ChildStage::Executing) call(SYS_futex, &report_.stage, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

XSV_IN_CHILD void Child::fail(ChildStep step, int error) noexcept
{
    report_.step = static_cast<std::int32_t>(step);
    report_.error = error;
    set_stage(ChildStage::Failed);
    if (prepared_.log_ >= 0 && step > ChildStep::Descriptors) explain(step, error);
    for (;;) call(SYS_exit_group, 127);
}

/// Supervisor's words, since people look for them in the program's log.
XSV_IN_CHILD void Child::explain(ChildStep step, int error) noexcept
{
    // Our parent may stand still until we have ended: a log that nobody empties must not hold both.
    pollfd log{prepared_.log_, POLLOUT, 0};
    const timespec at_once{};
    if (call(SYS_ppoll, &log, 1, &at_once, nullptr, 0) != 1 || (log.revents & POLLOUT) == 0) return;
    const ChildPlan& plan = prepared_.plan_;
    const char* name = ::strerrorname_np(error);  // a constant table
    if (!name) name = "unknown error";
    write_text(prepared_.log_, "supervisor: couldn't ");
    if (step == ChildStep::Directory) {
        write_text(prepared_.log_, "chdir to ");
        write_text(prepared_.log_, plan.directory.c_str());
        write_text(prepared_.log_, ": ");
    } else if (step == ChildStep::Exec) {
        write_text(prepared_.log_, "exec ");
        write_text(prepared_.log_, prepared_.argv_.data()[0]);
        write_text(prepared_.log_, ": ");
    } else if (step == ChildStep::Groups || step == ChildStep::Group || step == ChildStep::User) {
        write_text(prepared_.log_, "setuid to ");
        write_number(prepared_.log_, prepared_.uid_);
        name = !prepared_.is_root_              ? ": Can't drop privilege as nonroot user"
               : step == ChildStep::Groups     ? ": Could not set groups of effective user"
               : step == ChildStep::Group      ? ": Could not set group id of effective user"
                                               : ": Could not set user id of effective user";
    } else {
        write_text(prepared_.log_, step == ChildStep::Priority ? "set the priority: "
                                  : step == ChildStep::Limits ? "set the limits: "
                                  : step == ChildStep::Verify ? "verify the change of identity: "
                                                              : "reset the signals: ");
    }
    write_text(prepared_.log_, name);
    write_text(prepared_.log_, "\nsupervisor: child process was not spawned\n");
}

}  // namespace xsv::sys
