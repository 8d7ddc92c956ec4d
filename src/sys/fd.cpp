#include "sys/fd.h"

#include <unistd.h>

namespace xsv::sys {

void UniqueFd::reset(int fd) noexcept
{
    if (fd_ >= 0) ::close(fd_);  // Linux frees the number even when close reports EINTR: never again
    fd_ = fd;
}

}  // namespace xsv::sys
