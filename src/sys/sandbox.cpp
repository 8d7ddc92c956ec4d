#include "sys/sandbox.h"

#include <cerrno>
#include <memory>

#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace xsv::sys {
namespace {

struct Condition {
    std::string_view call;
    scmp_arg_cmp argument;
};

/// Allowed calls that are allowed so only.
const Condition kConditions[] = {
    {"mmap", SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
    {"mprotect", SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
    {"ioctl", SCMP_A1(SCMP_CMP_EQ, FIONREAD)},
    {"sendmsg", SCMP_A2(SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, 0)},
    {"newfstatat", SCMP_A3(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH)},
};

int add_rule(scmp_filter_ctx filter, std::string_view name)
{
    const int number = ::seccomp_syscall_resolve_name(std::string(name).c_str());
    if (number == __NR_SCMP_ERROR) return 0;  // another machine's
    for (const Condition& condition : kConditions)
        if (condition.call == name) return ::seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, 1, &condition.argument);
    return ::seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, 0, nullptr);
}

bool is_empty(int folder)
{
    const std::unique_ptr<DIR, int (*)(DIR*)> entries(::fdopendir(folder), ::closedir);
    while (const dirent* entry = entries ? ::readdir(entries.get()) : nullptr) {
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..") return false;
    }
    return entries != nullptr;
}

}  // namespace

Status enter_empty_root()
{
    const int folder = ::open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat info {};
    if (folder < 0 || ::fstat(folder, &info) != 0) return fail_errno("the empty root", errno);
    if (!is_empty(folder)) return fail("the empty root is not empty");  // closes it
    if (info.st_uid != 0 || (info.st_mode & 022) != 0) return fail("the empty root can be written into by others");
    if (::chroot(".") != 0) return fail_errno("chroot", errno);
    return {};
}

void forbid_capabilities()
{
    for (unsigned long capability = 0; ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability)
        ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
}

Status drop_capabilities()
{
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    const __user_cap_data_struct none[2]{};
    if (::syscall(SYS_capset, &header, none) != 0) return fail_errno("capset", errno);
    return {};
}

Status allow_system_calls(std::span<const std::string_view> names)
{
    const std::unique_ptr<void, void (*)(scmp_filter_ctx)> filter(::seccomp_init(SCMP_ACT_ERRNO(EPERM)), ::seccomp_release);
    if (!filter) return fail("seccomp: no filter could be made");
    for (const std::string_view name : names)
        if (const int failed = add_rule(filter.get(), name); failed != 0) return fail_errno(fmt::format("seccomp: {}", name), -failed);
    if (const int failed = ::seccomp_load(filter.get()); failed != 0) return fail_errno("seccomp", -failed);
    return {};
}

}  // namespace xsv::sys
