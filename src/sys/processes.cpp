#include "sys/processes.h"

#include <cerrno>

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/progress.h"
#include "sys/child.h"
#include "sys/low_numbers.h"
#include "sys/process_group.h"

namespace xsv::sys {
namespace {

constexpr std::size_t kStackSize = 64 << 10;
constexpr unsigned kSignalProcessGroup = 1U << 2;  // PIDFD_SIGNAL_PROCESS_GROUP, Linux 6.9
constexpr int kCrowded = 256;                      // open descriptors from which a copy of their table is worth avoiding
constexpr long kPatience = 50'000'000;             // nanoseconds for a child to say whether it has a caller

/// No signal may be served between clone and exec: the handler would run in the child, on our memory.
class AllSignalsBlocked {
public:
    // Not through the library, which leaves its own two signals open.
    AllSignalsBlocked() noexcept { ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all_, &before_, sizeof before_); }
    ~AllSignalsBlocked() { ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before_, nullptr, sizeof before_); }
    AllSignalsBlocked(const AllSignalsBlocked&) = delete;
    AllSignalsBlocked& operator=(const AllSignalsBlocked&) = delete;

private:
    std::uint64_t all_ = ~std::uint64_t{0}, before_ = 0;
};

/// The child's stack where memory is shared, with a page below it that nobody may touch.
class ChildStack {
public:
    ChildStack()
    {
        const auto guard = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
        void* memory = ::mmap(nullptr, kStackSize + guard, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
        if (memory == MAP_FAILED) return;
        memory_ = static_cast<char*>(memory);
        size_ = kStackSize + guard;
        ::mprotect(memory_, guard, PROT_NONE);
        ::madvise(memory_, size_, MADV_DONTFORK);  // the copying form runs on a copy of ours
        stack_ = memory_ + guard;
    }
    ~ChildStack() { if (memory_) ::munmap(memory_, size_); }
    ChildStack(const ChildStack&) = delete;
    ChildStack& operator=(const ChildStack&) = delete;

    char* get() const noexcept { return stack_; }

private:
    char* memory_ = nullptr;
    char* stack_ = nullptr;
    std::size_t size_ = 0;
};

constexpr bool can_share_memory()
{
#if defined(__x86_64__) || defined(__aarch64__)
    return true;
#else
    return false;
#endif
}

/// With a stack: the child shares our memory and the caller stands still until it has executed a program or ended.
/// Without: it runs on a copy. Either way it runs `entry(argument)`, which must not return.
struct CloneRequest {
    void* stack = nullptr;
    std::size_t stack_size = 0;
    bool shares_table = false;        ///< of descriptors, until it takes its own
    bool sibling = false;             ///< our parent becomes its parent (CLONE_PARENT)
    std::int32_t* pid_word = nullptr; ///< the kernel stores the pid here before the child's first instruction
    void (*entry)(void*) = nullptr;
    void* argument = nullptr;
};

// Newer than some headers; Linux 5.5.
constexpr std::uint64_t kClearSignalHandlers = 0x100000000ULL;  // CLONE_CLEAR_SIGHAND
constexpr long kClone3 = SYS_clone3;

/// In assembly, so that no C frame is shared with the child: it calls `entry` at once, on its own stack when there is one.
long call_clone3(clone_args* arguments, void (*entry)(void*), void* argument) noexcept
{
#if defined(__x86_64__)
    register long result __asm__("rax") = kClone3;
    register clone_args* first __asm__("rdi") = arguments;
    register std::size_t second __asm__("rsi") = sizeof *arguments;
    register void (*function)(void*) __asm__("r8") = entry;
    register void* parameter __asm__("r9") = argument;
    __asm__ volatile(
        "syscall\n\t"
        "test %%rax, %%rax\n\t"
        "jnz 1f\n\t"
        "xor %%ebp, %%ebp\n\t"
        "and $-16, %%rsp\n\t"
        "mov %%r9, %%rdi\n\t"
        "call *%%r8\n\t"
        "ud2\n"
        "1:"
        : "+r"(result)
        : "r"(first), "r"(second), "r"(function), "r"(parameter)
        : "rcx", "r11", "memory", "cc");
    return result;
#elif defined(__aarch64__)
    register long result __asm__("x0") = reinterpret_cast<long>(arguments);
    register std::size_t second __asm__("x1") = sizeof *arguments;
    register void (*function)(void*) __asm__("x2") = entry;
    register void* parameter __asm__("x3") = argument;
    register long number __asm__("x8") = kClone3;
    __asm__ volatile(
        "svc #0\n\t"
        "cbnz x0, 1f\n\t"
        "mov x29, xzr\n\t"
        "mov x0, x3\n\t"
        "blr x2\n\t"
        "brk #0\n"
        "1:"
        : "+r"(result)
        : "r"(second), "r"(function), "r"(parameter), "r"(number)
        : "memory", "cc");
    return result;
#else
    const long result = ::syscall(kClone3, arguments, sizeof *arguments);
    if (result == 0) entry(argument);
    return result < 0 ? -errno : result;
#endif
}

/// The pid, or -errno. The one place that makes processes.
long clone_process(const CloneRequest& request, int* pidfd) noexcept
{
    clone_args arguments{};
    arguments.flags = CLONE_PIDFD | CLONE_PARENT_SETTID | kClearSignalHandlers;
    arguments.pidfd = reinterpret_cast<std::uintptr_t>(pidfd);
    arguments.parent_tid = reinterpret_cast<std::uintptr_t>(request.pid_word);
    if (request.sibling) arguments.flags |= CLONE_PARENT;  // then the kernel takes our own exit signal
    else arguments.exit_signal = SIGCHLD;
    if (request.shares_table) arguments.flags |= CLONE_FILES;
    if (request.stack && can_share_memory()) {
        arguments.flags |= CLONE_VM | CLONE_VFORK;
        arguments.stack = reinterpret_cast<std::uintptr_t>(request.stack);
        arguments.stack_size = request.stack_size;
    }
    return call_clone3(&arguments, request.entry, request.argument);
}

void clear(ChildReport& report)
{
    report.pid.store(0, std::memory_order_relaxed);
    report.step = report.error = 0;
    report.peer = Peer{};
    report.stage.store(static_cast<std::uint32_t>(ChildStage::Cloning), std::memory_order_release);
}

bool is_cloning(const ChildReport& report)
{
    return report.stage.load(std::memory_order_acquire) == static_cast<std::uint32_t>(ChildStage::Cloning);
}

/// Until the child has said whether there is a caller; it is still ours alone, so nobody can have stopped it.
void await_accept(ChildReport& report)
{
    timespec deadline{};
    ::clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_nsec += kPatience;
    deadline.tv_sec += deadline.tv_nsec / 1'000'000'000;
    deadline.tv_nsec %= 1'000'000'000;
    while (is_cloning(report)) {
        // FUTEX_WAIT_BITSET takes an absolute time. Not FUTEX_PRIVATE: the word is in memory of two processes.
        const long woken = ::syscall(SYS_futex, &report.stage, FUTEX_WAIT_BITSET, ChildStage::Cloning, &deadline, nullptr, FUTEX_BITSET_MATCH_ANY);
        if (woken < 0 && errno != EINTR && errno != EAGAIN) return;
    }
}

class KernelProcesses final : public Processes {
public:
    explicit KernelProcesses(bool parent_is_guardian)
        : parent_is_guardian_(parent_is_guardian), null_(::open("/dev/null", O_RDWR | O_CLOEXEC)), low_(null_.get())
    {
    }

    std::shared_ptr<PreparedChild> prepare(ChildPlan plan) override
    {
        return std::make_shared<PreparedChild>(std::move(plan), null_.get());
    }

    Result<Spawned> spawn(PreparedChild& prepared, ChildReport& report, int connection) override
    {
        static_assert(sizeof(report.pid) == sizeof(std::int32_t) && std::atomic<std::int32_t>::is_always_lock_free);
        clear(report);
        const bool shares_memory = can_share_memory() && !prepared.changes_identity() && stack_.get();
        const bool shares_table = place_low(prepared, connection, shares_memory);
        Child child{prepared, report, connection, shares_table ? &low_ : nullptr};
        CloneRequest request;
        request.shares_table = shares_table;
        request.sibling = parent_is_guardian_;
        request.pid_word = reinterpret_cast<std::int32_t*>(&report.pid);
        request.entry = &Child::run;
        request.argument = &child;
        if (shares_memory) {
            request.stack = stack_.get();
            request.stack_size = kStackSize;
        }
        int pidfd = -1;
        long pid = 0;
        {
            const AllSignalsBlocked blocked;
            pid = clone_process(request, &pidfd);
        }
        if (pid >= 0 && !shares_memory && prepared.plan().listener >= 0) await_accept(report);
        if (shares_table) clear_low(report, pid, shares_memory);
        if (pid < 0) return fail_errno("clone3", static_cast<int>(-pid));
        note_progress();
        last_pidfd_ = pidfd;
        return Spawned{static_cast<pid_t>(pid), UniqueFd(pidfd)};
    }

    Result<UniqueFd> open(pid_t pid) override
    {
        UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
        if (!fd) return fail_errno("pidfd_open", errno);
        return fd;
    }

    Result<bool> signal(const UniqueFd& pidfd, int signal) override { return send_signal(pidfd.get(), signal, 0); }

    Result<bool> signal_group(const UniqueFd& pidfd, pid_t leader, int signal) override
    {
        if (has_group_signal_) {
            auto sent = send_signal(pidfd.get(), signal, kSignalProcessGroup);
            if (sent || sent.error().code != EINVAL || signal < 0 || signal >= NSIG) return sent;
            has_group_signal_ = false;
        }
        if (leader <= 1) return fail("there is no process group {} of ours", leader);
        return signal_members(leader, signal);
    }

    std::optional<ProcessEnd> end_of(const UniqueFd& pidfd) override { return read_end(pidfd.get()); }

    std::uint64_t start_ticks(pid_t pid) override
    {
        const auto stat = read_stat(pid);
        return stat ? stat->start_ticks : 0;
    }

private:
    /// May this child share the descriptor table? Only where we stand still, or wait, until it has taken its own.
    bool place_low(const PreparedChild& prepared, int connection, bool stands_still)
    {
        if (late_ != nullptr && late_->pid.load() == late_pid_ && is_cloning(*late_)) return false;
        if (late_ != nullptr) low_.clear();
        late_ = nullptr;
        return last_pidfd_ >= kCrowded && (stands_still || prepared.plan().listener >= 0) && low_.place(prepared, connection);
    }

    /// A child that has not come that far within our patience still needs the numbers.
    void clear_low(ChildReport& report, long pid, bool stood_still)
    {
        late_ = pid > 0 && !stood_still && is_cloning(report) ? &report : nullptr;
        late_pid_ = static_cast<pid_t>(pid);
        if (late_ == nullptr) low_.clear();
    }

    bool parent_is_guardian_;
    ChildStack stack_;
    UniqueFd null_;
    LowNumbers low_;
    int last_pidfd_ = -1;                  ///< about how many descriptors are open
    const ChildReport* late_ = nullptr;
    pid_t late_pid_ = 0;
    bool has_group_signal_ = true;
};

}  // namespace

const char* step_text(ChildStep step)
{
    switch (step) {
    case ChildStep::None: return "nothing";
    case ChildStep::Session: return "starting a session";
    case ChildStep::Cgroup: return "joining the cgroup";
    case ChildStep::Accept: return "accepting the connection";
    case ChildStep::Refused: return "refusing the caller";
    case ChildStep::Descriptors: return "passing the descriptors";
    case ChildStep::Priority: return "setting the priority";
    case ChildStep::Limits: return "setting the resource limits";
    case ChildStep::Root: return "changing the root directory";
    case ChildStep::Groups: return "setting the supplementary groups";
    case ChildStep::Group: return "changing the group";
    case ChildStep::Capabilities: return "setting the capabilities";
    case ChildStep::User: return "changing the user";
    case ChildStep::Verify: return "verifying the change of user";
    case ChildStep::Directory: return "changing to the directory";
    case ChildStep::Sandbox: return "entering the sandbox";
    case ChildStep::Signals: return "resetting the signals";
    case ChildStep::Exec: return "executing the program";
    }
    return "an unknown step";
}

std::unique_ptr<Processes> kernel_processes(bool parent_is_guardian)
{
    return std::make_unique<KernelProcesses>(parent_is_guardian);
}

Error execute_in_place(int file, const std::vector<std::string>& arguments)
{
    std::vector<char*> argv;
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    ::syscall(SYS_execveat, file, "", argv.data(), environ, AT_EMPTY_PATH);
    return fail_errno("execveat", errno).value();
}

void leave_terminal(int null)
{
    for (int fd = 0; fd <= 2; ++fd) ::dup2(null, fd);
}

}  // namespace xsv::sys
