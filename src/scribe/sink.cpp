#include "scribe/sink.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace xsv::scribe {
namespace {

constexpr Duration kShortestPause = std::chrono::milliseconds(100);
constexpr Duration kLongestPause = std::chrono::seconds(1);

/// Where thrown-away bytes go without being copied.
int null_device()
{
    static const int fd = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    return fd;
}

}  // namespace

Sink::Sink(sys::UniqueFd pipe, SinkSettings settings, std::shared_ptr<Target> target, Syslog& syslog)
    : pipe_(std::move(pipe)),
      settings_(std::move(settings)),
      target_(std::move(target)),
      syslog_(syslog),
      capacity_(std::max(4096, ::fcntl(pipe_.get(), F_GETPIPE_SZ)))
{
}

void Sink::configure(SinkSettings settings, std::shared_ptr<Target> target)
{
    settings_ = std::move(settings);
    target_ = std::move(target);
}

bool Sink::has_same_pipe(int fd) const
{
    struct stat mine {
    }, other{};
    return ::fstat(pipe_.get(), &mine) == 0 && ::fstat(fd, &other) == 0 && mine.st_ino == other.st_ino &&
           mine.st_dev == other.st_dev;
}

void Sink::leave()
{
    left_ = waiting() + static_cast<std::int64_t>(pending_.size());
}

Sink::Turn Sink::turn(Time now)
{
    if (!target_ && !settings_.syslog) return discard(false);
    const Turn turn = take(now);
    if (turn == Turn::later)
        pause_ = std::clamp(pause_ * 2, kShortestPause, kLongestPause);
    else if (turn != Turn::wait)
        pause_ = {};
    return turn;
}

Sink::Turn Sink::take(Time now)
{
    if (target_ && !target_->is_usable(now)) return refused(now);
    if (must_look() || !pending_.empty() || !target_->splices()) return copy(now);
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
    return target_->splices() ? refused(now) : copy(now);
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

Sink::Turn Sink::copy(Time now)
{
    std::int64_t taken = 0;
    if (pending_.empty()) {
        static thread_local std::string buffer(Target::kChunk, '\0');
        if (is_shared()) buffer.resize(std::max(buffer.size(), static_cast<std::size_t>(waiting())));
        const ssize_t length = ::read(pipe_.get(), buffer.data(), buffer.size());
        if (length <= 0) return moved(0);
        taken = length;
        look_at({buffer.data(), static_cast<std::size_t>(length)});
    }
    while (target_ && !pending_.empty()) {
        const Target::Moved done = target_->write(pending_, now);
        pending_.erase(0, static_cast<std::size_t>(done.bytes));
        if (done.bytes > 0) continue;
        moved(taken);
        return done.would_block ? Turn::wait : refused(now);
    }
    pending_.clear();
    return taken > 0 ? moved(taken) : Turn::more;
}

void Sink::look_at(std::string_view chunk)
{
    if (settings_.strip_ansi)
        pending_ = filter_.strip(chunk);
    else
        pending_ = chunk;
    if (!settings_.syslog) return;
    lines_.feed(pending_, [this](std::string_view line) {
        if (!syslog_.send(fmt::format("{} {}", settings_.name, line)))
            lost_ += target_ ? 0 : static_cast<std::int64_t>(line.size());
    });
}

Sink::Turn Sink::refused(Time)
{
    if (settings_.on_full == OnFull::block) return Turn::later;
    if (!pending_.empty()) {
        const auto bytes = static_cast<std::int64_t>(pending_.size());
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
    if (settings_.strip_ansi) pending_ += filter_.rest();
    lines_.flush([this](std::string_view line) { syslog_.send(fmt::format("{} {}", settings_.name, line)); });
    if (target_ && !pending_.empty()) target_->write(pending_, BootClock::now());
    pending_.clear();
}

}  // namespace xsv::scribe
