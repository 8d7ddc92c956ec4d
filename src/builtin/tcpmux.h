#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace xsv::builtin {

/// RFC 1078: a caller names the service he wants in one line.
///
/// The engine gives us the names in XSVD_TCPMUX_NAMES, separated by commas ("+name": we say "+Go" to the caller), and in
/// XSVD_TCPMUX_FD the number of a SOCK_SEQPACKET socket. A caller goes there as one packet: the name as the engine wrote it,
/// without the plus, and his connection by SCM_RIGHTS.
class Tcpmux {
public:
    static constexpr std::size_t kLongestName = 256;
    static constexpr std::string_view kBadName = "-Error reading service name\r\n";

    static Tcpmux from_environment();
    /// True: the connection is somebody else's now. False: `answer` is for the caller, and then the connection ends.
    bool give(std::string_view line, int connection, std::string& answer) const;

private:
    struct Name {
        std::string name;
        bool says_go;
    };
    bool hand_over(const Name& name, int connection) const;

    int engine_ = -1;
    std::vector<Name> names_;
};

}  // namespace xsv::builtin
