#include "config/surroundings.h"

#include <glob.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <memory>

namespace xsv::config {
namespace {

std::vector<std::string> match_files(const std::string& pattern)
{
    glob_t found{};
    const std::unique_ptr<glob_t, decltype(&::globfree)> owner(&found, &::globfree);
    // A backslash is a letter, as in Python; the order is ours because glob(3) sorts by the locale.
    if (::glob(pattern.c_str(), GLOB_NOSORT | GLOB_NOESCAPE, nullptr, &found) != 0) return {};
    std::vector<std::string> files(found.gl_pathv, found.gl_pathv + found.gl_pathc);
    std::sort(files.begin(), files.end());
    return files;
}

bool has_mode(const std::string& path, mode_t type, mode_t bits)
{
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 && (type == 0 || (status.st_mode & S_IFMT) == type) &&
           (bits == 0 || (status.st_mode & bits) != 0);
}

std::string current_directory()
{
    std::array<char, PATH_MAX> buffer{};
    return ::getcwd(buffer.data(), buffer.size()) != nullptr ? buffer.data() : "/";
}

}  // namespace

Surroundings Surroundings::real()
{
    Surroundings real;
    real.uid = ::geteuid();
    real.read = [trusted_only = real.uid == 0](const std::string& path) {
        return sys::read_config_file(path, trusted_only);
    };
    real.match = match_files;
    real.is_directory = [](const std::string& path) { return has_mode(path, S_IFDIR, 0); };
    real.is_readable_by_others = [](const std::string& path) { return has_mode(path, 0, S_IROTH); };
    real.user = sys::find_user;
    real.group = sys::find_group;
    real.address = sys::find_address;
    real.addresses = sys::find_addresses;
    if (rlimit limit{}; ::getrlimit(RLIMIT_NOFILE, &limit) == 0) real.most_descriptors = limit.rlim_max;
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
        const std::string_view variable = *entry;
        if (const auto equals = variable.find('='); equals != std::string_view::npos)
            real.environment.emplace_back(variable.substr(0, equals), variable.substr(equals + 1));
    }
    real.directory = current_directory();
    std::array<char, HOST_NAME_MAX + 1> host{};
    if (::gethostname(host.data(), host.size() - 1) == 0) real.host = host.data();
    return real;
}

std::string Surroundings::variable(std::string_view name) const
{
    for (const auto& [key, value] : environment)
        if (key == name) return value;
    return {};
}

std::string Surroundings::absolute(const std::string& path) const
{
    if (path.starts_with('/') || path.empty()) return path;
    if (!path.starts_with('~')) {
        const std::string_view shown = path.starts_with("./") ? std::string_view(path).substr(2) : path;
        return directory + (directory.ends_with('/') ? "" : "/") + std::string(shown);
    }
    const auto slash = std::min(path.find('/'), path.size());
    const std::string name = path.substr(1, slash - 1);
    std::string home = name.empty() ? variable("HOME") : "";
    if (home.empty())
        if (const auto found = user(name.empty() ? std::to_string(uid) : name)) home = found->home;
    // As in Python, an unknown user leaves the text as it is.
    if (home.empty()) return directory + (directory.ends_with('/') ? "" : "/") + path;
    return home + path.substr(slash);
}

std::string Surroundings::folder_of(const std::string& path)
{
    const auto slash = path.rfind('/');
    return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace xsv::config
