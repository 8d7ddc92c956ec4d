#include "builtin/tcpmux.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include <dirent.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace xsv::builtin {
namespace {

const char* name_of(const std::string& file) { return file.c_str() + (file.front() == '+' ? 1 : 0); }

}  // namespace

Tcpmux Tcpmux::from_environment()
{
    Tcpmux mux;
    if (const char* const folder = std::getenv("XSVD_TCPMUX_DIR")) mux.folder_ = folder;
    return mux;
}

std::vector<std::string> Tcpmux::files() const
{
    std::vector<std::string> files;
    DIR* const folder = folder_.empty() ? nullptr : ::opendir(folder_.c_str());
    if (folder == nullptr) return files;
    while (const dirent* const entry = ::readdir(folder))
        if (entry->d_name[0] != '.') files.emplace_back(entry->d_name);
    ::closedir(folder);
    std::sort(files.begin(), files.end(), [](const std::string& a, const std::string& b) { return std::strcmp(name_of(a), name_of(b)) < 0; });
    return files;
}

bool Tcpmux::give(std::string_view line, int connection, std::string& answer) const
{
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::string wanted(line);
    const bool help = ::strcasecmp(wanted.c_str(), "help") == 0;
    for (const std::string& file : files()) {
        if (help) answer += std::string(name_of(file)) + "\r\n";
        else if (::strcasecmp(wanted.c_str(), name_of(file)) == 0 && hand_over(file, connection)) return true;
    }
    if (answer.empty()) answer = help ? "\r\n" : "-Service not available\r\n";
    return false;
}

bool Tcpmux::hand_over(const std::string& file, int connection) const
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = folder_ + "/" + file;
    if (path.size() >= sizeof address.sun_path) return false;
    std::memcpy(address.sun_path, path.data(), path.size());
    const int engine = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (engine < 0) return false;
    bool done = ::connect(engine, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    // "+Go" first: once the engine has the connection, the service speaks.
    constexpr std::string_view kGo = "+Go\r\n";
    if (done && file.front() == '+') done = ::send(connection, kGo.data(), kGo.size(), MSG_DONTWAIT | MSG_NOSIGNAL) == static_cast<ssize_t>(kGo.size());

    char byte = 'c';
    iovec bytes{&byte, 1};
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
    done = done && ::sendmsg(engine, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
    ::close(engine);
    return done;
}

}  // namespace xsv::builtin
