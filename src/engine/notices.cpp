#include "engine/notices.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/progress.h"
#include "base/text.h"
#include "engine/service.h"
#include "sys/connect.h"
#include "sys/files.h"

namespace xsv::engine {

/// Shared with the engine that comes after us. New fields go to the end.
struct NoticeMemory {
    static constexpr std::size_t kMostStored = 128;
    struct Stored {
        std::uint32_t used, poll;
        char name[72];
    };
    std::uint32_t access;              ///< of NOTIFYACCESS, plus one; 0: the configured one
    std::uint32_t said;                ///< Said
    std::int32_t error, exit_status;
    std::int64_t watchdog_ns;          ///< of WATCHDOG_USEC, plus one; 0: the configured one
    std::int64_t last_ping;            ///< ns of the boot clock
    char status[1024];
    Stored stored[kMostStored];
};

namespace {

using namespace std::chrono_literals;
using config::NotifyAccess;
using config::ReadyWhen;

enum Said : std::uint32_t { kNothing, kReady, kReloading, kStopping };

constexpr int kMostPerWake = 64;            // then others have their turn
constexpr Duration kComplaints = 10s;       // one line in this time
constexpr Duration kFirstConnect = 20ms, kLongestConnect = 1s;
constexpr Duration kStoreCheck = 5s;

bool is_same_file(int a, int b)
{
    struct stat one{}, other{};
    if (::fstat(a, &one) < 0 || ::fstat(b, &other) < 0 || one.st_ino != other.st_ino || one.st_dev != other.st_dev) return false;
    const long order = ::syscall(SYS_kcmp, ::getpid(), ::getpid(), KCMP_FILE, static_cast<unsigned long>(a), static_cast<unsigned long>(b));
    return order == 0;
}

bool has_hung_up(int fd)
{
    pollfd entry{fd, 0, 0};
    return ::poll(&entry, 1, 0) == 1 && (entry.revents & (POLLHUP | POLLERR)) != 0;
}

Duration from_usec(std::uint64_t usec) { return std::chrono::microseconds(std::min<std::uint64_t>(usec, 1ULL << 50)); }

void copy_text(char* target, std::size_t room, std::string_view text)
{
    const std::size_t length = std::min(text.size(), room - 1);
    if (length > 0) std::memcpy(target, text.data(), length);
    target[length] = '\0';
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
    const bool found = memory_fd_ && ::fstat(memory_fd_.get(), &info) == 0 && info.st_size == sizeof(NoticeMemory);
    if (!found) {
        memory_fd_ = sys::UniqueFd(::memfd_create("xsvd-notices", MFD_CLOEXEC));
        if (!memory_fd_ || ::ftruncate(memory_fd_.get(), sizeof(NoticeMemory)) < 0) return fail_errno("memory for notifications", errno);
        context_.keeper.hold(key("N"), net::Held::Other, memory_fd_.get());
    }
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

// ---- a start ------------------------------------------------------------------------------------------------------

Result<Extras> Notices::prepare()
{
    const config::Ready& ready = service_.spec().ready;
    Extras extras;
    forget_start();
    if (ready.when == ReadyWhen::Fd || ready.when == ReadyWhen::Exec) {
        auto pipe = sys::make_pipe(4096);
        if (!pipe) return tl::unexpected(std::move(pipe).error());
        auto reader = sys::open_pipe_end(pipe->get(), false);
        auto writer = sys::open_pipe_end(pipe->get(), true);
        if (!reader || !writer) return fail("opening the readiness pipe: {}", !reader ? reader.error().message : writer.error().message);
        ::fcntl(reader->get(), F_SETFL, O_NONBLOCK);
        ready_pipe_ = std::move(*reader);
        ready_writer_ = std::move(*writer);
        context_.keeper.hold(key("y"), net::Held::Other, ready_pipe_.get());
        if (ready.when == ReadyWhen::Fd) extras.ready = {ready_writer_.get(), ready.fd};
        else extras.until_exec = ready_writer_.get();
    }
    if (ready.when == ReadyWhen::Fork) extras.invocation = service_.invocation_id();
    if (ready.access == NotifyAccess::None) return extras;
    if (auto opened = open_memory(); !opened) return tl::unexpected(std::move(opened).error());
    if (auto opened = open_socket(); !opened) return tl::unexpected(std::move(opened).error());
    while (sys::receive_notification(socket_.get())) {}  // what the last process said is not of the next
    drop_hung_up();
    memory_->access = 0;
    memory_->said = kNothing;
    memory_->error = memory_->exit_status = 0;
    memory_->watchdog_ns = 0;
    memory_->status[0] = '\0';
    extras.notify_socket = sys::notify_address(socket_.get());
    extras.watchdog = ready.watchdog;
    extras.fdstore_max = ready.fdstore_max;
    for (const auto& [place, fd] : stored_) extras.stored.emplace_back(memory_->stored[place].name, fd.get());
    return extras;
}

void Notices::started()
{
    ready_writer_.reset();
    watch_ready_pipe();
    if (service_.spec().ready.when == ReadyWhen::Connect) {
        next_connect_ = kFirstConnect;
        try_connect();
    }
}

void Notices::resume()
{
    const config::Ready& ready = service_.spec().ready;
    if (ready.access != NotifyAccess::None) {
        auto opened = open_memory();
        if (opened) opened = open_socket();
        if (!opened) log::error("{}: {}", service_.spec().namespec(), opened.error().message);
    }
    ready_pipe_ = context_.inherited.take(key("y"));
    if (std::holds_alternative<Starting>(service_.state())) started();
    else forget_start();
    entered(service_.state());
}

void Notices::watch_ready_pipe()
{
    if (ready_pipe_)
        ready_watch_ = context_.loop.readable(ready_pipe_.get(), service_.spec().namespec() + " readiness", [this] { read_ready_pipe(); });
}

void Notices::read_ready_pipe()
{
    char bytes[256];
    const ssize_t count = ::read(ready_pipe_.get(), bytes, sizeof bytes);
    if (count < 0) return;
    const bool line = count > 0 && std::memchr(bytes, '\n', static_cast<std::size_t>(count)) != nullptr;
    if (count > 0 && !line) return;
    // At its end: the kernel has closed it in exec, or the child gave up before.
    const bool exec = service_.spec().ready.when == ReadyWhen::Exec;
    const bool executed = service_.slot().child.stage.load() == static_cast<std::uint32_t>(sys::ChildStage::Executing);
    const bool failed = exec && !executed;
    forget_start();
    const Time now = context_.loop.now();
    if (failed) return;  // its exit says why
    if (line || exec) service_.hand(BecameReady{now});
    else service_.hand(NeverReady{now});
}

void Notices::try_connect()
{
    connect_watch_.reset();
    const auto& endpoint = service_.spec().ready.connect_to;
    if (!endpoint || !std::holds_alternative<Starting>(service_.state())) return;
    auto connecting = sys::begin_connect(*endpoint);
    if (connecting) {
        connecting_ = std::move(*connecting);
        connect_watch_ = context_.loop.writable(connecting_.get(), service_.spec().namespec() + " readiness", [this] { on_connected(); });
        return;
    }
    connect_timer_ = context_.loop.after(next_connect_, service_.spec().namespec() + " readiness", [this] { try_connect(); });
    next_connect_ = std::min(next_connect_ * 2, kLongestConnect);
}

void Notices::on_connected()
{
    connect_watch_.reset();
    const bool connected = sys::is_connected(connecting_.get());
    connecting_.reset();
    if (connected) return service_.hand(BecameReady{context_.loop.now()});
    connect_timer_ = context_.loop.after(next_connect_, service_.spec().namespec() + " readiness", [this] { try_connect(); });
    next_connect_ = std::min(next_connect_ * 2, kLongestConnect);
}

void Notices::forget_start()
{
    ready_watch_.reset();
    connect_watch_.reset();
    connect_timer_.reset();
    connecting_.reset();
    ready_writer_.reset();
    if (ready_pipe_) context_.keeper.drop(key("y"));
    ready_pipe_.reset();
}

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
        if (memory_ != nullptr && memory_->said != kNothing) memory_->said = kNothing;
}

void Notices::entered(const State& state)
{
    const bool running = std::holds_alternative<Running>(state);
    if (running && memory_ != nullptr && memory_->last_ping == 0) memory_->last_ping = context_.loop.now().time_since_epoch().count();
    if (!running && memory_ != nullptr) memory_->last_ping = 0;
    if (running) {
        if (watchdog_ == nullptr) watch_over();
    } else {
        watchdog_.reset();
    }
    if (!std::holds_alternative<Starting>(state) && !running) forget_start();
    if (std::holds_alternative<Stopped>(state) && !keeps_store_) drop_all_stored();
}

// ---- what is said -------------------------------------------------------------------------------------------------

std::string_view Notices::status() const
{
    return memory_ == nullptr ? std::string_view() : std::string_view(memory_->status, ::strnlen(memory_->status, sizeof memory_->status));
}

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
int Notices::stored() const { return static_cast<int>(stored_.size()); }

NotifyAccess Notices::access() const
{
    if (memory_ != nullptr && memory_->access >= 1 && memory_->access <= 4) return static_cast<NotifyAccess>(memory_->access - 1);
    return service_.spec().ready.access;
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
    if (message.main_pidfd && notification.fds.size() == 1) set_main(sys::pid_of(notification.fds.front().get()));
    else if (message.main_pid) set_main(*message.main_pid);
    if (message.watchdog_usec) {
        memory_->watchdog_ns = from_usec(*message.watchdog_usec).count() + 1;
        memory_->last_ping = now.time_since_epoch().count();
        watch_over();
    }
    if (message.watchdog && memory_->last_ping != 0) memory_->last_ping = now.time_since_epoch().count();
    if (message.store) store(message, notification);
    else if (message.store_remove) remove_stored(message.fd_name);
    if (message.extend_usec) service_.hand(Extend{now, from_usec(*message.extend_usec)});
    if (message.restart_reset) service_.forget_failures();
    if (message.stopping) memory_->said = kStopping;
    else if (message.reloading) memory_->said = kReloading;
    else if (message.ready) memory_->said = kReady;
    if (message.ready && !message.stopping && service_.spec().ready.when == ReadyWhen::Notify) service_.hand(BecameReady{now});
    if (message.watchdog_trigger) service_.hand(WatchdogMissed{now});
}

void Notices::set_main(pid_t pid)
{
    const pid_t main = live_pid(service_.state()).value_or(0);
    if (pid == main) return;
    if (!is_of_service(pid) || !service_.take_main(pid)) return log::warn("{}: MAINPID={} is no process of it", service_.spec().namespec(), pid);
}

// ---- signs of life ------------------------------------------------------------------------------------------------

Duration Notices::watchdog_period() const
{
    if (memory_ == nullptr) return {};
    return memory_->watchdog_ns != 0 ? Duration(memory_->watchdog_ns - 1) : service_.spec().ready.watchdog;
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
    if (now - watchdog_due_ > period / 2) memory_->last_ping = now.time_since_epoch().count();
    else if (now - last >= period) return service_.hand(WatchdogMissed{now});
    watch_over();
}

// ---- descriptors it leaves with us --------------------------------------------------------------------------------

void Notices::store(NotifyMessage& message, const sys::Notification& notification)
{
    const int most = std::min<int>(service_.spec().ready.fdstore_max, NoticeMemory::kMostStored);
    if (most == 0) return refuse(notification, "fdstore_max is 0");
    for (const sys::UniqueFd& fd : notification.fds) {
        if (std::ranges::any_of(stored_, [&](const auto& known) { return is_same_file(known.second.get(), fd.get()); })) continue;
        if (stored() >= most) return refuse(notification, "fdstore_max descriptors are kept already");
        sys::UniqueFd copy(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3));
        if (!copy) return refuse(notification, "no descriptor is left");
        const auto free = std::ranges::find_if(memory_->stored, [](const auto& place) { return place.used == 0; });
        const auto index = static_cast<std::size_t>(free - std::begin(memory_->stored));
        copy_text(free->name, sizeof free->name, message.fd_name.empty() ? "stored" : message.fd_name);
        free->poll = message.poll ? 1 : 0;
        context_.keeper.hold(key(fmt::format("F{}", index)), net::Held::Other, copy.get());
        free->used = 1;  // last: a name without a descriptor is no harm, the other way round it would be lost
        stored_.emplace_back(index, std::move(copy));
    }
    if (store_watch_ == nullptr)
        store_watch_ = context_.loop.every(kStoreCheck, service_.spec().namespec() + " stored descriptors", [this] { drop_hung_up(); });
}

void Notices::drop_stored(std::size_t index)
{
    const std::size_t place = stored_[index].first;
    memory_->stored[place].used = 0;
    context_.keeper.drop(key(fmt::format("F{}", place)));
    stored_.erase(stored_.begin() + static_cast<std::ptrdiff_t>(index));
    if (stored_.empty()) store_watch_.reset();
}

void Notices::remove_stored(std::string_view name)
{
    for (std::size_t i = stored_.size(); i-- > 0;)
        if (memory_->stored[stored_[i].first].name == name) drop_stored(i);
}

void Notices::drop_hung_up()
{
    for (std::size_t i = stored_.size(); i-- > 0;)
        if (memory_->stored[stored_[i].first].poll != 0 && has_hung_up(stored_[i].second.get())) drop_stored(i);
}

void Notices::drop_all_stored()
{
    while (!stored_.empty()) drop_stored(stored_.size() - 1);
}

void Notices::reloading()
{
    if (memory_ != nullptr) memory_->said = kReloading;
}

void Notices::keep_store(bool keep)
{
    keeps_store_ = keep;
    if (!keep && std::holds_alternative<Stopped>(service_.state())) drop_all_stored();
}

}  // namespace xsv::engine
