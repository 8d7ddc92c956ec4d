#include "scribe/syslog.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>

#include <fmt/core.h>

#include <sys/socket.h>
#include <sys/un.h>

#include "base/time.h"

namespace xsv::scribe {
namespace {

constexpr const char* kSocket = "/dev/log";
constexpr int kUserInfo = (1 << 3) | 6;

}  // namespace

bool Syslog::connect()
{
    sys::UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, kSocket, sizeof address.sun_path - 1);
    if (!fd || ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) return false;
    socket_ = std::move(fd);
    return true;
}

bool Syslog::send(std::string_view text)
{
    const std::time_t now = wall_seconds();
    std::tm parts{};
    ::localtime_r(&now, &parts);
    std::array<char, 32> stamp{};
    // "Nov 21 03:39:20": the old form that every receiver on a local socket knows
    std::strftime(stamp.data(), stamp.size(), "%b %e %H:%M:%S", &parts);
    const std::string message = fmt::format("<{}>{} xsvd: {}", kUserInfo, stamp.data(), text);
    for (int attempt = 0; attempt < 2; ++attempt) {
        if (!socket_ && !connect()) return false;
        if (::send(socket_.get(), message.data(), message.size(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return true;
        if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS) return false;
        socket_.reset();  // the receiver was restarted: its new socket has the same name
    }
    return false;
}

}  // namespace xsv::scribe
