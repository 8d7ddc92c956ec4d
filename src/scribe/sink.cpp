#include "scribe/sink.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "sys/files.h"

namespace xsv::scribe {
namespace {

constexpr Duration kShortestPause = std::chrono::milliseconds(100);
constexpr Duration kLongestPause = std::chrono::seconds(1);
constexpr Duration kShortestHold = std::chrono::milliseconds(1);
constexpr Duration kLongestHold = std::chrono::milliseconds(100);

/// Where thrown-away bytes go without being copied.
int null_device()
{
    static const int fd = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    return fd;
}

}  // namespace

Sink::Sink(sys::UniqueFd pipe, SinkSettings settings, std::shared_ptr<Target> target, log::Syslog& syslog,
           Outbox& outbox)
    : pipe_(std::move(pipe)),
      settings_(std::move(settings)),
      target_(std::move(target)),
      syslog_(syslog),
      outbox_(outbox),
      stream_(settings_.key),
      ends_stream_(settings_.key),
      capacity_(std::max(4096, ::fcntl(pipe_.get(), F_GETPIPE_SZ)))
{
    captured_.set_limit(static_cast<std::size_t>(settings_.capture));
}

void Sink::configure(SinkSettings settings, std::shared_ptr<Target> target)
{
    if (settings.capture == 0) add_text(capture_.rest());
    settings_ = std::move(settings);
    captured_.set_limit(static_cast<std::size_t>(settings_.capture));
    is_in_hand_ = ledger_ != nullptr;
    target_ = std::move(target);
    if (!must_tell()) ends_.clear();
}

void Sink::adopt(std::unique_ptr<Ledger> ledger)
{
    ledger_ = std::move(ledger);
    stream_.life = ledger_->life();
    stream_.number = 0;
    if (ledger_->is_new()) {
        is_in_hand_ = true;
        return;
    }
    const Ledger::State& state = ledger_->state();
    auto captured = ledger_->captured();
    auto chunk = ledger_->chunk();
    if (!captured || !chunk) return give_up_ledger((captured ? chunk : captured).error());
    stream_.number = state.number;
    capture_.restore(state.capture_open, {state.held, state.held_size});
    captured_.restore(state.capture_from, std::move(*captured));
    filter_.restore(state.ansi_state, state.ansi_length);
    lines_.restore({state.line, state.line_size}, state.line_was_full);
    written_before_ = static_cast<std::size_t>(ledger_->written());
    lines_before_ = ledger_->lines();
    if (chunk->empty()) return;
    is_in_hand_ = true;
    look_at(*chunk);
}

void Sink::give_up_ledger(const Error& error)
{
    log::warn("{}: {}; a crash of the scribe would lose what it has in hand", settings_.key, error.message);
    ledger_.reset();
    is_in_hand_ = false;
    stream_.begin_anew();  // a successor would count on from what the ledger has
}

/// True: nothing is in hand any more. Until its messages are in the socket they are in the ledger only.
bool Sink::settle()
{
    if (!ledger_ || !is_in_hand_) return true;
    if (!pending_.empty() || (is_telling_ && *stream_.under_way > 0)) return false;
    Ledger::State state{};
    state.number = stream_.number;
    state.capture_open = capture_.is_open();
    state.capture_from = captured_.from();
    state.capture_end = captured_.from() + static_cast<std::int64_t>(captured_.bytes().size());
    state.ansi_state = filter_.state();
    state.ansi_length = filter_.length();
    state.held_size = static_cast<std::uint32_t>(capture_.held().copy(state.held, sizeof state.held));
    state.line_size = static_cast<std::uint32_t>(lines_.partial().copy(state.line, sizeof state.line));
    state.line_was_full = lines_.was_full();
    if (auto closed = ledger_->close(state, captured_.bytes()); !closed) give_up_ledger(closed.error());
    is_in_hand_ = false;
    return true;
}

/// Of the pipe, or of what lies in the ledger. Empty: there is nothing.
Result<std::string> Sink::next_chunk()
{
    std::size_t most = Target::kChunk;
    if (is_shared()) most = std::max(most, static_cast<std::size_t>(waiting()));
    if (!ends_.empty()) most = std::min(most, static_cast<std::size_t>(ends_.front() - read_));
    if (ledger_) {
        const auto filled = ledger_->fill(pipe_.get(), most);
        if (filled && *filled == 0) return std::string();
        if (filled) {
            is_in_hand_ = true;
            return ledger_->chunk();
        }
        give_up_ledger(filled.error());
    }
    std::string bytes(most, '\0');
    const ssize_t length = ::read(pipe_.get(), bytes.data(), most);
    bytes.resize(static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
    return bytes;
}

Target::Moved Sink::deliver(Time now)
{
    if (!ledger_) return target_->write(pending_, now);
    if (auto offered = ledger_->offer(pending_); !offered) {
        give_up_ledger(offered.error());
        return target_->write(pending_, now);
    }
    is_in_hand_ = true;
    return target_->write_from(ledger_->fd(), pending_, now);
}

bool Sink::has_same_pipe(int fd) const
{
    struct stat mine {
    }, other{};
    return ::fstat(pipe_.get(), &mine) == 0 && ::fstat(fd, &other) == 0 && mine.st_ino == other.st_ino &&
           mine.st_dev == other.st_dev;
}

void Sink::become_reader()
{
    auto reader = sys::open_pipe_end(pipe_.get(), false);
    if (reader && ::fcntl(reader->get(), F_SETFL, O_NONBLOCK) == 0) pipe_ = std::move(*reader);
}

bool Sink::is_at_end() const
{
    pollfd end{pipe_.get(), POLLIN, 0};
    return pending_.empty() && ::poll(&end, 1, 0) == 1 && (end.revents & POLLHUP) != 0 && (end.revents & POLLIN) == 0;
}

void Sink::leave()
{
    left_ = waiting() + static_cast<std::int64_t>(pending_.size());
}

Sink::Turn Sink::turn(Time now)
{
    if (!target_ && !must_look()) return discard(false);
    const Turn turn = take(now);
    if (turn == Turn::later)
        pause_ = std::clamp(pause_ * 2, kShortestPause, kLongestPause);
    else if (turn == Turn::held)
        pause_ = std::clamp(pause_ * 2, kShortestHold, kLongestHold);
    else if (turn != Turn::wait)
        pause_ = {};
    return turn;
}

Sink::Turn Sink::take(Time now)
{
    const bool is_usable = !target_ || target_->is_usable(now);
    // The engine's part does not depend on the disk, unless the owner wants the program to wait for it.
    if (!is_usable && (!must_tell() || !pending_.empty() || settings_.on_full == OnFull::block)) return refused(now);
    if (must_look() || !pending_.empty() || !target_->splices()) return copy(now, is_usable);
    std::int64_t most = is_shared() ? waiting() : static_cast<std::int64_t>(Target::kChunk);
    if (most == 0) return moved(0);
    std::int64_t total = 0;
    Target::Moved done;
    do {
        done = target_->take_from(pipe_.get(), static_cast<std::size_t>(most), now);
        total += done.bytes;
        most -= done.bytes;
    } while (done.bytes > 0 && most > 0 && is_shared() && target_->is_usable(now));
    if (done.would_block && total == 0) return Turn::wait;
    if (total > 0 || done.from_empty) return moved(total);
    return target_->splices() ? refused(now) : copy(now, true);
}

/// Where several programs share a file, all that is in the pipe goes at once: it ends where a write ended, while a
/// chunk of fixed size would be cut within a line and the next program's bytes put between.
std::int64_t Sink::waiting() const
{
    int bytes = 0;
    return ::ioctl(pipe_.get(), FIONREAD, &bytes) < 0 ? 0 : bytes;
}

Sink::Turn Sink::moved(std::int64_t bytes)
{
    if (bytes == 0) {
        if (left_) left_ = 0;
        return Turn::empty;
    }
    bytes_ += bytes;
    measured_ += bytes;
    if (left_) *left_ -= bytes;
    return bytes >= static_cast<std::int64_t>(Target::kChunk) ? Turn::more : Turn::less;
}

Duration Sink::pace(Time now)
{
    const Duration elapsed = now - measured_since_;
    if (elapsed < kShortestPace * 4) return pace_;
    // A small part of it: a pipe holds a number of pages, writes may leave each half empty, and timers come late.
    const double rate =
        static_cast<double>(std::max<std::int64_t>(measured_, 1)) / static_cast<double>(elapsed.count());
    const auto filling = static_cast<std::int64_t>(0.15 * static_cast<double>(capacity_) / rate);
    pace_ = std::clamp(Duration(std::min(filling, kPace.count())), kShortestPace, kPace);
    measured_ = 0;
    measured_since_ = now;
    return pace_;
}

Sink::Turn Sink::copy(Time now, bool is_usable)
{
    std::int64_t taken = 0;
    if (pending_.empty()) {
        if (!settle() || (must_tell() && is_telling_ && !outbox_.has_room())) return Turn::held;
        const auto chunk = next_chunk();
        if (!chunk) give_up_ledger(chunk.error());
        if (!chunk || chunk->empty()) return moved(0);
        taken = static_cast<std::int64_t>(chunk->size());
        look_at(*chunk);
        read_ += must_tell() ? taken : 0;
        tell_ends();
    }
    while (target_ && !pending_.empty()) {
        const Target::Moved done = is_usable ? deliver(now) : Target::Moved{};
        pending_.erase(0, static_cast<std::size_t>(done.bytes));
        if (done.bytes > 0) continue;
        moved(taken);
        return done.would_block ? Turn::wait : refused(now);
    }
    pending_.clear();
    settle();
    return taken > 0 ? moved(taken) : Turn::more;
}

void Sink::look_at(std::string_view chunk)
{
    if (settings_.listener && is_telling_) outbox_.output(stream_, chunk);
    if (settings_.capture == 0) return add_text(chunk);
    capture_.feed(
        chunk,
        [this](std::string_view piece) {
            if (!capture_.is_open()) return add_text(piece);
            captured_.add(settings_.strip_ansi ? filter_.strip(piece) : std::string(piece));
        },
        [this] {
            const std::string data = captured_.take();
            if (is_telling_) outbox_.captured(stream_, data);
        });
}

void Sink::end_of_process()
{
    if (!must_tell()) return;
    ends_.push_back(read_ + waiting());
    tell_ends();
}

void Sink::tell_ends()
{
    for (; !ends_.empty() && ends_.front() <= read_; ends_.pop_front()) {
        release();
        outbox_.ended(ends_stream_);
    }
}

/// What waits for the rest of a token or a sequence waits in vain.
void Sink::release()
{
    add_text(capture_.rest());
    captured_.take();
    if (settings_.strip_ansi) add(filter_.rest());
    is_in_hand_ = ledger_ != nullptr;
}

void Sink::add_text(std::string_view text)
{
    if (settings_.strip_ansi)
        add(filter_.strip(text));
    else
        add(text);
}

/// The manual's rule, unlike Supervisor's (bug B4): what is captured is no output.
void Sink::add(std::string_view text)
{
    const std::size_t known = std::min(written_before_, text.size());
    written_before_ -= known;
    pending_ += text.substr(known);
    if (settings_.events && !settings_.listener && is_telling_) outbox_.output(stream_, text);
    if (!settings_.syslog) return;
    lines_.feed(text, [this](std::string_view line) {
        if (lines_before_ > 0) return void(--lines_before_);
        const bool sent = to_syslog(line);
        if (ledger_) ledger_->note_line();
        if (!sent)
            lost_ += target_ ? 0 : static_cast<std::int64_t>(line.size());
    });
}

bool Sink::to_syslog(std::string_view line)
{
    const std::string named = settings_.name.empty() ? std::string(line) : fmt::format("{} {}", settings_.name, line);
    return syslog_.send(named, settings_.syslog_priority);
}

Sink::Turn Sink::refused(Time)
{
    if (settings_.on_full == OnFull::block) return Turn::later;
    if (!pending_.empty()) {
        const auto bytes = static_cast<std::int64_t>(pending_.size());
        if (ledger_) ledger_->skip(pending_.size());
        pending_.clear();
        bytes_ -= bytes;  // moved() had counted them
        lost_ += bytes;
        target_->note_lost(bytes);
        return Turn::more;
    }
    return discard(true);
}

Sink::Turn Sink::discard(bool counts)
{
    const ssize_t bytes =
        ::splice(pipe_.get(), nullptr, null_device(), nullptr, Target::kChunk, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (bytes <= 0) return moved(0);
    if (counts) {
        lost_ += bytes;
        if (target_) target_->note_lost(bytes);
        bytes_ -= bytes;  // moved() counts what reached the log
    }
    return moved(bytes);
}

void Sink::give_up_waiting(Time now)
{
    if (target_ && settings_.on_full == OnFull::drop)
        target_->refuse(fmt::format("log file {}: nobody reads it", target_->file()), kShortestPause, now);
}

void Sink::finish()
{
    release();
    lines_.flush([this](std::string_view line) { to_syslog(line); });
    if (target_ && !pending_.empty()) deliver(BootClock::now());
    pending_.clear();
    settle();
}

}  // namespace xsv::scribe
