// xsvd-names NAME…: the addresses of hosts, for rules about callers. Name servers take their time, so this is a process of its
// own with a limit, and it asks for several names at once: a slow one must not keep the others. It writes a line for each name,
// as soon as it knows: "NUMBER ADDRESS ADDRESS…", or "NUMBER !REASON".
#include <unistd.h>

#include <cstdio>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/text.h"
#include "sys/files.h"

namespace {

constexpr unsigned kPatience = 30;  // seconds; then SIGALRM ends it, and the lines that are missing tell
constexpr std::size_t kAtOnce = 8;

class Round {
public:
    explicit Round(std::vector<std::string> names) : names_(std::move(names)) {}

    void run()
    {
        std::vector<std::thread> others;
        for (std::size_t i = 1; i < kAtOnce && i < names_.size(); ++i) others.emplace_back([this] { answer(); });
        answer();
        for (std::thread& other : others) other.join();
    }

private:
    void answer()
    {
        for (std::unique_lock lock(mutex_); next_ < names_.size();) {
            const std::size_t number = next_++;
            lock.unlock();
            const auto addresses = xsv::sys::ask_addresses(names_[number]);
            const std::string line = addresses ? xsv::text::join(*addresses, " ") : "!" + xsv::text::escape_control(addresses.error().message);
            lock.lock();
            std::printf("%zu %s\n", number, line.c_str());
            std::fflush(stdout);
        }
    }

    const std::vector<std::string> names_;
    std::mutex mutex_;
    std::size_t next_ = 0;
};

}  // namespace

int main(int argc, char** argv)
{
    ::alarm(kPatience);
    Round(std::vector<std::string>(argv + 1, argv + argc)).run();
    return 0;
}
