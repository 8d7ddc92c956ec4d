#pragma once

#include <cstdlib>
#include <map>
#include <string>

#include "config/surroundings.h"

namespace xsv::config::test {

/// A machine of these files on which every name is known.
inline Surroundings machine(const std::map<std::string, std::string>& files, const std::string& directory)
{
    Surroundings fake;
    fake.read = [files](const std::string& path) -> Result<std::string> {
        const auto found = files.find(path);
        if (found == files.end()) return fail("could not find config file {}", path);
        return found->second;
    };
    fake.is_directory = [](const std::string& path) { return path.size() % 2 == 0; };
    fake.is_readable_by_others = [](const std::string&) { return true; };
    fake.user = [](const std::string& name) -> Result<sys::User> {
        if (name.empty()) return fail("Invalid user name {}", name);
        return sys::User{7, 8, name, "/home", "/bin/sh", {8}};
    };
    fake.group = [](const std::string& name) -> Result<gid_t> { return static_cast<gid_t>(name.size()); };
    fake.address = [](const std::string&) -> Result<std::string> { return std::string("192.0.2.7"); };
    fake.addresses = [](const std::string&) -> Result<std::vector<std::string>> { return std::vector<std::string>{"192.0.2.7", "2001:db8::7"}; };
    fake.environment = {{"HOME", "/root"}, {"X", "x"}};
    fake.directory = directory;
    return fake;
}

inline void require(bool holds)
{
    if (!holds) std::abort();
}

}  // namespace xsv::config::test
