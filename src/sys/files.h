#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <sys/resource.h>
#include <sys/types.h>

#include "base/result.h"
#include "sys/fd.h"

namespace xsv::sys {

/// Reads a configuration file as rule P2 says: opened once with O_NONBLOCK, regular, at most `limit` bytes; as root also
/// owner root and not writable by others, directories above included, when `trusted_only`.
Result<std::string> read_config_file(const std::string& path, bool trusted_only, std::size_t limit = 4 << 20);
Result<std::string> read_file(const std::string& path, std::size_t limit);

/// The run-time folder of one daemon (design.md 3): /run/xsvd/INSTANCE as root, else $XDG_RUNTIME_DIR/xsvd/INSTANCE, else
/// /tmp/xsvd-UID/INSTANCE. INSTANCE = base name of the configuration file + hash of its real path.
std::string default_run_dir(const std::string& config_file);
/// Makes it (0755, its parents too) and verifies that it is ours (rule L11).
Status make_run_dir(const std::string& path);

/// An open-file-description lock on `path`; the error names the pid of the holder where /proc/locks or the file tells it.
/// `holder_pid` is what it will tell others: the pid people know.
Result<UniqueFd> take_lock(const std::string& path, pid_t holder_pid);
/// It tells another pid from now on.
Status note_holder(const UniqueFd& lock, pid_t holder_pid);

/// A sealed memfd with these bytes (the configuration of record).
Result<UniqueFd> sealed_memory(std::string_view name, std::string_view bytes);
Result<std::string> read_sealed(int fd, std::size_t limit = 64 << 20);

/// A pipe as one descriptor, opened for reading and writing, so it never reports end of file; the child's end is opened
/// from it by open_pipe_end. `size` is asked for with F_SETPIPE_SZ and halved until the kernel agrees.
Result<UniqueFd> make_pipe(std::size_t size);
Result<UniqueFd> open_pipe_end(int pipe, bool for_writing);
/// Whether so many bytes fit into the pipe now, all of them; it is made larger where that helps, up to 8 MiB.
bool make_room(int pipe, std::size_t bytes);

/// Opens a log file for writing by rules L1 and L2: no link but root's own (open_log_parent), one name; regular, or a
/// character device or pipe such as /dev/stdout. Where others than root can write, as root only a regular file that belongs to root or to the owner of the
/// folder, reached without a link. Not O_APPEND: the caller keeps the offset (rule L4).
Result<UniqueFd> open_log_file(const std::string& path, mode_t mode);

struct User {
    uid_t uid = 0;
    gid_t gid = 0;
    std::string name, home, shell;
    std::vector<gid_t> groups;     ///< all groups that list the user, primary included
};
/// By name or number, in a helper process with a limit of 10 s (rule P5). Errors are Supervisor's texts
/// ("Invalid user name x", "Invalid user id 7").
Result<User> find_user(const std::string& name_or_number);
Result<gid_t> find_group(const std::string& name_or_number);
/// The IPv4 address of a host, asked for in the same way.
Result<std::string> find_address(const std::string& name);
/// All addresses of a host, of both families, each once, sorted; asked for in the same way. While nobody answers, those it
/// had last; who did not answer once is not asked again for some seconds, so that many names do not wait one after the other.
/// Error::code is EAGAIN where nobody answered, so that the host may well have an address.
Result<std::vector<std::string>> find_addresses(const std::string& name);
/// What find_addresses falls back on.
void remember_addresses(const std::string& name, const std::vector<std::string>& addresses);
/// The same without a process of its own or a limit: for processes that have nothing else to do. Error: why there is none.
Result<std::vector<std::string>> ask_addresses(const std::string& name);

/// Raises the soft limit of open files to the hard one (rule F5); returns the original soft limit.
rlim_t raise_nofile();

/// Changes this process's identity for good (helpers of ours): groups, gid, uid, verified.
Status become(uid_t uid, gid_t gid, const std::vector<gid_t>& groups);
/// The user "xsvd" where it exists, else an unused uid from 61184–65519 (design.md 11).
Result<User> helper_user();

/// Names this process in the process list. What stood in argv and in the environment's first place is gone afterwards:
/// argv[0] is the title, the others are empty, the environment lives elsewhere.
void set_process_title(int argc, char** argv, std::string_view title);

}  // namespace xsv::sys
