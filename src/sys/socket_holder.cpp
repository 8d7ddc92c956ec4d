#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/text.h"
#include "base/time.h"
#include "sys/diagnostics.h"
#include "sys/files.h"

namespace xsv::sys::diagnostics {
namespace {

class Directory {
public:
    explicit Directory(const std::string& path) : directory_(::opendir(path.c_str())) {}
    ~Directory() { if (directory_) ::closedir(directory_); }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;

    /// The next entry that is a number, or -1 at the end.
    int next_number()
    {
        while (const dirent* entry = directory_ ? ::readdir(directory_) : nullptr) {
            int number = 0;
            const char* end = entry->d_name + std::strlen(entry->d_name);
            if (std::from_chars(entry->d_name, end, number).ptr == end && number >= 0) return number;
        }
        return -1;
    }

private:
    DIR* directory_;
};

bool is_one_of(const std::string& link, const std::vector<std::uint32_t>& inodes)
{
    std::array<char, 64> target{};
    if (::readlink(link.c_str(), target.data(), target.size() - 1) <= 0) return false;
    constexpr std::string_view kPrefix = "socket:[";
    const std::string_view text = target.data();
    if (!text.starts_with(kPrefix)) return false;
    std::uint32_t inode = 0;
    std::from_chars(text.data() + kPrefix.size(), text.data() + text.size(), inode);
    return std::find(inodes.begin(), inodes.end(), inode) != inodes.end();
}

std::string find_holder(const std::vector<std::uint32_t>& inodes, Time until)
{
    Directory processes("/proc");
    for (int pid = processes.next_number(); pid >= 0; pid = processes.next_number()) {
        const std::string folder = fmt::format("/proc/{}/fd", pid);
        Directory descriptors(folder);
        for (int fd = descriptors.next_number(); fd >= 0; fd = descriptors.next_number()) {
            if (is_one_of(fmt::format("{}/{}", folder, fd), inodes)) return process_text(pid);
            if (BootClock::now() >= until) return {};
        }
    }
    return {};
}

}  // namespace

std::string process_text(int pid)
{
    auto name = read_file(fmt::format("/proc/{}/comm", pid), 256);
    if (!name) return fmt::format("pid {}", pid);
    return fmt::format("{}, pid {}", text::escape_control(text::trim(*name)), pid);
}

/// All processes are looked through for one word in one line: it takes a twentieth of our time at most, however many ports are
/// taken. What is over that at once is paid back before the next one.
std::string holder(const std::vector<std::uint32_t>& inodes)
{
    constexpr Duration kLongest = std::chrono::milliseconds(20), kMostAtOnce = std::chrono::milliseconds(50);
    constexpr int kShare = 20;
    static Duration spent{};
    static Time seen{};
    const Time begun = BootClock::now();
    spent = std::max(Duration(), spent - (begun - seen) / kShare);
    seen = begun;
    if (spent > kMostAtOnce) return {};
    std::string found = find_holder(inodes, begun + kLongest);
    spent += BootClock::now() - begun;
    return found;
}

}  // namespace xsv::sys::diagnostics
