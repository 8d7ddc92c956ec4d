#include "base/log_file.h"

#include <cerrno>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log_path.h"

namespace xsv::log {
namespace {

constexpr std::size_t kPipePage = 4096;  // what a pipe that polls writable takes without blocking

constexpr int kMostLinks = 40;  // as the kernel

/// No symbolic link as the last step, and nothing that would make the daemon wait: not even the open of a FIFO.
Result<int> open_at(int directory, const std::string& name, int flags)
{
    const int fd =
        ::openat(directory, name.c_str(),
                 O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | flags, 0666);
    if (fd < 0) return fail_errno("open", errno);
    return fd;
}

void write_some(int fd, std::string_view bytes, bool may_block) noexcept
{
    while (!bytes.empty()) {
        if (may_block) {
            pollfd ready{fd, POLLOUT, 0};
            if (::poll(&ready, 1, 0) <= 0) return;
        }
        const ssize_t done = ::write(fd, bytes.data(), may_block ? std::min(bytes.size(), kPipePage) : bytes.size());
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return;
        bytes.remove_prefix(static_cast<std::size_t>(done));
    }
}

/// The path at the end of root's own links, or of this user's.
Result<std::string> behind_links(std::string path)
{
    for (int links = 0; links <= kMostLinks; ++links) {
        if (standard_stream(path) >= 0) return path;
        const auto slash = path.rfind('/');
        const std::string parent = slash == std::string::npos ? "." : path.substr(0, slash + 1);
        const int directory = ::open(parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (directory < 0) return fail_errno(parent + ": open", errno);
        auto link = own_link(directory, slash == std::string::npos ? path : path.substr(slash + 1), path);
        ::close(directory);
        if (!link) return tl::unexpected<Error>(std::move(link).error());
        if (!*link) return path;
        path = std::move(**link);
    }
    return fail_errno(path, ELOOP);
}

}  // namespace

Status LogFile::open(const std::string& written, std::int64_t maxbytes, int backups)
{
    auto behind = behind_links(written);
    if (!behind) return tl::unexpected<Error>(std::move(behind).error());
    const std::string& path = *behind;
    int directory = -1;
    int fd = -1;
    const auto slash = path.rfind('/');
    const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
    if (const int stream = standard_stream(path); stream >= 0) {
        fd = ::fcntl(stream, F_DUPFD_CLOEXEC, 3);
        if (fd < 0) return fail_errno(path, errno);
    } else {
        const std::string parent = slash == std::string::npos ? "." : path.substr(0, slash + 1);
        directory = ::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (directory < 0) return fail_errno(parent + ": open", errno);
        auto opened = open_at(directory, name, 0);
        if (!opened) {
            ::close(directory);
            return wrap(opened, path);
        }
        fd = *opened;
    }
    struct stat status {};
    if (::fstat(fd, &status) < 0 || S_ISDIR(status.st_mode)) {
        ::close(fd);
        if (directory >= 0) ::close(directory);
        return fail("{}: is not a file", path);
    }
    close();
    path_ = written;
    name_ = name;
    directory_ = directory;
    fd_ = fd;
    regular_ = S_ISREG(status.st_mode) && directory >= 0;
    maxbytes_ = maxbytes;
    backups_ = backups;
    return {};
}

void LogFile::close() noexcept
{
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    if (directory_ >= 0) ::close(std::exchange(directory_, -1));
}

void LogFile::write(std::string_view bytes) noexcept
{
    if (fd_ < 0) return;
    write_some(fd_, bytes, !regular_);
    if (!regular_) return;
    // Asked of the kernel each time: logrotate may have truncated the file, or somebody removed it.
    struct stat status {};
    if (::fstat(fd_, &status) < 0) return;
    if (status.st_nlink == 0) {
        if (auto fresh = open_at(directory_, name_, 0)) ::close(std::exchange(fd_, *fresh));
    } else if (maxbytes_ > 0 && status.st_size >= maxbytes_) {
        rotate();
    }
}

std::string LogFile::numbered(int number) const
{
    return number == 0 ? name_ : fmt::format("{}.{}", name_, number);
}

void LogFile::rotate() noexcept
try {
    if (backups_ <= 0) {
        (void)!::ftruncate(fd_, 0);
        return;
    }
    ::unlinkat(directory_, numbered(backups_).c_str(), 0);
    for (int number = backups_; number > 0; --number)  // missing ones are tolerated
        ::renameat(directory_, numbered(number - 1).c_str(), directory_, numbered(number).c_str());
    if (auto fresh = open_at(directory_, name_, O_EXCL)) ::close(std::exchange(fd_, *fresh));
} catch (...) {
    // Out of memory for a name: the file grows until the next line.
}

Status LogFile::reopen()
{
    if (path_.empty()) return {};
    return open(path_, maxbytes_, backups_);
}

Status LogFile::clear()
{
    if (path_.empty() || !regular_) return {};
    if (::unlinkat(directory_, name_.c_str(), 0) < 0 && errno != ENOENT) {
        auto failed = fail_errno("unlink", errno);
        return tl::unexpected<Error>(std::move(failed).value().context(path_));
    }
    return reopen();
}

}  // namespace xsv::log
