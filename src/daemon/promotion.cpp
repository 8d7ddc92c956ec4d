// The guardian has died. Everything it held we have, too, and nobody else could be what it was: we become it.
#include <cerrno>
#include <map>

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/daemon.h"
#include "engine/adoption.h"
#include "sys/files.h"

namespace xsv::daemon {
namespace {

constexpr int kPatience = 5000;  // milliseconds

/// The kernel closes a dying process's descriptors before it lets go of its children.
bool is_gone(pid_t guardian)
{
    const sys::UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, guardian, 0)));
    if (::getppid() != guardian) return true;
    pollfd end{pidfd.get(), POLLIN, 0};
    return pidfd && ::poll(&end, 1, kPatience) == 1;
}

}  // namespace

void Daemon::take_guardians_place(const std::vector<std::string>& arguments, const std::string& folder)
{
    if (!is_gone(guardian_.guardian())) return log::critical("the guardian (pid {}) has let go of us", guardian_.guardian());
    log::critical("the guardian (pid {}) is gone; this process (pid {}) takes its place", guardian_.guardian(), ::getpid());
    std::map<std::string, wire::GuardianPacket> held;
    for (const wire::GuardianPacket& packet : guardian_.held()) held.emplace(packet.key, packet);
    const auto add_process = [&](std::uint32_t slot, int pidfd) {
        const std::string key = engine::Adoption::key_of(slot, table_->at(slot).child.pid);
        if (pidfd >= 0) held.emplace(key, engine::GuardianLink::packet_for(key, net::Held::Process, pidfd));
    };
    engine_->for_each_process(add_process);
    for (const engine::Helper* helper : {scribe_.get(), web_.get(), forwarder_.get()})
        if (helper->slot()) add_process(*helper->slot(), helper->pidfd());

    std::vector<wire::GuardianPacket> packets;
    for (auto& [key, packet] : held) packets.push_back(packet);
    packets.push_back(wire::make_packet(wire::GuardianMessage::End, guardian_.starts() + 1, hold_mode_ ? 1 : 0));
    packets.back().sequence = std::max(guardian_.last_exit(), engine_->last_exit());
    write_pidfile(::getpid());
    if (auto noted = sys::note_holder(lock_, ::getpid()); !noted) log::warn("{}", noted.error().message);
    if (::chdir(folder.c_str()) != 0) log::warn("chdir to {}: {}", folder, errno_text(errno));
    log::critical("it cannot: {}", guardian_.execute_guardian(packets, arguments).message);
}

}  // namespace xsv::daemon
