#include "xsvctl/diagnosis.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.h"
#include "sys/fd.h"
#include "sys/files.h"

namespace xsv::xsvctl {
namespace {

constexpr std::string_view kUnixScheme = "unix://";

// The lock belongs to the open file, so asking with another one tells whether its holder lives.
bool is_locked(int fd)
{
    struct flock whole {};
    whole.l_type = F_RDLCK;
    whole.l_whence = SEEK_SET;
    return ::fcntl(fd, F_OFD_GETLK, &whole) == 0 && whole.l_type != F_UNLCK;
}

// The value of -c on a daemon's command line.
std::string configuration_of(long pid)
{
    auto text = sys::read_file(fmt::format("/proc/{}/cmdline", pid), 64 << 10);
    if (!text) return {};
    const auto words = text::split(*text, '\0');
    for (std::size_t i = 1; i < words.size(); ++i) {
        if ((words[i] == "-c" || words[i] == "--configuration") && i + 1 < words.size()) return words[i + 1];
        if (words[i].starts_with("--configuration=")) return words[i].substr(words[i].find('=') + 1);
        if (words[i].starts_with("-c") && words[i].size() > 2) return words[i].substr(2);
    }
    return {};
}

std::string name_of_user(uid_t uid)
{
    const passwd* user = ::getpwuid(uid);
    return user ? user->pw_name : std::to_string(uid);
}

std::string name_of_group(gid_t gid)
{
    const group* found = ::getgrgid(gid);
    return found ? found->gr_name : std::to_string(gid);
}

std::string start_command(const std::string& config_file)
{
    return config_file.empty() ? "'xsvd -c FILE'" : "'xsvd -c " + config_file + "'";
}

std::string list_others(const std::vector<Instance>& instances)
{
    std::string out;
    for (const Instance& instance : instances) {
        out += "\n  running: ";
        if (!instance.configuration.empty()) {
            out += fmt::format("configuration {} (pid {}): xsvctl -c {} …", instance.configuration, instance.pid,
                               instance.configuration);
        } else {
            out += fmt::format("{}: xsvctl -s unix://{} …", instance.folder, instance.socket());
        }
    }
    return out;
}

std::string with_others(std::string sentence, const std::vector<Instance>& instances)
{
    if (!instances.empty()) sentence += "\nA daemon with another configuration is running:" + list_others(instances);
    return sentence;
}

std::string about_permission(const std::string& path)
{
    struct stat status {};
    if (::stat(path.c_str(), &status) < 0) {
        return fmt::format("xsvctl: no permission to look at {}: run this as root or as the user of the daemon", path);
    }
    const std::string owner = name_of_user(status.st_uid);
    return fmt::format(
        "xsvctl: no permission to use {} (owner {}, group {}, mode {:04o}): run this as root{}, or "
        "set chmod and chown in [unix_http_server]",
        path, owner, name_of_group(status.st_gid), status.st_mode & 07777, status.st_uid == 0 ? "" : " or as " + owner);
}

std::string about_unix(const CallError& error, const std::string& path, const std::string& config_file,
                       const std::vector<Instance>& instances)
{
    switch (error.code) {
        case ENOENT:
        case ENOTDIR:
            return with_others(fmt::format("xsvctl: the daemon is not running (there is no {}): start it with {}", path,
                                           start_command(config_file)),
                               instances);
        case ECONNREFUSED:
            return with_others(
                fmt::format("xsvctl: stale socket: {} exists, but its daemon has ended: start it with {}, "
                            "which replaces the socket",
                            path, start_command(config_file)),
                instances);
        case EACCES:
        case EPERM: return about_permission(path);
        case ENAMETOOLONG: return fmt::format("xsvctl: {} is longer than the 107 bytes a socket's path may have", path);
        default: return {};
    }
}

}  // namespace

std::vector<std::string> run_roots()
{
    const std::string own = sys::default_run_dir("x");
    std::vector<std::string> roots{own.substr(0, own.rfind('/'))};
    if (roots[0] != "/run/xsvd") roots.emplace_back("/run/xsvd");
    return roots;
}

std::vector<Instance> living_instances(const std::vector<std::string>& roots)
{
    std::vector<Instance> found;
    for (const std::string& root : roots) {
        const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(root.c_str()), ::closedir);
        if (!folder) continue;
        while (const dirent* entry = ::readdir(folder.get())) {
            if (entry->d_name[0] == '.') continue;
            Instance instance{root + "/" + entry->d_name, 0, ""};
            const std::string lock = instance.folder + "/lock";
            const sys::UniqueFd fd(::open(lock.c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
            if (!fd || !is_locked(fd.get())) continue;
            if (auto text = sys::read_file(lock, 64)) instance.pid = text::to_int(text::trim(*text)).value_or(0);
            if (instance.pid > 0) instance.configuration = configuration_of(instance.pid);
            found.push_back(std::move(instance));
        }
    }
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.folder < b.folder; });
    return found;
}

bool is_answering(const std::string& socket)
{
    sockaddr_un address{};
    if (socket.size() >= sizeof address.sun_path) return false;
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, socket.data(), socket.size());
    const sys::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return false;
    // EAGAIN: the queue is full, so somebody is behind it.
    return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 || errno == EAGAIN;
}

std::string advise(const CallError& error, const Server& server, const std::string& config_file)
{
    const bool look_around = error.kind == CallError::Kind::System && server.url.starts_with(kUnixScheme);
    return advise(error, server, config_file, look_around ? living_instances(run_roots()) : std::vector<Instance>{});
}

std::string advise(const CallError& error, const Server& server, const std::string& config_file,
                   const std::vector<Instance>& instances)
{
    using enum CallError::Kind;
    if (error.kind == Http && error.code == 401) {
        return server.password ? "xsvctl: user name or password is wrong"
                               : "xsvctl: give a user name and a password: -u and -p, or username and password in "
                                 "[supervisorctl] of the configuration file";
    }
    if (error.kind == Resolve) return "xsvctl: the host of " + server.url + " is unknown";
    if (error.kind == Broken) {
        return "xsvctl: the daemon closed the connection twice without an answer: its log says why";
    }
    if (error.kind != System) return {};
    if (server.url.starts_with(kUnixScheme)) {
        std::vector<Instance> others = instances;
        const std::string path = server.url.substr(kUnixScheme.size());
        std::erase_if(others, [&](const Instance& each) { return each.socket() == path; });
        return about_unix(error, path, config_file, others);
    }
    if (error.code == ECONNREFUSED) {
        return fmt::format(
            "xsvctl: nobody listens on {}: is the daemon running, and does its configuration have an "
            "[inet_http_server] with this port?",
            server.url);
    }
    if (error.code == ETIMEDOUT)
        return "xsvctl: " + server.url + " does not answer: host down or a firewall in between";
    return {};
}

}  // namespace xsv::xsvctl
