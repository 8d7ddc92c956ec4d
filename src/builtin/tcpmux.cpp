#include "builtin/tcpmux.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include <strings.h>
#include <sys/socket.h>

namespace xsv::builtin {

Tcpmux Tcpmux::from_environment()
{
    Tcpmux mux;
    const char* const fd = std::getenv("XSVD_TCPMUX_FD");
    const char* const names = std::getenv("XSVD_TCPMUX_NAMES");
    if (fd == nullptr || names == nullptr) return mux;
    mux.engine_ = std::atoi(fd);
    std::string_view rest = names;
    while (!rest.empty()) {
        const auto end = std::min(rest.find(','), rest.size());
        const bool says_go = rest.starts_with('+');
        const std::string_view name = rest.substr(says_go ? 1 : 0, end - (says_go ? 1 : 0));
        if (!name.empty()) mux.names_.push_back({std::string(name), says_go});
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return mux;
}

bool Tcpmux::give(std::string_view line, int connection, std::string& answer) const
{
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::string wanted(line);
    if (::strcasecmp(wanted.c_str(), "help") == 0) {
        for (const Name& name : names_) answer += name.name + "\r\n";
        if (answer.empty()) answer = "\r\n";
        return false;
    }
    for (const Name& name : names_)
        if (::strcasecmp(wanted.c_str(), name.name.c_str()) == 0 && hand_over(name, connection)) return true;
    answer = "-Service not available\r\n";
    return false;
}

bool Tcpmux::hand_over(const Name& name, int connection) const
{
    iovec bytes{const_cast<char*>(name.name.data()), name.name.size()};
    alignas(cmsghdr) char space[CMSG_SPACE(sizeof connection)] = {};
    msghdr message{};
    message.msg_iov = &bytes;
    message.msg_iovlen = 1;
    message.msg_control = space;
    message.msg_controllen = sizeof space;
    cmsghdr* const control = CMSG_FIRSTHDR(&message);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(sizeof connection);
    std::memcpy(CMSG_DATA(control), &connection, sizeof connection);
    // "+Go" first: once the engine has the connection, the service speaks.
    constexpr std::string_view kGo = "+Go\r\n";
    if (name.says_go && ::send(connection, kGo.data(), kGo.size(), MSG_DONTWAIT | MSG_NOSIGNAL) != static_cast<ssize_t>(kGo.size())) return false;
    return ::sendmsg(engine_, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

}  // namespace xsv::builtin
