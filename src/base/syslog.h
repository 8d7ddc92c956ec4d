#pragma once

#include <string_view>

#include "base/time.h"

namespace xsv::log {

/// Sends lines to the system's log socket, /dev/log, as "xsvd".
///
/// syslog(3) waits as long as the receiver likes. This waits kPatience at most, and no second time within kRest: a
/// burst that the receiver works on gets through, one that hangs costs lines.
class Syslog {
public:
    static constexpr Duration kPatience = std::chrono::milliseconds(20);
    static constexpr Duration kRest = std::chrono::seconds(2);

    Syslog() = default;
    ~Syslog();
    Syslog(const Syslog&) = delete;
    Syslog& operator=(const Syslog&) = delete;

    static constexpr int kUserInfo = (1 << 3) | 6;
    /// `priority`: facility and level as syslog(3) has them. False: nobody takes it now.
    bool send(std::string_view text, int priority = kUserInfo);

private:
    bool connect();
    bool has_room();
    void close();

    int socket_ = -1;
    Time impatient_until_{};
};

}  // namespace xsv::log
