#include "sys/low_numbers.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace xsv::sys {

LowNumbers::LowNumbers(int null) : null_(null)
{
    constexpr rlim_t kRoom = 1024;
    rlimit limit{};
    if (null < 0 || ::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max < kRoom) return;
    for (UniqueFd& fd : kept_) {
        fd.reset(::fcntl(null, F_DUPFD_CLOEXEC, 0));
        if (fd && fd.get() < static_cast<int>(kEnd)) continue;
        for (UniqueFd& taken : kept_) taken.reset();
        return;
    }
}

bool LowNumbers::add(int fd) noexcept
{
    if (fd < static_cast<int>(kEnd) || of(fd) != fd) return true;
    if (used_ == kMost || !kept_.front() || ::dup3(fd, kept_[used_].get(), O_CLOEXEC) < 0) return false;
    from_[used_] = fd;
    to_[used_] = kept_[used_].get();
    ++used_;
    return true;
}

bool LowNumbers::place(const PreparedChild& child, int connection) noexcept
{
    bool fits = add(connection) && add(child.plan().listener);
    for (const PreparedChild::Move& move : child.moves()) fits = fits && add(move.from) && move.to < static_cast<int>(kEnd);
    if (!fits) clear();
    return fits;
}

void LowNumbers::clear() noexcept
{
    while (used_ > 0) ::dup3(null_, to_[--used_], O_CLOEXEC);
}

}  // namespace xsv::sys
