#include "scribe/follower.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/progress.h"
#include "scribe/place.h"

namespace xsv::scribe {
namespace {

constexpr std::size_t kChunk = 64 * 1024;
constexpr int kChunksPerTurn = 16;
constexpr std::string_view kTruncated = "==> File truncated <==\n";

sys::UniqueFd open_now(const std::string& file)
{
    auto place = find_place(file);
    if (!place) return {};
    auto fd = place->open_for_reading();
    return fd ? std::move(*fd) : sys::UniqueFd();
}

bool is_same_file(int a, int b)
{
    struct stat one {
    }, other{};
    return ::fstat(a, &one) == 0 && ::fstat(b, &other) == 0 && one.st_ino == other.st_ino && one.st_dev == other.st_dev;
}

}  // namespace

Follower::Follower(event::Loop& loop, std::string file, sys::UniqueFd pipe, OnGone gone)
    : loop_(loop),
      file_(std::move(file)),
      pipe_(std::move(pipe)),
      gone_(std::move(gone))
{
    ::fcntl(pipe_.get(), F_SETFL, ::fcntl(pipe_.get(), F_GETFL) | O_NONBLOCK);
    Source first{open_now(file_), 0};
    struct stat status {};
    if (first.fd && ::fstat(first.fd.get(), &status) == 0) {
        first.offset = std::max<std::int64_t>(0, status.st_size - kFirst);
        sources_.push_back(std::move(first));
    }
    // The write end of a pipe is never readable; it only reports that the last reader left.
    hung_up_ = loop_.readable(pipe_.get(), "follower", [this] { end(); });
}

void Follower::end()
{
    if (std::exchange(ended_, true)) return;
    writable_.reset();
    hung_up_.reset();
    loop_.soon(gone_);
}

Follower::Step Follower::copy(Source& source)
{
    struct stat status {};
    if (::fstat(source.fd.get(), &status) == 0 && status.st_size < source.offset) {
        source.offset = 0;
        truncated_ = true;
    }
    if (truncated_) {
        if (const Step sent = send_marker(); sent != Step::done) return sent;
    }
    for (int n = 0; n < kChunksPerTurn; ++n) {
        loff_t at = source.offset;
        const ssize_t bytes = ::splice(source.fd.get(), &at, pipe_.get(), nullptr, kChunk, SPLICE_F_NONBLOCK);
        if (bytes == 0) return Step::done;
        if (bytes < 0 && errno == EINTR) continue;
        if (bytes < 0) return errno == EAGAIN ? Step::full : Step::gone;
        note_progress();
        source.offset += bytes;
    }
    return Step::full;  // not full, but others want a turn too
}

Follower::Step Follower::send_marker()
{
    const ssize_t done = ::write(pipe_.get(), kTruncated.data(), kTruncated.size());
    if (done < 0) return errno == EAGAIN ? Step::full : Step::gone;
    truncated_ = false;
    return Step::done;
}

void Follower::look_for_new_file()
{
    sys::UniqueFd now = open_now(file_);
    if (!now || (!sources_.empty() && is_same_file(now.get(), sources_.back().fd.get()))) return;
    if (sources_.size() >= kMaxFiles) sources_.erase(sources_.begin() + 1);
    sources_.push_back({std::move(now), 0});
}

void Follower::replaced()
{
    look_for_new_file();
    pump();
}

void Follower::pump()
{
    if (ended_ || writable_ != nullptr) return;
    for (bool looked = false;;) {
        const Step step = sources_.empty() ? Step::done : copy(sources_.front());
        if (step == Step::gone) return end();
        if (step == Step::full) {
            writable_ = loop_.writable(pipe_.get(), "follower", [this] {
                writable_.reset();
                pump();
            });
            return;
        }
        if (sources_.size() > 1) {
            sources_.pop_front();  // read to its end, and another one has its name
        } else if (!std::exchange(looked, true)) {
            look_for_new_file();
            if (sources_.size() < 2) return;
        } else {
            return;
        }
    }
}

}  // namespace xsv::scribe
