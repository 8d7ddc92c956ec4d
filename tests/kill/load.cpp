// Many callers, and what became of them.
//
//   kill_load --connections N [--concurrency C] [--slow-ms MS] [--give-up-s S] [--until-eof] ADDRESS…
//
// ADDRESS: tcp:127.0.0.1:80, tcp:[::1]:80, unix:/path, unix:@name. Each caller sends a number and wants the answer that
// answer.h makes of it. With --until-eof it goes on after N callers until standard input ends. Prints one JSON object.
#include "kill/answer.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

namespace {

std::int64_t now_us()
{
    struct timespec time = {};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return std::int64_t{time.tv_sec} * 1000000 + time.tv_nsec / 1000;
}

struct Address {
    sockaddr_storage bytes{};
    socklen_t length = 0;
    std::string text;
};

bool parse_unix(const std::string& path, Address& address)
{
    auto& to = reinterpret_cast<sockaddr_un&>(address.bytes);
    if (path.empty() || path.size() >= sizeof to.sun_path) return false;
    to.sun_family = AF_UNIX;
    std::memcpy(to.sun_path, path.data(), path.size());
    if (path[0] == '@') to.sun_path[0] = 0;
    address.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (path[0] == '@' ? 0 : 1));
    return true;
}

bool parse_tcp(const std::string& text, Address& address)
{
    const auto colon = text.rfind(':');
    if (colon == std::string::npos) return false;
    std::string host = text.substr(0, colon);
    const auto port = htons(static_cast<std::uint16_t>(std::atoi(text.c_str() + colon + 1)));
    if (host.size() > 2 && host.front() == '[') {
        auto& to = reinterpret_cast<sockaddr_in6&>(address.bytes);
        to.sin6_family = AF_INET6;
        to.sin6_port = port;
        address.length = sizeof to;
        return ::inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &to.sin6_addr) == 1;
    }
    auto& to = reinterpret_cast<sockaddr_in&>(address.bytes);
    to.sin_family = AF_INET;
    to.sin_port = port;
    address.length = sizeof to;
    return ::inet_pton(AF_INET, host.c_str(), &to.sin_addr) == 1;
}

bool parse(const std::string& text, Address& address)
{
    address.text = text;
    if (text.starts_with("unix:")) return parse_unix(text.substr(5), address);
    return text.starts_with("tcp:") && parse_tcp(text.substr(4), address);
}

struct Caller {
    int fd = -1;
    std::size_t address = 0;
    unsigned long number = 0;
    std::int64_t begun = 0;
    std::int64_t again_at = 0;   // a full backlog of a unix socket, or no free port: try again then
    bool connected = false;
    std::string got;
};

struct Settings {
    unsigned long connections = 1000;
    std::size_t concurrency = 32;
    std::int64_t slow_us = 5000000, give_up_us = 60000000;
    bool until_eof = false;
    std::vector<Address> addresses;
};

class Load {
public:
    explicit Load(Settings settings) : settings_(std::move(settings)), epoll_(::epoll_create1(EPOLL_CLOEXEC))
    {
        callers_.resize(settings_.concurrency);
        if (settings_.until_eof) watch(STDIN_FILENO, EPOLLIN, settings_.concurrency);
    }

    void run()
    {
        for (std::size_t i = 0; i < callers_.size(); ++i) idle_.push_back(i);
        begin_idle_ones();
        while (busy_ > 0 || !idle_.empty()) {
            epoll_event events[64];
            const int count = ::epoll_wait(epoll_, events, 64, 5);
            for (int i = 0; i < count; ++i) {
                if (events[i].data.u64 == callers_.size()) read_stdin();
                else advance(events[i].data.u64, events[i].events);
            }
            look_at_the_clock();
            begin_idle_ones();
        }
    }

    void report() const
    {
        std::vector<std::int64_t> times = times_;
        std::sort(times.begin(), times.end());
        const auto at = [&](double part) { return times.empty() ? 0 : times[static_cast<std::size_t>(part * static_cast<double>(times.size() - 1))]; };
        const auto count = [&](const char* what) { const auto found = counts_.find(what); return found == counts_.end() ? 0UL : found->second; };
        std::printf("{\"connections\": %lu, \"answered\": %lu, \"seconds\": %.3f, \"p50_us\": %ld, \"p99_us\": %ld, \"max_us\": %ld", begun_,
                    count("answered"), static_cast<double>(now_us() - start_) / 1e6, static_cast<long>(at(.5)), static_cast<long>(at(.99)), static_cast<long>(at(1)));
        for (const char* what : {"refused", "reset", "short", "wrong", "slow", "given_up", "other"}) std::printf(", \"%s\": %lu", what, count(what));
        std::printf(", \"queue_full\": %lu, \"first_failure\": \"%s\"}\n", count("queue_full"), first_failure_.c_str());
    }

private:
    void watch(int fd, std::uint32_t events, std::uint64_t index, int operation = EPOLL_CTL_ADD)
    {
        epoll_event event{.events = events, .data = {.u64 = index}};
        ::epoll_ctl(epoll_, operation, fd, &event);
    }

    // Not where one ends: a refusal comes at once, and the next one, …
    void begin_idle_ones()
    {
        std::vector<std::size_t> idle;
        std::swap(idle, idle_);
        for (const auto index : idle)
            if (begun_ < settings_.connections || settings_.until_eof) begin(index);
    }

    void begin(std::size_t index)
    {
        Caller& caller = callers_[index];
        caller = Caller{.address = begun_ % settings_.addresses.size(), .number = begun_, .begun = now_us()};
        ++begun_;
        ++busy_;
        connect(index);
    }

    void connect(std::size_t index)
    {
        Caller& caller = callers_[index];
        const Address& address = settings_.addresses[caller.address];
        caller.again_at = 0;
        caller.fd = ::socket(address.bytes.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (caller.fd < 0) return later(index);
        const int result = ::connect(caller.fd, reinterpret_cast<const sockaddr*>(&address.bytes), address.length);
        if (result < 0 && (errno == EAGAIN || errno == EADDRNOTAVAIL)) return later(index);
        if (result < 0 && errno != EINPROGRESS) return end(index, reason(errno), errno);
        watch(caller.fd, EPOLLOUT, index);
    }

    void later(std::size_t index)
    {
        Caller& caller = callers_[index];
        if (caller.fd >= 0) ::close(caller.fd);
        caller.fd = -1;
        ++counts_["queue_full"];
        caller.again_at = now_us() + 2000;
    }

    static const char* reason(int error)
    {
        if (error == ECONNREFUSED || error == ENOENT) return "refused";
        return error == ECONNRESET || error == EPIPE ? "reset" : "other";
    }

    void advance(std::size_t index, std::uint32_t events)
    {
        Caller& caller = callers_[index];
        if (caller.fd < 0) return;
        if (!caller.connected) {
            int error = 0;
            socklen_t size = sizeof error;
            ::getsockopt(caller.fd, SOL_SOCKET, SO_ERROR, &error, &size);
            if (error) return end(index, reason(error), error);
            caller.connected = true;
            const std::string request = std::to_string(caller.number) + "\n";
            if (::send(caller.fd, request.data(), request.size(), MSG_NOSIGNAL) < 0) return end(index, reason(errno), errno);
            watch(caller.fd, EPOLLIN, index, EPOLL_CTL_MOD);
            return;
        }
        (void)events;
        char bytes[4096];
        const ssize_t n = ::read(caller.fd, bytes, sizeof bytes);
        if (n < 0 && errno == EAGAIN) return;
        if (n < 0) return end(index, reason(errno), errno);
        if (n > 0) {
            caller.got.append(bytes, static_cast<std::size_t>(n));
            return;
        }
        char wanted[kill_test::kAnswerSize];
        const std::string answer(wanted, static_cast<std::size_t>(kill_test::make_answer(caller.number, wanted)));
        if (caller.got == answer) end(index, "answered", 0);
        else end(index, answer.starts_with(caller.got) ? "short" : "wrong", 0);
    }

    void end(std::size_t index, const char* how, int error)
    {
        Caller& caller = callers_[index];
        const auto took = now_us() - caller.begun;
        ++counts_[how];
        if (!std::strcmp(how, "answered")) {
            times_.push_back(took);
            if (took > settings_.slow_us) ++counts_["slow"];
        } else if (first_failure_.empty()) {
            first_failure_ = settings_.addresses[caller.address].text + ": " + how + " (" + std::strerror(error) + ") after " +
                             std::to_string(took) + " us, " + std::to_string(caller.got.size()) + " bytes, caller " + std::to_string(caller.number);
        }
        if (caller.fd >= 0) {
            // The program closed first; a reset now spares its side the TIME_WAIT state, and us its ports.
            const linger at_once{.l_onoff = 1, .l_linger = 0};
            ::setsockopt(caller.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
            ::close(caller.fd);
            caller.fd = -1;
        }
        --busy_;
        idle_.push_back(index);
    }

    void look_at_the_clock()
    {
        const auto now = now_us();
        for (std::size_t i = 0; i < callers_.size(); ++i) {
            Caller& caller = callers_[i];
            const bool waits = caller.again_at != 0;
            if (caller.fd < 0 && !waits) continue;
            if (now - caller.begun > settings_.give_up_us) {
                caller.again_at = 0;
                end(i, "given_up", ETIMEDOUT);
            } else if (waits && now >= caller.again_at) {
                connect(i);
            }
        }
    }

    void read_stdin()
    {
        char bytes[256];
        if (::read(STDIN_FILENO, bytes, sizeof bytes) > 0) return;
        settings_.until_eof = false;
        ::epoll_ctl(epoll_, EPOLL_CTL_DEL, STDIN_FILENO, nullptr);
    }

    Settings settings_;
    int epoll_;
    std::vector<Caller> callers_;
    std::vector<std::size_t> idle_;
    unsigned long begun_ = 0;
    std::size_t busy_ = 0;
    std::int64_t start_ = now_us();
    std::map<std::string, unsigned long> counts_;
    std::vector<std::int64_t> times_;
    std::string first_failure_;
};

bool read_arguments(int argc, char** argv, Settings& settings)
{
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        if (word == "--until-eof") {
            settings.until_eof = true;
        } else if (word.starts_with("--")) {
            if (++i == argc) return false;
            const long value = std::atol(argv[i]);
            if (value <= 0) return false;
            if (word == "--connections") settings.connections = static_cast<unsigned long>(value);
            else if (word == "--concurrency") settings.concurrency = static_cast<std::size_t>(value);
            else if (word == "--slow-ms") settings.slow_us = value * 1000;
            else if (word == "--give-up-s") settings.give_up_us = value * 1000000;
            else return false;
        } else {
            settings.addresses.emplace_back();
            if (!parse(word, settings.addresses.back())) return false;
        }
    }
    return !settings.addresses.empty();
}

}  // namespace

int main(int argc, char** argv)
{
    Settings settings;
    if (!read_arguments(argc, argv, settings)) {
        std::fputs("usage: kill_load --connections N [--concurrency C] [--slow-ms MS] [--give-up-s S] [--until-eof] ADDRESS...\n", stderr);
        return 2;
    }
    Load load(std::move(settings));
    load.run();
    load.report();
    return 0;
}
