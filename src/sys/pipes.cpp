#include <cerrno>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/files.h"

namespace xsv::sys {
namespace {

constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
constexpr std::size_t kSmallestPipe = 4096;

std::string own_path(int fd) { return fmt::format("/proc/self/fd/{}", fd); }

}  // namespace

Result<UniqueFd> sealed_memory(std::string_view name, std::string_view bytes)
{
    UniqueFd fd(::memfd_create(std::string(name).c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!fd) return fail_errno("memfd_create", errno);
    while (!bytes.empty()) {
        const auto count = ::write(fd.get(), bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail_errno("writing sealed memory", errno);
        bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    if (::fcntl(fd.get(), F_ADD_SEALS, kSeals) < 0) return fail_errno("sealing memory", errno);
    return fd;
}

Result<std::string> read_sealed(int fd, std::size_t limit)
{
    const int seals = ::fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & kSeals) != kSeals) return fail("the descriptor is not sealed memory");
    struct stat status{};
    if (::fstat(fd, &status) < 0) return fail_errno("reading sealed memory", errno);
    if (static_cast<std::size_t>(status.st_size) > limit) return fail("sealed memory of {} bytes is larger than {}", status.st_size, limit);
    std::string bytes(static_cast<std::size_t>(status.st_size), '\0');
    for (std::size_t done = 0; done < bytes.size();) {
        const auto count = ::pread(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return fail_errno("reading sealed memory", count < 0 ? errno : EIO);
        done += static_cast<std::size_t>(count);
    }
    return bytes;
}

Result<UniqueFd> make_pipe(std::size_t size)
{
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) return fail_errno("pipe", errno);
    const UniqueFd reader(ends[0]), writer(ends[1]);
    UniqueFd both(::open(own_path(ends[0]).c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
    if (!both) return fail_errno("opening a pipe through /proc/self/fd", errno);
    // Without CAP_SYS_RESOURCE there is a limit per pipe, and one for all pipes of a user (EPERM).
    while (size > kSmallestPipe && ::fcntl(both.get(), F_SETPIPE_SZ, static_cast<int>(size)) < 0) size /= 2;
    return both;
}

Result<UniqueFd> open_pipe_end(int pipe, bool for_writing)
{
    UniqueFd end(::open(own_path(pipe).c_str(), (for_writing ? O_WRONLY : O_RDONLY) | O_CLOEXEC));
    if (!end) return fail_errno("opening a pipe through /proc/self/fd", errno);
    return end;
}

bool make_room(int pipe, std::size_t bytes)
{
    constexpr int kLargest = 8 << 20;
    constexpr std::size_t kPage = 4096;
    int unread = 0;
    if (::ioctl(pipe, FIONREAD, &unread) < 0) return false;
    // A write goes on in the last page only if its first part fits there: two pages side by side hold more than one page's bytes.
    const std::size_t used = unread == 0 ? 0 : 2 * (static_cast<std::size_t>(unread) / kPage) + 2;
    const std::size_t wanted = (used + (bytes + kPage - 1) / kPage) * kPage;
    const int size = ::fcntl(pipe, F_GETPIPE_SZ);
    if (size >= 0 && static_cast<std::size_t>(size) >= wanted) return true;
    return wanted <= kLargest && ::fcntl(pipe, F_SETPIPE_SZ, static_cast<int>(wanted)) >= 0;
}

}  // namespace xsv::sys
