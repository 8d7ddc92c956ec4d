#include "engine/guardian_link.h"

#include <cerrno>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/progress.h"
#include "sys/processes.h"

namespace xsv::engine {
namespace {

using wire::GuardianMessage;
using wire::GuardianPacket;

constexpr int kPacketsPerWake = 256;

GuardianPacket packet_of(GuardianMessage type, std::string_view key)
{
    GuardianPacket packet = wire::make_packet(type);
    if (!key.empty()) std::memcpy(packet.key, key.data(), std::min(key.size(), sizeof packet.key - 1));
    return packet;
}

ChildExit to_exit(const GuardianPacket& packet)
{
    return {packet.sequence, packet.pid, packet.code, packet.status, packet.user_us + packet.system_us, packet.max_rss_kb};
}

void log_event(const GuardianPacket& packet)
{
    using wire::GuardianEvent;
    switch (static_cast<GuardianEvent>(packet.number)) {
        case GuardianEvent::EngineEnded:
            log::warn("the last engine ended ({} {}); this one took over", packet.number2 == CLD_EXITED ? "exit status" : "signal",
                      packet.number3);
            break;
        case GuardianEvent::EngineHung: log::warn("the last engine did not answer for {} ms and was replaced", packet.number2); break;
        case GuardianEvent::TableFull:
            log::error("the guardian cannot keep more descriptors ({} refused, {} held)", packet.number2, packet.number3);
            break;
        case GuardianEvent::EngineStuck: log::error("the last engine could not be ended for {} ms", packet.number2); break;
        case GuardianEvent::ExecFailed: log::error("starting the engine failed: {}", errno_text(static_cast<int>(packet.number2))); break;
        default: log::debug("guardian event {} ({}, {})", packet.number, packet.number2, packet.number3); break;
    }
}

}  // namespace

Result<GuardianLink::Inheritance> GuardianLink::receive(const std::function<void(Inheritance&, const ChildExit&)>& record)
{
    Inheritance inheritance;
    for (;;) {
        GuardianPacket packet{};
        // An exit is written down before it is taken off the queue: whoever is killed in between leaves it to the next one.
        const ssize_t peeked = ::recv(socket_.get(), &packet, sizeof packet, MSG_PEEK);
        if (peeked < 0 && (errno == EINTR || errno == ECONNRESET)) continue;
        if (peeked <= 0) return fail("the guardian is gone");
        if (peeked == sizeof packet && packet.type == static_cast<std::uint32_t>(GuardianMessage::Exit)) record(inheritance, to_exit(packet));
        int received = -1;
        if (!wire::receive_packet(socket_.get(), packet, received)) continue;
        sys::UniqueFd fd(received);
        switch (static_cast<GuardianMessage>(packet.type)) {
            case GuardianMessage::Fd:
                if (!fd) break;
                remember(packet.key, packet.kind, fd.get());
                inheritance.descriptors.insert_or_assign(packet.key, std::move(fd));
                break;
            case GuardianMessage::Signal: inheritance.signals.push_back(static_cast<int>(packet.number)); break;
            case GuardianMessage::End:
                inheritance.starts = starts_ = static_cast<int>(packet.number);
                inheritance.hold_mode = packet.number2 != 0;
                guardian_ = static_cast<pid_t>(packet.number3);
                executable_.reset(::open(fmt::format("/proc/{}/exe", guardian_).c_str(), O_PATH | O_CLOEXEC));
                if (::getppid() != guardian_) executable_.reset();  // somebody else's number by now
                return inheritance;
            default: break;
        }
    }
}

void GuardianLink::watch(event::Loop& loop, OnExit on_exit, OnSignal on_signal, std::function<void()> on_lost)
{
    loop_ = &loop;
    on_exit_ = std::move(on_exit);
    on_signal_ = std::move(on_signal);
    on_lost_ = std::move(on_lost);
    readable_ = loop.readable(socket_.get(), "guardian", [this] { on_readable(); });
    flush();
}

void GuardianLink::on_readable()
{
    for (int n = 0; n < kPacketsPerWake; ++n) {
        GuardianPacket packet{};
        // Peek first: an exit must stand in its slot before it is gone from the queue.
        const ssize_t length = ::recv(socket_.get(), &packet, sizeof packet, MSG_DONTWAIT | MSG_PEEK);
        if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (length < 0 && errno == ECONNRESET) continue;  // it had not read all from us; what it told us is still there
        if (length <= 0) {
            readable_.reset();
            return on_lost_();
        }
        note_progress();
        if (length == sizeof packet) handle(packet);
        int received = -1;
        (void)wire::receive_packet(socket_.get(), packet, received);
        const sys::UniqueFd unexpected(received);
    }
}

void GuardianLink::handle(const GuardianPacket& packet)
{
    switch (static_cast<GuardianMessage>(packet.type)) {
        case GuardianMessage::Exit:
            last_exit_ = std::max(last_exit_, packet.sequence);
            on_exit_(to_exit(packet));
            break;
        case GuardianMessage::Signal: on_signal_(static_cast<int>(packet.number)); break;
        case GuardianMessage::Probe: send(wire::make_packet(GuardianMessage::Beat)); break;
        case GuardianMessage::Event: log_event(packet); break;
        default: break;
    }
}

void GuardianLink::hold(const std::string& key, net::Held kind, int fd)
{
    GuardianPacket packet = packet_of(GuardianMessage::Hold, key);
    packet.kind = static_cast<std::uint32_t>(kind);
    remember(packet.key, packet.kind, fd);
    send(packet, fd);
    if (kind == net::Held::Listener) manager_.store(net::stored_name(key), fd);
}

void GuardianLink::drop(const std::string& key)
{
    const auto known = held_.find(key);
    if (known != held_.end() && known->second.kind == static_cast<std::uint32_t>(net::Held::Listener)) manager_.forget(net::stored_name(key));
    const std::string last_word = key.substr(key.rfind(' ') + 1);
    if (key.starts_with("received ") && net::is_stored_name(last_word)) manager_.forget(last_word);
    if (known != held_.end()) held_.erase(known);
    send(packet_of(GuardianMessage::Drop, key));
}

void GuardianLink::remember(const std::string& key, std::uint32_t kind, int fd)
{
    struct stat file{};
    if (::fstat(fd, &file) == 0) held_.insert_or_assign(key, Known{kind, fd, file.st_dev, file.st_ino});
}

std::vector<GuardianPacket> GuardianLink::held() const
{
    std::vector<GuardianPacket> packets;
    for (const auto& [key, known] : held_) {
        struct stat file{};
        if (::fstat(known.fd, &file) != 0 || file.st_dev != known.device || file.st_ino != known.inode) continue;
        packets.push_back(packet_for(key, static_cast<net::Held>(known.kind), known.fd));
    }
    return packets;
}

GuardianPacket GuardianLink::packet_for(const std::string& key, net::Held kind, int fd)
{
    GuardianPacket packet = packet_of(GuardianMessage::Fd, key);
    packet.kind = static_cast<std::uint32_t>(kind);
    packet.number = fd;
    return packet;
}

Error GuardianLink::execute_guardian(const std::vector<GuardianPacket>& packets, const std::vector<std::string>& arguments)
{
    if (!executable_) return Error{"its executable is not known", 0};
    socket_.reset();  // nobody is there any more, and the number may be the last one
    const sys::UniqueFd list(::memfd_create("xsvd-held", MFD_CLOEXEC));
    if (!list) return fail_errno("memfd_create", errno).value();
    const std::size_t size = packets.size() * sizeof(GuardianPacket);
    if (::pwrite(list.get(), packets.data(), size, 0) != static_cast<ssize_t>(size)) return fail_errno("writing the list", errno).value();
    ::fcntl(list.get(), F_SETFD, 0);
    for (const GuardianPacket& packet : packets)
        if (packet.type == static_cast<std::uint32_t>(GuardianMessage::Fd)) ::fcntl(static_cast<int>(packet.number), F_SETFD, 0);
    ::setenv(wire::kHeldVariable, std::to_string(list.get()).c_str(), 1);
    return sys::execute_in_place(executable_.get(), arguments);
}

void GuardianLink::ready() { send(wire::make_packet(GuardianMessage::Ready)); }

void GuardianLink::quit(int code)
{
    send(wire::make_packet(GuardianMessage::Quit, code));
}

void GuardianLink::settle()
{
    writable_.reset();
    loop_ = nullptr;
    flush();
}

void GuardianLink::send(GuardianPacket packet, int fd)
{
    if (out_.empty() && transmit(packet, fd)) return;
    out_.push_back({packet, sys::UniqueFd(fd < 0 ? -1 : ::fcntl(fd, F_DUPFD_CLOEXEC, 0))});
    if (loop_ != nullptr && writable_ == nullptr) writable_ = loop_->writable(socket_.get(), "guardian", [this] { flush(); });
    if (loop_ == nullptr) flush();
}

bool GuardianLink::transmit(const GuardianPacket& packet, int fd)
{
    if (wire::send_packet(socket_.get(), packet, fd)) return true;
    // Otherwise the guardian is gone, and there is nothing to wait for.
    return errno != EAGAIN && errno != EINTR && errno != ENOBUFS && errno != ENOMEM && errno != ETOOMANYREFS;
}

void GuardianLink::flush()
{
    while (!out_.empty()) {
        if (!transmit(out_.front().packet, out_.front().fd.get())) {
            if (loop_ == nullptr) {  // starting or ending: the guardian reads all the time, so this is short
                pollfd waiting{socket_.get(), POLLOUT, 0};
                ::poll(&waiting, 1, 1000);
                continue;
            }
            if (writable_ == nullptr) writable_ = loop_->writable(socket_.get(), "guardian", [this] { flush(); });
            return;
        }
        note_progress();
        out_.pop_front();
    }
    writable_.reset();
}

}  // namespace xsv::engine
