#include "engine/notices.h"

#include <algorithm>
#include <cerrno>

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/progress.h"
#include "base/text.h"
#include "engine/notice_memory.h"
#include "engine/service.h"

namespace xsv::engine {
namespace {

using namespace std::chrono_literals;
using config::NotifyAccess;
using config::ReadyWhen;

constexpr int kMostPerWake = 64;            // then others have their turn
constexpr Duration kComplaints = 10s;       // one line in this time

Duration from_usec(std::uint64_t usec) { return std::chrono::microseconds(std::min<std::uint64_t>(usec, 1ULL << 50)); }

std::int64_t nanoseconds(Time time) { return time.time_since_epoch().count(); }

template <std::size_t Room>
std::string_view text_in(const char (&text)[Room])
{
    return {text, ::strnlen(text, Room)};
}

}  // namespace

Notices::Notices(Context& context, Service& service) : context_(context), service_(service) {}

Notices::~Notices()
{
    if (context_.ending) remove_path();
    if (memory_ != nullptr) ::munmap(memory_, sizeof *memory_);
}

void Notices::remove_path() const
{
    const std::string address = socket_ ? sys::notify_address(socket_.get()) : std::string();
    if (address.starts_with('/')) ::unlink(address.c_str());
}

std::string Notices::key(std::string_view letter) const { return std::string(letter) + ":" + service_.spec().namespec(); }

// ---- what outlives the engine -------------------------------------------------------------------------------------

Status Notices::open_memory()
{
    if (memory_ != nullptr) return {};
    memory_fd_ = context_.inherited.take(key("N"));
    struct stat info{};
    const bool found = memory_fd_ && ::fstat(memory_fd_.get(), &info) == 0;
    if (!found) memory_fd_ = sys::UniqueFd(::memfd_create("xsvd-notices", MFD_CLOEXEC));
    const auto size = static_cast<off_t>(sizeof(NoticeMemory));
    if (!memory_fd_ || (info.st_size < size && ::ftruncate(memory_fd_.get(), size) < 0)) return fail_errno("memory for notifications", errno);
    if (!found) context_.keeper.hold(key("N"), net::Held::Other, memory_fd_.get());
    void* memory = ::mmap(nullptr, sizeof(NoticeMemory), PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd_.get(), 0);
    if (memory == MAP_FAILED) return fail_errno("memory for notifications", errno);
    memory_ = static_cast<NoticeMemory*>(memory);
    for (std::size_t i = 0; i < NoticeMemory::kMostStored; ++i) {
        if (memory_->stored[i].used == 0) continue;
        sys::UniqueFd fd = context_.inherited.take(key(fmt::format("F{}", i)));
        if (fd) stored_.emplace_back(i, std::move(fd));
        else memory_->stored[i].used = 0;
    }
    return {};
}

Status Notices::open_socket()
{
    if (socket_) return {};
    socket_ = context_.inherited.take(key("n"));
    if (!socket_) {
        std::string path;
        const std::string& folder = context_.surroundings.run_dir;
        if (!folder.empty()) {
            const std::string sockets = folder + "/notify";
            if (::mkdir(sockets.c_str(), 0755) == 0) ::chmod(sockets.c_str(), 0755);  // whatever our umask says
            path = fmt::format("{}/notify/{}", folder, service_.slot_index());
            if (path.size() > 100) path.clear();
        }
        auto opened = sys::open_notify_socket(path, service_.spec().exec.uid);
        if (!opened) return wrap(opened, "the notification socket");
        socket_ = std::move(*opened);
        context_.keeper.hold(key("n"), net::Held::Other, socket_.get());
    }
    listen();
    return {};
}

void Notices::listen()
{
    socket_watch_ = context_.loop.readable(socket_.get(), service_.spec().namespec() + " notifications", [this] {
        for (int i = 0; i < kMostPerWake; ++i) {
            auto notification = sys::receive_notification(socket_.get());
            if (!notification) return;
            on_notification(*notification);
        }
    });
}

void Notices::close()
{
    forget_start();
    drop_all_stored();
    remove_path();
    if (socket_) context_.keeper.drop(key("n"));
    if (memory_fd_) context_.keeper.drop(key("N"));
    socket_watch_.reset();
    socket_.reset();
    memory_fd_.reset();
}

// ---- what is said -------------------------------------------------------------------------------------------------

std::string_view Notices::status() const { return memory_ == nullptr ? std::string_view() : text_in(memory_->status); }
std::string_view Notices::bus_error() const { return memory_ == nullptr ? std::string_view() : text_in(memory_->bus_error); }
std::string_view Notices::varlink_error() const { return memory_ == nullptr ? std::string_view() : text_in(memory_->varlink_error); }

std::string_view Notices::said() const
{
    switch (memory_ == nullptr ? kNothing : memory_->said) {
        case kReady: return "ready";
        case kReloading: return "reloading";
        case kStopping: return "stopping";
        default: return {};
    }
}

int Notices::error() const { return memory_ == nullptr ? 0 : memory_->error; }
int Notices::exit_status() const { return memory_ == nullptr ? 0 : memory_->exit_status; }
int Notices::stored() const { return static_cast<int>(stored_.size()); }

NotifyAccess Notices::access() const
{
    if (memory_ != nullptr && memory_->access >= 1 && memory_->access <= 4) return static_cast<NotifyAccess>(memory_->access - 1);
    return service_.spec().ready->access;
}

/// Of its session, or a descendant of the main process.
bool Notices::is_of_service(pid_t pid) const
{
    const pid_t main = live_pid(service_.state()).value_or(0);
    if (pid <= 1 || main == 0) return false;
    const auto main_facts = sys::process_facts(main);
    const pid_t session = main_facts ? main_facts->session : main;
    for (int generation = 0; pid > 1 && generation < 32; ++generation) {
        if (pid == main) return true;
        const auto facts = sys::process_facts(pid);
        if (!facts) return false;
        if (facts->session == session) return true;
        pid = facts->parent;
    }
    return false;
}

bool Notices::may_speak(const sys::Notification& notification) const
{
    const pid_t main = live_pid(service_.state()).value_or(0);
    if (main == 0 || notification.pid == 0) return false;
    switch (access()) {
        case NotifyAccess::None: return false;
        case NotifyAccess::Main: return notification.pid == main;
        case NotifyAccess::Exec: return notification.pid == main || service_.hooks().is_hook(notification.pid);
        case NotifyAccess::All: break;
    }
    if (is_of_service(notification.pid) || service_.hooks().is_hook(notification.pid)) return true;
    // A helper that has said its word and gone: nothing is left of it but the user that the kernel has vouched for, and a
    // process of that user could speak through the main one anyway.
    if (sys::process_facts(notification.pid)) return false;
    return notification.uid == service_.spec().exec.uid.value_or(::geteuid());
}

void Notices::refuse(const sys::Notification& notification, std::string_view why)
{
    ++refused_;
    const Time now = context_.loop.now();
    if (complained_ != Time{} && now - complained_ < kComplaints) return;
    log::warn("{}: a notification from pid {} (uid {}) is dropped: {}{}", service_.spec().namespec(), notification.pid, notification.uid,
              why, refused_ > 1 ? fmt::format(" ({} dropped since the last line)", refused_) : "");
    complained_ = now;
    refused_ = 0;
}

void Notices::on_notification(const sys::Notification& notification)
{
    if (!notification.whole) return refuse(notification, "longer than 4096 bytes");
    auto message = parse_notification(notification.text);
    if (!message) return refuse(notification, "expected lines NAME=VALUE");
    if (!may_speak(notification)) return refuse(notification, "its sender is not one that notify_access names");
    perform(*message, notification);
}

void Notices::perform(NotifyMessage& message, const sys::Notification& notification)
{
    const Time now = context_.loop.now();
    note_progress();
    log::debug("{}: notified by pid {}: {}", service_.spec().namespec(), notification.pid, text::escape_control(notification.text));
    if (message.barrier) return;  // what came before is done, and its descriptor closes with this call
    if (message.access) memory_->access = static_cast<std::uint32_t>(*message.access) + 1;
    if (message.status) copy_text(memory_->status, sizeof memory_->status, *message.status);
    if (message.error) memory_->error = *message.error;
    if (message.exit_status) memory_->exit_status = *message.exit_status;
    if (message.bus_error) copy_text(memory_->bus_error, sizeof memory_->bus_error, *message.bus_error);
    if (message.varlink_error) copy_text(memory_->varlink_error, sizeof memory_->varlink_error, *message.varlink_error);
    if (message.main_pidfd && notification.fds.size() == 1) set_main(sys::pid_of(notification.fds.front().get()));
    else if (message.main_pid) set_main(*message.main_pid);
    if (message.watchdog_usec) {
        memory_->watchdog_ns = from_usec(*message.watchdog_usec).count() + 1;
        memory_->last_ping = nanoseconds(now);
        watch_over();
    }
    if (message.watchdog && memory_->last_ping != 0) memory_->last_ping = nanoseconds(now);
    if (message.store) store(message, notification);
    else if (message.store_remove) remove_stored(message.fd_name);
    if (message.extend_usec) {
        service_.hand(Extend{now, from_usec(*message.extend_usec)});
        if (memory_->reload_until != 0) memory_->reload_until = std::max(memory_->reload_until, nanoseconds(now + from_usec(*message.extend_usec)));
        watch_reload();
    }
    if (message.restart_reset) service_.forget_failures();
    take_phase(message);
    if (message.ready && !message.stopping && service_.spec().ready->when == ReadyWhen::Notify) service_.hand(BecameReady{now});
    if (message.watchdog_trigger) service_.hand(WatchdogMissed{now});
}

void Notices::set_main(pid_t pid)
{
    const pid_t main = live_pid(service_.state()).value_or(0);
    if (pid == main) return;
    if (!is_of_service(pid) || !service_.take_main(pid)) return log::warn("{}: MAINPID={} is no process of it", service_.spec().namespec(), pid);
}

// ---- reloads ------------------------------------------------------------------------------------------------------

/// STOPPING is the last word. Of a reload that we have asked for, only what is said of it counts: while the program has not
/// begun with it, READY is of another one.
void Notices::take_phase(const NotifyMessage& message)
{
    if (message.stopping) memory_->said = kStopping;
    if (memory_->said == kStopping) return reload_timer_.reset();
    const auto asked = static_cast<std::uint64_t>(memory_->reload_asked);
    if (message.reloading && message.monotonic_usec.value_or(asked) >= asked) {
        memory_->reload_asked = 0;
        if (memory_->said != kReloading) begin_reload();  // else the limit began when we asked for it
    }
    if (!message.ready || memory_->reload_asked != 0) return;
    memory_->said = kReady;
    reload_timer_.reset();
}

void Notices::begin_reload()
{
    memory_->said = kReloading;
    const Duration longest = service_.spec().policy->start_timeout;
    memory_->reload_until = longest > 0s ? nanoseconds(context_.loop.now() + longest) : 0;
    watch_reload();
}

void Notices::reloading()
{
    if (memory_ == nullptr) return;
    begin_reload();
    memory_->reload_asked = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void Notices::watch_reload()
{
    reload_timer_.reset();
    if (memory_ == nullptr || memory_->said != kReloading || memory_->reload_until == 0) return;
    const Duration left = std::max<Duration>(Time(Duration(memory_->reload_until)) - context_.loop.now(), 0ns);
    reload_timer_ = context_.loop.after(left, service_.spec().namespec() + " reload", [this] { on_reload_overdue(); });
}

void Notices::on_reload_overdue()
{
    drain();
    if (memory_->said != kReloading) return;
    if (nanoseconds(context_.loop.now()) < memory_->reload_until) return watch_reload();
    // Who never said that it began may not know how to.
    if (std::exchange(memory_->reload_asked, 0) == 0)
        log::warn("{}: its reload was not over in time (start_timeout)", service_.spec().namespec());
    memory_->said = kReady;
}

// ---- its end ------------------------------------------------------------------------------------------------------

void Notices::drain()
{
    if (socket_)
        for (int i = 0; i < 1024; ++i) {
            auto notification = sys::receive_notification(socket_.get());
            if (!notification) break;
            on_notification(*notification);
        }
    if (ready_pipe_) read_ready_pipe();
}

void Notices::ended()
{
    forget_start();
    watchdog_.reset();
    reload_timer_.reset();
    if (memory_ != nullptr) memory_->said = kNothing;
    if (service_.spec().restarts->fdstore_preserve == config::StorePreserve::No) drop_all_stored();
}

void Notices::entered(const State& state)
{
    const bool running = std::holds_alternative<Running>(state);
    if (running && memory_ != nullptr && memory_->last_ping == 0) memory_->last_ping = nanoseconds(context_.loop.now());
    if (!running && memory_ != nullptr) memory_->last_ping = 0;
    if (running) {
        if (watchdog_ == nullptr) watch_over();
        if (reload_timer_ == nullptr) watch_reload();
    } else {
        watchdog_.reset();
        reload_timer_.reset();
    }
    if (!std::holds_alternative<Starting>(state) && !running) forget_start();
    if (std::holds_alternative<Stopped>(state) && !keeps_store()) drop_all_stored();
}

// ---- signs of life ------------------------------------------------------------------------------------------------

Duration Notices::watchdog_period() const
{
    if (memory_ == nullptr) return {};
    return memory_->watchdog_ns != 0 ? Duration(memory_->watchdog_ns - 1) : service_.spec().ready->watchdog;
}

void Notices::watch_over()
{
    watchdog_.reset();
    const Duration period = watchdog_period();
    if (period <= 0s || !std::holds_alternative<Running>(service_.state())) return;
    watchdog_due_ = Time(Duration(memory_->last_ping)) + period;
    const Duration wait = std::max<Duration>(watchdog_due_ - context_.loop.now(), 0ns);
    watchdog_ = context_.loop.after(wait, service_.spec().namespec() + " watchdog", [this] { look_for_life(); });
}

void Notices::look_for_life()
{
    drain();
    if (!std::holds_alternative<Running>(service_.state())) return;
    const Duration period = watchdog_period();
    const Time now = context_.loop.now(), last{Duration(memory_->last_ping)};
    // Much later than we wanted to look: the machine or we have slept, and so may the program have.
    if (now - watchdog_due_ > period / 2) memory_->last_ping = nanoseconds(now);
    else if (now - last >= period) return service_.hand(WatchdogMissed{now});
    watch_over();
}

}  // namespace xsv::engine
