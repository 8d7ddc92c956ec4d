#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <grp.h>
#include <sys/resource.h>
#include <unistd.h>

#include "sys/files.h"

namespace xsv::sys {

rlim_t raise_nofile()
{
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) < 0) return 1024;
    const rlim_t original = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    return original;
}

Status become(uid_t uid, gid_t gid, const std::vector<gid_t>& groups)
{
    if (::geteuid() != 0 && uid == ::geteuid() && gid == ::getegid()) return {};
    // Groups before the user: afterwards it is not allowed.
    if (::setgroups(groups.size(), groups.data()) < 0) return fail_errno("setgroups", errno);
    if (::setresgid(gid, gid, gid) < 0) return fail_errno("setresgid", errno);
    if (::setresuid(uid, uid, uid) < 0) return fail_errno("setresuid", errno);
    uid_t uids[3];
    gid_t gids[3];
    if (::getresuid(&uids[0], &uids[1], &uids[2]) < 0 || ::getresgid(&gids[0], &gids[1], &gids[2]) < 0) return fail_errno("getresuid", errno);
    for (int i = 0; i < 3; ++i) {
        if (uids[i] != uid || gids[i] != gid) return fail("the change to uid {}, gid {} was not made", uid, gid);
    }
    if (uid != 0 && ::setresuid(0, 0, 0) == 0) return fail("uid {} can become root again", uid);
    return {};
}

void set_process_title(int argc, char** argv, std::string_view title)
{
    // The kernel shows the memory where argv and the environment were put at exec, one after the other.
    static char* start = nullptr;
    static std::size_t room = 0;
    if (argc < 1 || !argv || !argv[0]) return;
    if (start != argv[0]) {
        char* end = argv[0] + std::strlen(argv[0]) + 1;
        for (int i = 1; i < argc && argv[i] == end; ++i) end += std::strlen(argv[i]) + 1;
        for (char** entry = environ; entry && *entry; ++entry) {
            if (*entry != end) continue;
            char* copy = ::strdup(*entry);
            if (!copy) break;
            end += std::strlen(*entry) + 1;
            *entry = copy;
        }
        start = argv[0];
        room = static_cast<std::size_t>(end - start);
    }
    const std::size_t length = std::min(title.size(), room - 1);
    std::memset(start, 0, room);
    std::memcpy(start, title.data(), length);
    for (int i = 1; i < argc; ++i) argv[i] = start + room - 1;
}

}  // namespace xsv::sys
