#include "scribe/writer.h"

#include <algorithm>
#include <cerrno>
#include <stdexcept>

#include <sys/timerfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/progress.h"

namespace xsv::scribe {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// A pipe that gave little is left alone for a moment: hundreds of small writes are then moved in one go (rule L4). But
/// only if it had something this short a time ago; lines that come now and then go at once.
constexpr Duration kBusy = milliseconds(2);
constexpr Duration kPatience = seconds(1);  // with a terminal or pipe that takes nothing
constexpr Duration kStatsPeriod = seconds(1);
constexpr Duration kEngineTime = seconds(1);  // for the engine to take its part when everything ends
constexpr Duration kEndsPeriod = milliseconds(200);
constexpr int kTurnsPerDrain = 4096;

}  // namespace

Writer::Writer(Outbox& outbox)
    : outbox_(outbox),
      loop_(event::make_loop()),
      mailbox_(*loop_),
      tick_fd_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)),
      followers_(*loop_, [this](const std::string& file) { return known_target(file); })
{
    if (!tick_fd_) throw std::runtime_error("timerfd_create: " + errno_text(errno));
    tick_watch_ = loop_->readable(tick_fd_.get(), "log pipes", [this] { tick(); });
    thread_ = std::thread([this] { loop_->run(); });
}

Writer::~Writer()
{
    stop();
}

void Writer::stop()
{
    if (!thread_.joinable()) return;
    mailbox_.post([this] { loop_->stop(); });
    thread_.join();
}

void Writer::post(std::function<void(Writer&)> call)
{
    mailbox_.post([this, call = std::move(call)] { call(*this); });
}

std::shared_ptr<Target> Writer::known_target(const std::string& file) const
{
    const auto known = targets_.find(file);
    return known == targets_.end() ? nullptr : known->second.lock();
}

std::shared_ptr<Target> Writer::target_for(const SinkSettings& settings)
{
    if (settings.file.empty()) return nullptr;
    std::weak_ptr<Target>& known = targets_[settings.file];
    std::shared_ptr<Target> target = known.lock();
    if (!target) {
        target = std::make_shared<Target>(settings.file);
        known = target;
        std::erase_if(targets_,
                      [&](const auto& entry) { return entry.first != settings.file && entry.second.expired(); });
    }
    target->configure(settings);
    return target;
}

void Writer::give_ledger(Sink& sink, sys::UniqueFd memory, bool may_be_used)
{
    if (!memory || sink.has_ledger()) return;
    auto ledger = Ledger::open(std::move(memory));
    if (!ledger)
        log::warn("{}: {}; a crash of the scribe would lose what it has in hand", sink.settings().key, ledger.error().message);
    else if ((*ledger)->is_new() || may_be_used)
        sink.adopt(std::move(*ledger));
}

void Writer::set_sink(const SinkSettings& settings, sys::UniqueFd pipe, sys::UniqueFd memory)
{
    const auto known = named_.find(settings.key);
    if (known != named_.end()) {
        Sink& sink = *known->second;
        if (!pipe || sink.has_same_pipe(pipe.get())) {
            if (!(sink.settings() == settings)) {
                sink.configure(settings, target_for(settings));
                give_ledger(sink, std::move(memory), false);
                set_mode(sink, Sink::Mode::idle);
                serve(sink);
            }
            tell_stats(sink);
            return;
        }
        drop_sink(settings.key);
    }
    if (!pipe) return;
    auto sink = std::make_unique<Sink>(std::move(pipe), settings, target_for(settings), syslog_, outbox_);
    Sink& added = *sink;
    sinks_.push_back(std::move(sink));
    named_[settings.key] = &added;
    // Opened now, so that a mistake in the path is seen before the first byte comes, and the file exists as with
    // Supervisor.
    if (added.target()) added.target()->is_usable(loop_->now());
    followers_.attach(settings.file);
    give_ledger(added, std::move(memory), true);
    set_mode(added, Sink::Mode::watched);
    if (added.has_ledger()) serve(added);  // what a former scribe had in hand
    tell_stats(added);
}

Sink* Writer::take_named(const std::string& key)
{
    const auto known = named_.extract(key);
    return known.empty() ? nullptr : known.mapped();
}

void Writer::drop_sink(const std::string& key)
{
    Sink* sink = take_named(key);
    if (sink == nullptr) return;
    sink->leave();
    set_mode(*sink, Sink::Mode::idle);
    serve(*sink);
}

void Writer::forget_sink(const std::string& key)
{
    if (Sink* sink = take_named(key)) finish(*sink);
}

void Writer::end_of_process(const std::string& key)
{
    const auto known = named_.find(key);
    if (known == named_.end()) return;
    Sink& sink = *known->second;
    sink.end_of_process();
    if (sink.mode != Sink::Mode::watched) return;
    set_mode(sink, Sink::Mode::idle);
    serve(sink);
}

void Writer::finish(Sink& sink)
{
    sink.finish();
    set_mode(sink, Sink::Mode::idle);
    if (sink.is_dirty) tell_stats(sink);
    std::erase(dirty_, &sink);
    std::erase_if(sinks_, [&](const auto& each) { return each.get() == &sink; });
}

void Writer::set_mode(Sink& sink, Sink::Mode mode)
{
    if (sink.mode == mode) return;
    if (sink.mode == Sink::Mode::paced) std::erase(paced_, &sink);
    sink.watch.reset();
    sink.timer.reset();
    sink.mode = mode;
    const auto again = [this, &sink] {
        set_mode(sink, Sink::Mode::idle);
        serve(sink);
    };
    switch (mode) {
        case Sink::Mode::idle: break;
        case Sink::Mode::watched:
            sink.watch = loop_->readable(sink.pipe(), sink.settings().key, [this, &sink] { serve(sink); });
            break;
        case Sink::Mode::paced:
            paced_.push_back(&sink);
            arm_tick(sink.pace(loop_->now()));
            break;
        case Sink::Mode::waiting:
            sink.watch = loop_->writable(sink.target()->wait_fd(), sink.settings().key, again);
            sink.timer = loop_->after(kPatience, sink.settings().key, [this, &sink] {
                sink.give_up_waiting(loop_->now());
                set_mode(sink, Sink::Mode::idle);
                serve(sink);
            });
            break;
        case Sink::Mode::resting: sink.timer = loop_->after(sink.pause(), sink.settings().key, again); break;
    }
}

void Writer::serve(Sink& sink)
{
    const Time now = loop_->now();
    const Sink::Turn turn = sink.turn(now);
    if (sink.has_left()) return finish(sink);
    // A listener's next event waits for its answer.
    const bool busy = now - std::exchange(sink.last_move, turn == Sink::Turn::empty ? sink.last_move : now) < kBusy &&
                      !sink.settings().listener;
    switch (turn) {
        case Sink::Turn::more:
        case Sink::Turn::empty: set_mode(sink, Sink::Mode::watched); break;
        case Sink::Turn::less: set_mode(sink, busy ? Sink::Mode::paced : Sink::Mode::watched); break;
        case Sink::Turn::wait: set_mode(sink, Sink::Mode::waiting); break;
        case Sink::Turn::held:
        case Sink::Turn::later:
            set_mode(sink, Sink::Mode::idle);
            set_mode(sink, Sink::Mode::resting);
            break;
    }
    if (turn == Sink::Turn::empty) return;
    note_progress();
    mark(sink);
}

/// One timer for all: those whose time has not come yet are served early, which does no harm.
void Writer::arm_tick(Duration delay)
{
    const Time at = loop_->now() + delay;
    if (at >= tick_at_) return;
    tick_at_ = at;
    itimerspec when{};
    when.it_value.tv_nsec = delay.count();
    ::timerfd_settime(tick_fd_.get(), 0, &when, nullptr);
}

void Writer::tick()
{
    std::uint64_t count = 0;
    if (::read(tick_fd_.get(), &count, sizeof count) > 0) note_progress();
    tick_at_ = Time::max();
    const std::vector<Sink*> due = paced_;
    for (Sink* sink : due) serve(*sink);
    Duration next = Sink::kPace;
    for (Sink* sink : paced_) next = std::min(next, sink->pace(loop_->now()));
    if (!paced_.empty()) arm_tick(next);
}

void Writer::reopen()
{
    for (const auto& [file, weak] : targets_)
        if (const auto target = weak.lock()) target->reopen();
    // Not only at the next byte: who asked wants to see the new file.
    for (const auto& sink : sinks_)
        if (sink->target()) sink->target()->is_usable(loop_->now());
}

Status Writer::clear(const std::string& file)
{
    if (const auto target = known_target(file)) return target->clear();
    auto place = find_place(file);
    if (!place) return tl::unexpected<Error>(std::move(place).error());
    return place->remove();
}

void Writer::drain(std::function<void()> done)
{
    drained_ = std::move(done);
    named_.clear();
    drain_since_ = loop_->now();
    drain_more();
}

void Writer::drain_more()
{
    for (auto at = sinks_.begin(); at != sinks_.end();) {
        Sink& sink = **at++;
        if (loop_->now() - drain_since_ > kEngineTime) sink.stop_telling();
        Sink::Turn turn = Sink::Turn::more;
        for (int n = 0; n < kTurnsPerDrain && (turn == Sink::Turn::more || turn == Sink::Turn::less); ++n)
            turn = sink.turn(loop_->now());
        if (turn == Sink::Turn::empty || sink.has_left()) finish(sink);
    }
    if (sinks_.empty()) {
        drain_timer_.reset();
        if (drained_) std::exchange(drained_, {})();
        return;
    }
    drain_timer_ = loop_->after(milliseconds(20), "draining", [this] { drain_more(); });
}

void Writer::outlive(std::function<void()> done)
{
    drained_ = std::move(done);
    for (const auto& sink : sinks_) {
        set_mode(*sink, Sink::Mode::idle);
        sink->become_reader();
        sink->stop_telling();
        set_mode(*sink, Sink::Mode::watched);
    }
    look_for_ends();
}

void Writer::look_for_ends()
{
    for (auto at = sinks_.begin(); at != sinks_.end();) {
        Sink& sink = **at++;
        if (sink.is_at_end()) finish(sink);
    }
    if (sinks_.empty()) return std::exchange(drained_, {})();
    drain_timer_ = loop_->after(kEndsPeriod, "ends", [this] { look_for_ends(); });
}

void Writer::mark(Sink& sink)
{
    if (sink.error() != sink.told_error) return tell_stats(sink);
    if (sink.is_dirty) return;
    sink.is_dirty = true;
    dirty_.push_back(&sink);
    if (!stats_timer_) stats_timer_ = loop_->after(kStatsPeriod, "statistics", [this] { send_stats(); });
}

void Writer::send_stats()
{
    stats_timer_.reset();
    for (Sink* sink : std::exchange(dirty_, {})) tell_stats(*sink);
}

void Writer::tell_stats(Sink& sink)
{
    sink.is_dirty = false;
    const SinkSettings& settings = sink.settings();
    const std::string error = sink.error();
    if (error != sink.told_error) {
        if (!error.empty())
            log::warn("{}: {}", settings.key, error);
        else
            log::info("{}: log file {} is written again, {} bytes were lost", settings.key, settings.file,
                      sink.lost() - sink.told_lost);
        sink.told_error = error;
        if (error.empty()) sink.told_lost = sink.lost();
    }
    outbox_.tell(wire::Value::Struct{
        {"type", "stats"}, {"key", settings.key}, {"bytes", sink.bytes()}, {"lost", sink.lost()}, {"error", error}});
}

}  // namespace xsv::scribe
