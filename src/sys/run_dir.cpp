#include <cerrno>
#include <climits>
#include <cstdlib>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "sys/files.h"
#include "sys/trusted_path.h"

namespace xsv::sys {
namespace {

std::string instance_of(const std::string& config_file)
{
    char* resolved = ::realpath(config_file.c_str(), nullptr);
    const std::string real = resolved ? resolved : config_file;
    ::free(resolved);
    std::string base = real.substr(real.rfind('/') + 1).substr(0, 64);
    for (char& c : base) {
        if (static_cast<unsigned char>(c) <= ' ' || static_cast<unsigned char>(c) >= 0x7f) c = '_';
    }
    return fmt::format("{}-{:08x}", base, text::hash(real) & 0xffffffff);
}

}  // namespace

std::string default_run_dir(const std::string& config_file)
{
    const std::string instance = instance_of(config_file);
    if (::geteuid() == 0) return "/run/xsvd/" + instance;
    const char* runtime = ::getenv("XDG_RUNTIME_DIR");
    if (runtime && *runtime == '/') return std::string(runtime) + "/xsvd/" + instance;
    return fmt::format("/tmp/xsvd-{}/{}", ::geteuid(), instance);
}

Status make_run_dir(const std::string& path)
{
    const std::string what = "run-time folder " + path;
    auto parent = open_trusted_parent(path, true);
    if (!parent) return wrap(parent, what);
    const char* name = parent->name.c_str();
    const bool made = ::mkdirat(parent->fd.get(), name, 0755) == 0;
    if (!made && errno != EEXIST) return fail_errno(what, errno);
    UniqueFd fd(::openat(parent->fd.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) return fail_errno(what, errno);
    if (made && ::fchmod(fd.get(), 0755) < 0) return fail_errno(what, errno);
    struct stat status{};
    if (::fstat(fd.get(), &status) < 0) return fail_errno(what, errno);
    if (status.st_uid != ::geteuid()) return fail("{}: belongs to uid {}, remove it or set rundir=", what, status.st_uid);
    if (status.st_mode & 022) return fail("{}: is writable by others (chmod go-w {})", what, path);
    return {};
}

Result<UniqueFd> take_lock(const std::string& path, pid_t holder_pid)
{
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644));
    if (!fd) return fail_errno("lock file " + path, errno);
    struct flock whole{};
    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    // An open-file-description lock: it lives as long as any duplicate, so guardian and engine hold it together.
    if (::fcntl(fd.get(), F_OFD_SETLK, &whole) < 0) {
        const int error = errno;
        if (error != EAGAIN && error != EACCES) return fail_errno("lock file " + path, error);
        char digits[16] = {};
        const auto count = ::pread(fd.get(), digits, sizeof digits - 1, 0);
        const auto holder = text::to_int(text::trim(std::string_view(digits, count > 0 ? static_cast<std::size_t>(count) : 0)));
        auto failure = holder ? fail("{} is locked by another xsvd with this configuration, pid {}", path, *holder)
                              : fail("{} is locked by another xsvd with this configuration", path);
        failure.value().code = EAGAIN;
        return failure;
    }
    if (auto noted = note_holder(fd, holder_pid); !noted) return wrap(noted, "lock file " + path);
    return fd;
}

Status note_holder(const UniqueFd& lock, pid_t holder_pid)
{
    const std::string pid = fmt::format("{}\n", holder_pid);
    if (::ftruncate(lock.get(), 0) < 0 || ::pwrite(lock.get(), pid.data(), pid.size(), 0) < 0) return fail_errno("writing who holds the lock", errno);
    return {};
}

}  // namespace xsv::sys
