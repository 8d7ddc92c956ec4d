#include "scribe/place.h"

#include <cerrno>
#include <cstdio>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/trusted_path.h"

namespace xsv::scribe {

bool is_null_device(const struct stat& status)
{
    return S_ISCHR(status.st_mode) && status.st_rdev == ((1u << 8) | 3u);
}

std::string Place::numbered(int number) const
{
    return number == 0 ? name : fmt::format("{}.{}", name, number);
}

Result<sys::UniqueFd> Place::open_for_reading() const
{
    sys::UniqueFd fd(
        ::openat(directory->get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (!fd) return fail_errno(name, errno);
    struct stat status {};
    if (::fstat(fd.get(), &status) < 0) return fail_errno(name, errno);
    if (!S_ISREG(status.st_mode) && !is_null_device(status)) return fail("{}: is not a regular file", name);
    return fd;
}

Result<sys::UniqueFd> Place::create(mode_t mode) const
{
    sys::UniqueFd fd(::openat(directory->get(), name.c_str(),
                              O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, mode));
    if (!fd) return fail_errno("creating " + name, errno);
    return fd;
}

Status Place::remove() const
{
    struct stat status {};
    if (::fstatat(directory->get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno == ENOENT) return {};
        return fail_errno(name, errno);
    }
    if (!S_ISREG(status.st_mode)) return fail("{}: is not a regular file", name);
    if (::unlinkat(directory->get(), name.c_str(), 0) < 0 && errno != ENOENT)
        return fail_errno("removing " + name, errno);
    return {};
}

bool Place::holds(int fd) const
{
    struct stat named {
    }, held{};
    return ::fstatat(directory->get(), name.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 && ::fstat(fd, &held) == 0 &&
           named.st_ino == held.st_ino && named.st_dev == held.st_dev;
}

Result<Place> find_place(const std::string& path)
{
    auto parent = sys::open_log_parent(path);
    if (!parent) return tl::unexpected<Error>(std::move(parent).error());
    if (parent->stream >= 0) return fail("{}: is a stream, no file", path);
    return Place{std::make_shared<sys::UniqueFd>(std::move(parent->fd)), std::move(parent->name)};
}

Status rotate(const Place& place, int backups)
{
    const int directory = place.directory->get();
    for (int number = backups; number > 0; --number) {
        const int done =
            ::renameat(directory, place.numbered(number - 1).c_str(), directory, place.numbered(number).c_str());
        if (done < 0 && errno != ENOENT) return fail_errno("renaming " + place.numbered(number - 1), errno);
    }
    return {};
}

}  // namespace xsv::scribe
