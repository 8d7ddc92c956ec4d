#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace xsv::scribe {

/// Which filesystem a path is on, told from the mount table's text alone: asking the path itself could hang for as long
/// as its filesystem does (rule L6).
class Mounts {
public:
    static Mounts read();                             ///< of this process
    static Mounts parse(std::string_view mountinfo);  ///< proc(5), /proc/PID/mountinfo
    /// "8:1"; empty when the table does not tell.
    std::string device_of(std::string_view path) const;

private:
    std::vector<std::pair<std::string, std::string>> mounts_;  // where, device; later ones lie on top
};

}  // namespace xsv::scribe
