#include "scribe/target.h"

#include <cerrno>

#include <fcntl.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/files.h"
#include "sys/trusted_path.h"

namespace xsv::scribe {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kRetryOpen = seconds(1);
constexpr Duration kRetryFull = milliseconds(100);
constexpr Duration kRetryRotation = seconds(10);
constexpr std::size_t kPipePage = 4096;  // what a pipe that polls writable takes at least

std::string own_path(int fd)
{
    return fmt::format("/proc/self/fd/{}", fd);
}

bool ends_a_line(int fd, std::int64_t size)
{
    if (size == 0) return true;
    const sys::UniqueFd reader(::open(own_path(fd).c_str(), O_RDONLY | O_CLOEXEC));
    char last = '\n';
    return !reader || ::pread(reader.get(), &last, 1, size - 1) != 1 || last == '\n';
}

bool takes_bytes(int fd)
{
    pollfd ready{fd, POLLOUT, 0};
    return ::poll(&ready, 1, 0) > 0 && (ready.revents & (POLLOUT | POLLERR | POLLHUP)) != 0;
}

}  // namespace

Target::Target(std::string file) : file_(std::move(file)) {}

void Target::configure(const SinkSettings& settings)
{
    maxbytes_ = settings.maxbytes;
    backups_ = settings.backups;
    mode_ = settings.mode;
}

Status Target::open_standard(int stream)
{
    sys::UniqueFd copy(::fcntl(stream, F_DUPFD_CLOEXEC, 3));
    if (!copy) return fail_errno(file_, errno);
    struct stat status {};
    if (::fstat(copy.get(), &status) < 0) return fail_errno(file_, errno);
    if (S_ISFIFO(status.st_mode) || is_null_device(status)) {
        kind_ = Kind::stream;
    } else {
        kind_ = Kind::copy;
        // A terminal opened anew can be made non-blocking without doing that to the shell that shares it.
        if (S_ISCHR(status.st_mode)) {
            sys::UniqueFd own(::open(own_path(stream).c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
            if (own) copy = std::move(own);
        }
    }
    fd_ = std::move(copy);
    return {};
}

Status Target::open()
{
    kind_ = Kind::none;
    fd_.reset();
    auto parent = sys::open_log_parent(file_);
    if (!parent) return wrap(parent, "log file " + file_);
    if (parent->stream >= 0) return open_standard(parent->stream);
    auto fd = sys::open_log_file(file_, mode_);
    if (!fd) return tl::unexpected<Error>(std::move(fd).error());
    struct stat status {};
    if (::fstat(fd->get(), &status) < 0) return fail_errno("log file " + file_, errno);
    if (S_ISREG(status.st_mode)) {
        auto place = find_place(file_);
        if (!place) return wrap(place, "log file " + file_);
        if (!place->holds(fd->get())) return fail("log file {}: was replaced while it was opened", file_);
        place_ = std::move(*place);
        kind_ = Kind::regular;
    } else {
        kind_ = S_ISFIFO(status.st_mode) || is_null_device(status) ? Kind::stream : Kind::copy;
    }
    fd_ = std::move(*fd);
    return {};
}

/// Looks at what became of the file since the last turn. One fstat, some 0.3 µs.
bool Target::settle(Time now)
{
    if (kind_ != Kind::none && is_regular()) {
        struct stat status {};
        if (::fstat(fd_.get(), &status) == 0 && status.st_nlink > 0) {
            size_ = status.st_size;
            return true;
        }
        kind_ = Kind::none;  // removed: what is written there would fill the disk unseen
    } else if (kind_ != Kind::none) {
        return true;
    }
    const bool replaced = size_ > 0;
    if (auto opened = open(); !opened) {
        refuse(opened.error().message, kRetryOpen, now);
        return false;
    }
    size_ = 0;
    if (is_regular()) {
        struct stat status {};
        if (::fstat(fd_.get(), &status) == 0) size_ = status.st_size;
    }
    if (replaced && on_replaced) on_replaced();
    return true;
}

bool Target::is_usable(Time now)
{
    if (now < retry_at_) return false;
    if (!settle(now)) return false;
    if (kind_ == Kind::stream && !error_.empty() && !takes_bytes(fd_.get())) {
        retry_at_ = now + kRetryFull;
        return false;
    }
    if (lost_ > 0 && !tell_lost()) {
        retry_at_ = now + kRetryFull;
        return false;
    }
    return true;
}

void Target::refuse(std::string why, Duration pause, Time now)
{
    error_ = std::move(why);
    retry_at_ = now + pause;
}

void Target::note_lost(std::int64_t bytes)
{
    lost_until_ = wall_seconds();
    if (lost_ == 0) lost_since_ = lost_until_;
    lost_ += bytes;
}

bool Target::tell_lost()
{
    std::string line =
        fmt::format("{} bytes lost between {} and {}\n", lost_, local_time(lost_since_), local_time(lost_until_));
    if (!is_regular()) {
        lost_ = 0;  // a terminal's or a pipe's reader was not there: the engine's log tells it
        return true;
    }
    if (!ends_a_line(fd_.get(), size_)) line.insert(0, 1, '\n');
    const ssize_t done = ::pwrite(fd_.get(), line.data(), line.size(), size_);
    if (done != static_cast<ssize_t>(line.size())) {
        if (done > 0) (void)!::ftruncate(fd_.get(), size_);  // no half lines
        return false;
    }
    size_ += done;
    lost_ = 0;
    return true;
}

Target::Moved Target::failed(int error, Time now)
{
    const std::string why = fmt::format("log file {}: {}", file_, errno_text(error));
    const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
    refuse(why, full ? kRetryFull : kRetryOpen, now);
    if (!full) kind_ = Kind::none;  // EPIPE, EIO, ESTALE: opened anew next time
    return {};
}

Target::Moved Target::take_from(int pipe, std::size_t most, Time now)
{
    loff_t at = size_;
    ssize_t bytes;
    do
        bytes =
            ::splice(pipe, nullptr, fd_.get(), is_regular() ? &at : nullptr, most, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    while (bytes < 0 && errno == EINTR);
    if (bytes < 0 && errno == EAGAIN) {
        const bool blocked = kind_ == Kind::stream && !takes_bytes(fd_.get());
        return {0, !blocked, blocked};
    }
    if (bytes < 0 && errno == EINVAL) {  // a filesystem that does not splice
        kind_ = kind_ == Kind::regular ? Kind::regular_copy : Kind::copy;
        return {};
    }
    if (bytes <= 0) return failed(bytes < 0 ? errno : EIO, now);
    return grown(bytes, now);
}

Target::Moved Target::grown(std::int64_t bytes, Time now)
{
    error_.clear();
    size_ += bytes;
    rotate_if_full(now);
    if (on_growth) on_growth();
    return {bytes, false, false};
}

Target::Moved Target::write(std::string_view bytes, Time now)
{
    ssize_t done;
    if (is_regular()) {
        done = ::pwrite(fd_.get(), bytes.data(), bytes.size(), size_);
    } else {
        if (!takes_bytes(fd_.get())) return {0, false, true};
        done = ::write(fd_.get(), bytes.data(), std::min(bytes.size(), kPipePage));
    }
    if (done < 0 && (errno == EAGAIN || errno == EINTR)) return {0, false, true};
    if (done <= 0) return failed(done < 0 ? errno : ENOSPC, now);
    return grown(done, now);
}

Target::Moved Target::write_from(int memory, std::string_view bytes, Time now)
{
    if (kind_ == Kind::regular && ::lseek(fd_.get(), size_, SEEK_SET) == size_) {
        const ssize_t done = ::sendfile(fd_.get(), memory, nullptr, bytes.size());
        if (done < 0 && (errno == EAGAIN || errno == EINTR)) return {0, false, true};
        if (done > 0) return grown(done, now);
        if (done == 0 || (errno != EINVAL && errno != ENOSYS)) return failed(done < 0 ? errno : ENOSPC, now);
    }
    const Moved moved = write(bytes, now);
    if (moved.bytes > 0) ::lseek(memory, moved.bytes, SEEK_CUR);
    return moved;
}

void Target::rotate_if_full(Time now)
{
    if (maxbytes_ <= 0 || size_ < maxbytes_ || !is_regular() || now < next_rotation_) return;
    next_rotation_ = now + kRetryRotation;  // taken back below when it worked
    if (backups_ <= 0) {
        if (::ftruncate(fd_.get(), 0) < 0) return;
        next_rotation_ = {};
        size_ = 0;
        return;
    }
    // A file that was moved away by hand keeps its bytes; whatever has its name now is not ours to rotate.
    if (!place_.holds(fd_.get())) return reopen();
    if (auto moved = rotate(place_, backups_); !moved) {
        rotation_error_ = fmt::format("log file {}: rotation: {}", file_, moved.error().message);
        return;
    }
    rotation_error_.clear();
    next_rotation_ = {};
    auto fresh = place_.create(mode_);
    if (!fresh) {
        kind_ = Kind::none;
        refuse(fmt::format("log file {}: {}", file_, fresh.error().message), kRetryFull, now);
    } else {
        fd_ = std::move(*fresh);
        size_ = 0;
    }
    if (on_replaced) on_replaced();
}

void Target::reopen()
{
    kind_ = Kind::none;
    retry_at_ = {};
}

Status Target::clear()
{
    if (kind_ != Kind::none && !is_regular()) return {};
    auto place = find_place(file_);
    if (!place) return tl::unexpected<Error>(std::move(place).error());
    if (auto removed = place->remove(); !removed) return removed;
    reopen();
    if (!settle(BootClock::now())) return fail("{}", error_);
    error_.clear();
    return {};
}

}  // namespace xsv::scribe
