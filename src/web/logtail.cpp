#include "web/logtail.h"

#include <array>
#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

#include "base/progress.h"

namespace xsv::web {

namespace {

constexpr std::size_t kPiece = 16 << 10;

}  // namespace

LogFollower::LogFollower(event::Loop& loop, sys::UniqueFd pipe) : loop_(loop), pipe_(std::move(pipe))
{
    ::fcntl(pipe_.get(), F_SETFL, O_NONBLOCK);
}

void LogFollower::start(Connection& connection)
{
    connection_ = &connection;
    watch();
}

void LogFollower::on_drained()
{
    if (!watch_) watch();
}

void LogFollower::watch()
{
    watch_ = loop_.readable(pipe_.get(), "log follower", [this] { on_readable(); });
}

void LogFollower::on_readable()
{
    std::array<char, kPiece> bytes;
    const ssize_t size = ::read(pipe_.get(), bytes.data(), bytes.size());
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0) return connection_->end_stream();  // destroys this
    note_progress();
    connection_->stream({bytes.data(), static_cast<std::size_t>(size)});
    if (connection_->queued() >= kStreamQueue) watch_.reset();
}

}  // namespace xsv::web
