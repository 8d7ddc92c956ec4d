#include "engine/successor.h"

#include <cerrno>
#include <vector>

#include <sys/stat.h>

#include "base/text.h"
#include "sys/files.h"
#include "sys/notify_socket.h"

namespace xsv::engine {
namespace {

std::vector<pid_t> children_of(pid_t parent)
{
    std::vector<pid_t> found;
    const auto list = sys::read_file(fmt::format("/proc/{}/task/{}/children", parent, parent), 1 << 20);
    if (!list) return found;
    for (const std::string& word : text::words(*list))
        if (const auto pid = text::to_int(word)) found.push_back(static_cast<pid_t>(*pid));
    return found;
}

bool may_be_it(const Search& search, pid_t pid)
{
    if (pid <= 1 || pid == search.guardian || search.is_known(pid)) return false;
    const auto facts = sys::process_facts(pid);
    if (!facts || facts->parent != search.guardian || facts->state == 'Z' || facts->state == 'X') return false;
    if (facts->start_ticks < search.since_ticks) return false;
    struct stat status{};
    return !search.uid || (::stat(fmt::format("/proc/{}", pid).c_str(), &status) == 0 && status.st_uid == *search.uid);
}

enum class Mark { Ours, None, Other };

/// What it was started with stays readable in a child, unless it has written its title over it.
Mark mark_of(const Search& search, pid_t pid)
{
    constexpr std::string_view kName = "INVOCATION_ID=";
    const auto environment = sys::read_file(fmt::format("/proc/{}/environ", pid), 1 << 20);
    if (!environment) return Mark::None;
    for (const std::string& variable : text::split(*environment, '\0'))
        if (variable.starts_with(kName)) return variable.substr(kName.size()) == search.invocation ? Mark::Ours : Mark::Other;
    return Mark::None;
}

}  // namespace

Result<pid_t> read_pid_file(const Search& search, const std::string& path)
{
    const auto written = sys::read_file(path, 64);
    if (!written) return tl::unexpected(written.error());
    const auto pid = text::to_int(text::trim(written->substr(0, written->find('\n'))));
    if (!pid || *pid <= 1 || *pid > 1 << 22) return fail("pid_file {} holds no process number", path);
    if (!may_be_it(search, static_cast<pid_t>(*pid))) return fail("pid_file {} names pid {}, which is not a process that this program left", path, *pid);
    return static_cast<pid_t>(*pid);
}

Result<pid_t> guess_successor(const Search& search)
{
    std::vector<pid_t> ours, unmarked;
    for (const pid_t pid : children_of(search.guardian)) {
        if (!may_be_it(search, pid)) continue;
        const Mark mark = mark_of(search, pid);
        if (mark == Mark::Ours) ours.push_back(pid);
        if (mark == Mark::None) unmarked.push_back(pid);
    }
    const std::vector<pid_t>& found = ours.empty() ? unmarked : ours;
    if (found.size() == 1) return found.front();
    if (found.empty()) return fail("the first process has ended and left none behind");
    return fail("the first process has ended and left {} behind: say with pid_file which is the one", found.size());
}

}  // namespace xsv::engine
