#include "engine/survivors.h"

#include <cerrno>
#include <csignal>
#include <filesystem>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "engine/adoption.h"
#include "sys/notify_socket.h"

namespace xsv::engine {
namespace {

constexpr std::int64_t kBeforeClone = 2'000'000'000;   // ns between the note of a start and the start
constexpr int kPatience = 2000;                        // ms for a process that was killed

/// "pipe:[123]", "socket:[456]"; empty: closed, or not ours to know.
std::string target_of(const std::filesystem::path& link)
{
    std::error_code error;
    return std::filesystem::read_symlink(link, error).string();
}

std::string pipe_name(std::uint64_t inode) { return fmt::format("pipe:[{}]", inode); }

}  // namespace

int Survivors::find(const config::Config& config)
{
    int found = 0;
    table_.for_each([&](std::uint32_t index, Slot& slot) {
        const auto state = static_cast<SlotState>(slot.state.load());
        const pid_t pid = slot.child.pid;
        const bool may_live = (state == SlotState::Intent || state == SlotState::Live) && pid > 0 && slot.exit_sequence == 0;
        auto pidfd = may_live ? processes_.open(pid) : Result<sys::UniqueFd>(sys::UniqueFd());
        const bool lives = pidfd && *pidfd && is_same(slot, pid);  // after the pidfd: the number is this process's
        slot.exit_sequence = 0;                                   // the next guardian counts from 1
        if (!lives) return forget(slot);
        if (slot.kind == SlotKind::Helper) {
            helpers_.emplace_back(index, std::move(*pidfd));
            return;
        }
        if (slot.kind != SlotKind::Place && slot.owner >= table_.size()) return forget(slot);
        ++found;
        const Slot& place = slot.kind == SlotKind::Place ? slot : table_.at(slot.owner);
        take_pipes(pid, place);
        take_sockets(*pidfd, pid);
        descriptors_.insert_or_assign(Adoption::key_of(index, pid), std::move(*pidfd));
    });
    for (const auto& [index, pidfd] : helpers_) take_sockets(pidfd, table_.at(index).child.pid);
    name_sockets(config);
    return found;
}

/// Each leads the session it was started in, unless it has told us itself that another process is the main one now.
bool Survivors::is_same(const Slot& slot, pid_t pid) const
{
    const auto facts = sys::process_facts(pid);
    if (!facts || facts->state == 'Z' || facts->state == 'X') return false;
    if (slot.start_ticks != 0) return facts->start_ticks == static_cast<std::uint64_t>(slot.start_ticks);
    const std::int64_t tick = 1'000'000'000 / ::sysconf(_SC_CLK_TCK);
    const std::int64_t started = static_cast<std::int64_t>(facts->start_ticks) * tick;
    const bool in_time = started >= slot.started_boot - tick && started <= slot.started_boot + kBeforeClone;
    return facts->session == pid && in_time;
}

/// The next engine finds the end of a process that nobody has seen.
void Survivors::forget(Slot& slot)
{
    const auto state = static_cast<SlotState>(slot.state.load());
    const bool ran = state == SlotState::Intent || state == SlotState::Live;
    if (slot.kind == SlotKind::Connection || slot.kind == SlotKind::Helper) slot.child.pid = 0;
    if (slot.kind == SlotKind::Hook && ran && slot.child.pid > 0) slot.exit_sequence = 1, slot.exit_code = slot.exit_status = 0;
    if (ran) slot.state.store(static_cast<std::uint32_t>(SlotState::Idle), std::memory_order_release);
}

/// Through /proc the same pipe is opened anew, with both ends, as ours are. That it is ours, its number tells.
void Survivors::take_pipes(pid_t pid, const Slot& place)
{
    constexpr char kLetters[] = {'i', 'o', 'e'};
    for (int number = 0; number < 3; ++number) {
        const std::string path = fmt::format("/proc/{}/fd/{}", pid, number), name = target_of(path);
        for (int i = 0; i < 3; ++i) {
            const std::string key = fmt::format("{}:{}", kLetters[i], place.name_text());
            if (place.pipes[i] == 0 || name != pipe_name(place.pipes[i]) || descriptors_.contains(key)) continue;
            sys::UniqueFd pipe(::open(path.c_str(), (i == 0 ? O_WRONLY : O_RDWR) | O_NONBLOCK | O_CLOEXEC));
            struct stat status{};
            if (pipe && ::fstat(pipe.get(), &status) == 0 && status.st_ino == place.pipes[i]) descriptors_.emplace(key, std::move(pipe));
        }
    }
}

/// A listening socket that a program was given is open as long as the program runs: nobody could bind its address.
void Survivors::take_sockets(const sys::UniqueFd& pidfd, pid_t pid)
{
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(fmt::format("/proc/{}/fd", pid), error)) {
        const std::string name = target_of(entry.path());
        const auto number = text::to_int(entry.path().filename().string());
        if (!number || !name.starts_with("socket:") || sockets_found_.contains(name)) continue;
        sys::UniqueFd socket(static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd.get(), static_cast<int>(*number), 0)));
        if (socket && sockets_.describe(socket.get())) sockets_found_.emplace(name, std::move(socket));
    }
}

void Survivors::name_sockets(const config::Config& config)
{
    const auto name = [&](const sys::Endpoint& endpoint) {
        for (auto& [text, fd] : sockets_found_)
            if (fd && sockets_.is_bound_to(fd.get(), endpoint)) {
                descriptors_.emplace(net::SocketTable::key_of(endpoint), std::move(fd));
                return;
            }
    };
    for (const config::GroupSpec& group : config.groups)
        for (const config::ServiceSpec& service : group.services)
            for (const sys::Endpoint& endpoint : service.sockets.endpoints) name(endpoint);
    sockets_found_.clear();
}

void Survivors::end_helpers()
{
    for (auto& [index, pidfd] : helpers_) {
        (void)processes_.signal(pidfd, SIGKILL);
        pollfd end{pidfd.get(), POLLIN, 0};
        if (::poll(&end, 1, kPatience) != 1) log::warn("{} of a former life does not end", table_.at(index).name_text());
        forget(table_.at(index));
    }
    helpers_.clear();
}

}  // namespace xsv::engine
