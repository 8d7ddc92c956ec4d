#include "base/syslog.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

#include <fmt/core.h>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace xsv::log {
namespace {

constexpr const char* kSocket = "/dev/log";

}  // namespace

Syslog::~Syslog()
{
    close();
}

void Syslog::close()
{
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
}

bool Syslog::connect()
{
    socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (socket_ < 0) return false;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, kSocket, sizeof address.sun_path - 1);
    if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return true;
    close();
    return false;
}

bool Syslog::has_room()
{
    const Time now = BootClock::now();
    if (now < impatient_until_) return false;
    pollfd ready{socket_, POLLOUT, 0};
    const auto patience = std::chrono::duration_cast<std::chrono::milliseconds>(kPatience).count();
    if (::poll(&ready, 1, static_cast<int>(patience)) > 0) return true;
    impatient_until_ = now + kRest;
    return false;
}

bool Syslog::send(std::string_view text, int priority)
{
    const std::time_t now = wall_seconds();
    std::tm parts{};
    ::localtime_r(&now, &parts);
    std::array<char, 32> stamp{};
    // "Nov 21 03:39:20": the old form that every receiver on a local socket knows
    std::strftime(stamp.data(), stamp.size(), "%b %e %H:%M:%S", &parts);
    const std::string message = fmt::format("<{}>{} xsvd: {}", priority, stamp.data(), text);
    for (int attempt = 0; attempt < 3; ++attempt) {
        if (socket_ < 0 && !connect()) return false;
        if (::send(socket_, message.data(), message.size(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return true;
        if (errno == EINTR) continue;
        if (errno != EAGAIN && errno != ENOBUFS)
            close();  // the receiver was restarted: its new socket has the same name
        else if (!has_room())
            return false;
    }
    return false;
}

}  // namespace xsv::log
