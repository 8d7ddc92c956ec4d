#pragma once

#include <string>
#include <string_view>

#include <sys/types.h>

namespace xsv::sys {

/// The manager that has started us, if it listens for notifications (NOTIFY_SOCKET), and its store of descriptors: what lies
/// there it hands to the next start of ours as LISTEN_FDS, each under its name. Where nobody listens, nothing happens.
class ServiceManager {
public:
    /// `main`: our process that the manager knows. As root we speak in its name; else the manager must listen to all.
    static ServiceManager from_environment(pid_t main);
    ServiceManager() = default;

    void store(const std::string& name, int fd);
    void forget(const std::string& name);

private:
    void send(std::string_view text, int fd);

    std::string address_;
    pid_t main_ = 0;
    bool has_failed_ = false;   ///< said once, and from then on nobody waits for it
};

}  // namespace xsv::sys
