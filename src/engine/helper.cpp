#include "engine/helper.h"

#include <algorithm>
#include <atomic>
#include <csignal>

#include <unistd.h>

#include "base/log.h"
#include "engine/adoption.h"
#include "wire/messages.h"

namespace xsv::engine {
namespace {

constexpr Duration kFirstRetry = std::chrono::milliseconds(50);
constexpr Duration kLongestRetry = std::chrono::seconds(5);
constexpr Duration kCalm = std::chrono::seconds(10);
constexpr Duration kFinish = std::chrono::seconds(5);
constexpr Duration kDeath = std::chrono::seconds(1);  // after SIGKILL

/// In the table: how many engines the message that is being handled has ended.
std::atomic<std::int32_t*> in_hand = nullptr;
static_assert(decltype(in_hand)::is_always_lock_free);

void note_crash(int signal)
{
    if (std::int32_t* crashes = in_hand.exchange(nullptr)) ++*crashes;
    ::raise(signal);  // for the core; we are not asked a second time
}

}  // namespace

void Helper::count_crashes()
{
    static char stack[64 * 1024];  // our own may be what is used up
    stack_t other{};
    other.ss_sp = stack;
    other.ss_size = sizeof stack;
    ::sigaltstack(&other, nullptr);
    struct sigaction action{};
    action.sa_handler = note_crash;
    action.sa_flags = static_cast<int>(SA_RESETHAND | SA_NODEFER | SA_ONSTACK);
    for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) ::sigaction(signal, &action, nullptr);
}

Helper::Helper(Context& context, Settings settings, std::function<void()> on_start,
               std::function<void(const wire::Value&, sys::UniqueFd)> on_message)
    : context_(context), settings_(std::move(settings)), on_start_(std::move(on_start)), on_message_(std::move(on_message))
{
}

void Helper::start(std::optional<std::uint32_t> slot)
{
    slot_ = slot;
    sys::UniqueFd end = context_.inherited.take(channel_key());
    if (!slot_ || !end) return spawn();
    Slot& found = context_.table.at(*slot_);
    const pid_t pid = found.child.pid;
    auto pidfd = pid > 0 && found.exit_sequence == 0 ? context_.adopted->open(*slot_) : Result<sys::UniqueFd>(sys::UniqueFd());
    if (!pidfd) context_.pids.remove(pid, *slot_);
    if (!pidfd || !*pidfd) return settings_.leave_until_handled ? take_legacy(std::move(end)) : spawn();
    pidfd_ = std::move(*pidfd);
    found.state.store(static_cast<std::uint32_t>(SlotState::Live), std::memory_order_release);
    started_ = context_.loop.now();
    connect(std::move(end));
    on_start_();
}

/// It ended while no engine was there: what it had sent is handled as soon as everybody it may concern is back, and only
/// then another one starts, whose channel takes the place of this one at the guardian.
void Helper::take_legacy(sys::UniqueFd end)
{
    connect(std::move(end));
    context_.loop.soon([this] {
        if (pidfd_) return;  // its end was reported meanwhile, and the next one runs
        if (channel_ != nullptr) channel_->drain();
        channel_.reset();
        spawn();
    });
}

void Helper::spawn()
{
    auto spawned = try_spawn();
    if (spawned) return on_start_();
    log::error("starting {}: {}", settings_.name, spawned.error().message);
    retry();
}

/// Who reads what strangers wrote has no secrets of ours to lose: of our environment it gets the time zone, and what the
/// loader and a sanitizer's run-time library read.
std::vector<std::string> Helper::environment() const
{
    std::vector<std::string> variables;
    const bool is_confined = !settings_.empty_root.empty();
    for (const auto& [name, value] : context_.surroundings.inherited)
        if (!is_confined || name == "TZ" || name == "LD_LIBRARY_PATH" || name.ends_with("SAN_OPTIONS")) variables.push_back(name + "=" + value);
    if (is_confined && settings_.user)
        variables.push_back(fmt::format("{}={}:{}", wire::kIdentityVariable, settings_.user->uid, settings_.user->gid));
    if (settings_.variables)
        for (std::string& variable : settings_.variables()) variables.push_back(std::move(variable));
    return variables;
}

Status Helper::try_spawn()
{
    if (!slot_) {
        auto taken = context_.table.take(SlotKind::Helper);
        if (!taken) return tl::unexpected(std::move(taken).error());
        slot_ = *taken;
        context_.table.at(*slot_).set_name(settings_.name);
    }
    auto pair = event::Channel::make_pair();
    if (!pair) return tl::unexpected(std::move(pair).error());
    auto& [ours, theirs] = *pair;

    sys::ChildPlan plan;
    plan.path = settings_.path;
    plan.argv = {context_.surroundings.name + ": " + settings_.name};
    plan.environment = environment();
    const int null = context_.surroundings.null;
    plan.moves = {{null, 0}, {settings_.inherits_output ? 1 : null, 1}, {settings_.inherits_output ? 2 : null, 2},
                  {theirs.get(), wire::kChannelFd}};
    plan.directory = settings_.empty_root;
    if (settings_.user && settings_.empty_root.empty()) {
        plan.uid = settings_.user->uid;
        plan.gid = settings_.user->gid;
        plan.groups = settings_.user->groups;
    }
    const auto prepared = context_.processes.prepare(std::move(plan));
    Slot& slot = context_.table.at(*slot_);
    slot.child.pid = 0;
    slot.exit_sequence = 0;
    slot.exit_pending = 0;
    slot.accepted = 0;
    slot.failures = 0;
    slot.started_wall = wall_seconds();
    slot.started_boot = context_.loop.now().time_since_epoch().count();
    slot.state.store(static_cast<std::uint32_t>(SlotState::Intent), std::memory_order_release);
    // Held before the process exists: whoever is killed in between finds both or neither.
    context_.keeper.hold(channel_key(), net::Held::Channel, ours.get());
    auto spawned = context_.processes.spawn(*prepared, slot.child);
    if (!spawned) return wrap(spawned, settings_.path);
    slot.state.store(static_cast<std::uint32_t>(SlotState::Live), std::memory_order_release);
    pidfd_ = std::move(spawned->pidfd);
    context_.pids.add(spawned->pid, *slot_);
    started_ = context_.loop.now();
    connect(std::move(ours));
    return {};
}

void Helper::connect(sys::UniqueFd end)
{
    channel_ = std::make_unique<event::Channel>(
        context_.loop, std::move(end), settings_.name,
        [this](std::string_view bytes, sys::UniqueFd fd) {
            auto message = wire::decode(bytes);
            if (!message) return log::warn("{} sent something unreadable: {}", settings_.name, message.error().message);
            if (message->text("type") == "log")
                return log::write_line(static_cast<log::Level>(message->number("level", 20)),
                                       settings_.name + ": " + message->text("line"));
            handle(*message, std::move(fd));
        },
        [] {});  // its end is reported by the guardian
    if (settings_.leave_until_handled) channel_->leave_until_handled();
}

/// A place has connections to count, a helper's slot the message it was shown last.
bool Helper::is_deadly()
{
    Slot& slot = context_.table.at(*slot_);
    const bool again = std::exchange(slot.accepted, channel_->delivering()) == channel_->delivering();
    if (again && slot.failures >= kMostCrashes) return true;
    if (!again) slot.failures = 0;
    return false;
}

void Helper::handle(const wire::Value& message, sys::UniqueFd fd)
{
    if (!settings_.leave_until_handled || !slot_) return on_message_(message, std::move(fd));
    struct InHand {
        std::int32_t& crashes;
        ~InHand()
        {
            in_hand = nullptr;
            crashes = 0;
        }
    } const hand{context_.table.at(*slot_).failures};
    if (is_deadly())
        return log::error("a message of {} ('{}') ended {} engines and is thrown away", settings_.name, message.text("type"), kMostCrashes);
    in_hand = &hand.crashes;
    on_message_(message, std::move(fd));
}

void Helper::on_exit(const ChildExit& exit)
{
    Slot& slot = context_.table.at(*slot_);
    context_.pids.remove(exit.pid, *slot_);
    slot.exit_pending = 0;
    slot.state.store(static_cast<std::uint32_t>(SlotState::Idle), std::memory_order_release);
    if (channel_ != nullptr) channel_->drain();
    pidfd_.reset();
    channel_.reset();
    timer_.reset();
    if (on_end_) {
        context_.keeper.drop(channel_key());
        return std::exchange(on_end_, nullptr)();
    }
    log::warn("xsvd: {} (pid {}) ended ({} {}); starting it again", settings_.name, exit.pid,
              exit.code == CLD_EXITED ? "exit status" : "signal", exit.status);
    if (context_.loop.now() - started_ > kCalm) retry_delay_ = Duration::zero();
    if (retry_delay_ == Duration::zero()) {
        retry_delay_ = kFirstRetry;
        return spawn();
    }
    retry();
}

void Helper::retry()
{
    retry_delay_ = std::clamp(retry_delay_, kFirstRetry, kLongestRetry);
    timer_ = context_.loop.after(retry_delay_, settings_.name, [this] { spawn(); });
    retry_delay_ = std::min(retry_delay_ * 2, kLongestRetry);
}

void Helper::shutdown(std::function<void()> done)
{
    if (!pidfd_) {
        timer_.reset();
        return done();
    }
    on_end_ = std::move(done);
    send(wire::Value::Struct{{"type", "shutdown"}});
    timer_ = context_.loop.after(kFinish, settings_.name, [this] {
        (void)context_.processes.signal(pidfd_, SIGKILL);
        timer_ = context_.loop.after(kDeath, settings_.name, [this] { leave_behind(); });
    });
}

/// A scribe whose disk hangs cannot even be killed before the disk comes back (rule L6). Nothing else waits for that.
void Helper::leave_behind()
{
    const pid_t pid = context_.table.at(*slot_).child.pid;
    log::warn("xsvd: {} (pid {}) cannot be killed: it waits for the kernel; going on without it", settings_.name, pid);
    context_.pids.remove(pid, *slot_);
    pidfd_.reset();
    channel_.reset();
    context_.keeper.drop(channel_key());
    std::exchange(on_end_, nullptr)();
}

}  // namespace xsv::engine
