#pragma once

#include <cerrno>
#include <map>
#include <string>
#include <vector>

#include "config/surroundings.h"

namespace xsv::config::test {

/// A machine that consists of these files and has the users root (0), git (500, group 501) and www (33).
inline Surroundings machine(std::map<std::string, std::string> files)
{
    Surroundings fake;
    fake.read = [files](const std::string& path) -> Result<std::string> {
        const auto found = files.find(path);
        if (found == files.end()) return fail("could not find config file {}", path);
        return found->second;
    };
    // "DIR/*.conf" is all the tests ask for.
    fake.match = [files](const std::string& pattern) {
        std::vector<std::string> found;
        const auto star = pattern.find('*');
        for (const auto& [name, text] : files) {
            const bool matches = star == std::string::npos ? name == pattern
                                                           : name.starts_with(pattern.substr(0, star)) &&
                                                                 name.ends_with(pattern.substr(star + 1)) &&
                                                                 name.find('/', star) == std::string::npos;
            if (matches) found.push_back(name);
        }
        return found;
    };
    fake.is_directory = [](const std::string& path) { return !path.starts_with("/no"); };
    fake.is_readable_by_others = [](const std::string&) { return true; };
    fake.user = [](const std::string& name) -> Result<sys::User> {
        if (name == "root" || name == "0") return sys::User{0, 0, "root", "/root", "/bin/sh", {0}};
        if (name == "git") return sys::User{500, 501, "git", "/srv/git", "/bin/sh", {501, 700}};
        if (name == "www") return sys::User{33, 33, "www", "/var/www", "/bin/sh", {33}};
        return fail("Invalid user name {}", name);
    };
    fake.group = [](const std::string& name) -> Result<gid_t> {
        if (name == "staff") return gid_t{50};
        if (name == "git") return gid_t{501};
        return fail("Invalid group name {}", name);
    };
    fake.address = [](const std::string& host) -> Result<std::string> {
        if (host == "web.example") return std::string("192.0.2.7");
        return fail("the host name '{}' has no IPv4 address", host);
    };
    fake.addresses = [](const std::string& host) -> Result<std::vector<std::string>> {
        if (host == "web.example") return std::vector<std::string>{"192.0.2.7", "2001:db8::7"};
        if (host == "slow.example") return tl::unexpected(Error{"nobody answers", EAGAIN});
        if (host == "localhost") return std::vector<std::string>{"127.0.0.1", "::1"};
        if (host == "four.example") return std::vector<std::string>{"192.0.2.4"};
        return fail("the host name '{}' has no address", host);
    };
    fake.environment = {{"HOME", "/root"}, {"COLOR", "blue"}, {"PATH", "/bin"}};
    fake.directory = "/folder";
    fake.host = "box";
    return fake;
}

inline Loaded load_text(const std::string& text, const Overrides& overrides = {})
{
    return load("/etc/x.conf", overrides, machine({{"/etc/x.conf", text}}));
}

inline std::vector<std::string> messages(const std::vector<Mistake>& mistakes)
{
    std::vector<std::string> lines;
    for (const Mistake& mistake : mistakes) lines.push_back(mistake.message());
    return lines;
}

using Lines = std::vector<std::string>;

/// The only service of a configuration, or the first one.
inline const ServiceSpec& first(const Loaded& loaded)
{
    static const ServiceSpec kNone;
    for (const GroupSpec& group : loaded.config.groups)
        if (!group.services.empty()) return group.services.front();
    return kNone;
}

}  // namespace xsv::config::test
