// forward FRONT BACK [SECONDS]: the caller on port FRONT and the server on port BACK of whoever forwards in between.
// Prints: bytes/s of one download, of four at once; microseconds of an exchange of 64 bytes, p50 and p99; connections/s.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using Clock = std::chrono::steady_clock;
constexpr char kPour = 'p', kEcho = 'e';
constexpr std::size_t kMessage = 64;

sockaddr_in local(int port)
{
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

void no_delay(int fd)
{
    const int yes = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

void serve(int fd)
{
    no_delay(fd);
    static const std::vector<char> bytes(256 * 1024, 'x');
    char message[kMessage];
    while (::recv(fd, message, sizeof message, MSG_WAITALL) == static_cast<ssize_t>(sizeof message)) {
        if (message[0] == kEcho) {
            if (::send(fd, message, sizeof message, MSG_NOSIGNAL) < 0) break;
            continue;
        }
        while (::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0) {}
        break;
    }
    ::close(fd);
}

void listen_at(int port)
{
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    const sockaddr_in address = local(port);
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || ::listen(fd, 4096) != 0) {
        std::perror("bind");
        std::exit(1);
    }
    std::thread([fd] {
        for (;;) {
            const int caller = ::accept4(fd, nullptr, nullptr, SOCK_CLOEXEC);
            if (caller >= 0) std::thread(serve, caller).detach();
        }
    }).detach();
}

int call(int port)
{
    const sockaddr_in address = local(port);
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
        no_delay(fd);
        return fd;
    }
    ::close(fd);
    return -1;
}

bool exchange(int fd, char what)
{
    char message[kMessage] = {what};
    if (::send(fd, message, sizeof message, MSG_NOSIGNAL) < 0) return false;
    return what == kPour || ::recv(fd, message, sizeof message, MSG_WAITALL) == static_cast<ssize_t>(sizeof message);
}

double download(int port, int at_once, std::chrono::duration<double> time)
{
    std::atomic<std::uint64_t> total = 0;
    std::vector<std::thread> threads;
    const auto begun = Clock::now();
    for (int i = 0; i < at_once; ++i)
        threads.emplace_back([&] {
            const int fd = call(port);
            std::vector<char> buffer(256 * 1024);
            if (fd < 0 || !exchange(fd, kPour)) return;
            while (Clock::now() - begun < time) {
                const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
                if (got <= 0) break;
                total += static_cast<std::uint64_t>(got);
            }
            ::close(fd);
        });
    for (std::thread& thread : threads) thread.join();
    return static_cast<double>(total.load()) / std::chrono::duration<double>(Clock::now() - begun).count();
}

std::vector<double> exchanges(int port, std::chrono::duration<double> time)
{
    const int fd = call(port);
    std::vector<double> taken;
    const auto begun = Clock::now();
    for (auto before = begun; before - begun < time && exchange(fd, kEcho);) {
        const auto after = Clock::now();
        taken.push_back(std::chrono::duration<double, std::micro>(after - before).count());
        before = after;
    }
    ::close(fd);
    std::sort(taken.begin(), taken.end());
    return taken;
}

double connections(int port, std::chrono::duration<double> time)
{
    constexpr int kAtOnce = 4;
    std::atomic<int> total = 0;
    std::vector<std::thread> threads;
    const auto begun = Clock::now();
    for (int i = 0; i < kAtOnce; ++i)
        threads.emplace_back([&] {
            while (Clock::now() - begun < time) {
                const int fd = call(port);
                if (fd >= 0 && exchange(fd, kEcho)) ++total;
                if (fd >= 0) ::close(fd);
            }
        });
    for (std::thread& thread : threads) thread.join();
    return total.load() / std::chrono::duration<double>(Clock::now() - begun).count();
}

}  // namespace

int main(int argc, char** argv)
{
    if (argc < 3) return 2;
    const int front = std::atoi(argv[1]), back = std::atoi(argv[2]);
    const std::chrono::duration<double> time(argc > 3 ? std::atof(argv[3]) : 1.0);
    listen_at(back);
    for (int fd = -1; fd < 0; ::usleep(10'000)) {  // whoever forwards may need a moment
        fd = call(front);
        if (fd >= 0 && !exchange(fd, kEcho)) ::close(fd), fd = -1;
        if (fd >= 0) {
            ::close(fd);
            break;
        }
    }
    const double one = download(front, 1, time), four = download(front, 4, time);
    const std::vector<double> taken = exchanges(front, time);
    if (taken.empty()) return 1;
    std::printf("%.0f %.0f %.2f %.2f %.0f\n", one, four, taken[taken.size() / 2], taken[taken.size() * 99 / 100], connections(front, time));
    std::fflush(stdout);
    std::_Exit(0);
}
