#pragma once

#include <functional>
#include <string>
#include <vector>

#include "config/load.h"
#include "sys/files.h"

namespace xsv::config {

/// Everything a configuration asks the machine for. Tests and fuzzers answer instead.
struct Surroundings {
    std::function<Result<std::string>(const std::string& path)> read;
    std::function<std::vector<std::string>(const std::string& pattern)> match;  ///< sorted by byte order
    std::function<bool(const std::string& path)> is_directory;
    std::function<bool(const std::string& path)> is_readable_by_others;
    std::function<Result<sys::User>(const std::string& name)> user;
    std::function<Result<gid_t>(const std::string& name)> group;
    std::function<Result<std::string>(const std::string& host)> address;  ///< as a number
    std::function<Result<std::vector<std::string>>(const std::string& host)> addresses;  ///< all of both families, as numbers
    Environment environment;      ///< the daemon's
    std::string directory = "/";  ///< the current one
    std::string host = "localhost";
    uid_t uid = 0;  ///< effective
    rlim_t most_descriptors = 1024;  ///< the hard limit; RLIM_INFINITY: none

    /// The machine as it is. As root only trusted files are read (rule P2).
    static Surroundings real();
    std::string variable(std::string_view name) const;
    /// "~" and "~user" expanded, relative paths made absolute, "." and ".." kept.
    std::string absolute(const std::string& path) const;
    static std::string folder_of(const std::string& path);  ///< of an absolute path
};

Loaded load(const std::string& file, const Overrides& overrides, const Surroundings& surroundings);

}  // namespace xsv::config
