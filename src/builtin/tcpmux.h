#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace xsv::builtin {

/// RFC 1078: a caller names the service he wants in one line.
///
/// The services are datagram sockets of the engine in the folder XSVD_TCPMUX_DIR, each with its service's name; "+name": we
/// say "+Go" to the caller. His connection goes there by SCM_RIGHTS. The folder is read for every caller, so a reload needs
/// no word to us.
class Tcpmux {
public:
    static constexpr std::size_t kLongestName = 256;
    static constexpr std::string_view kBadName = "-Error reading service name\r\n";

    static Tcpmux from_environment();
    /// True: the connection is somebody else's now. False: `answer` is for the caller, and then the connection ends.
    bool give(std::string_view line, int connection, std::string& answer) const;

private:
    std::vector<std::string> files() const;   ///< sorted
    bool hand_over(const std::string& file, int connection) const;

    std::string folder_;
};

}  // namespace xsv::builtin
