#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "builtin/connection.h"
#include "builtin/datagrams.h"
#include "builtin/tcpmux.h"

namespace xsv::builtin {

/// One service for all its callers.
class Server {
public:
    static constexpr std::size_t kMostConnections = 1000;   ///< more of them wait in the kernel's queue

    Server(Service service, Tcpmux tcpmux);
    /// A listener, a datagram socket, or a connection. False: it is neither.
    bool add(int fd);
    /// Until nothing is left to serve: for ever with a listener or a datagram socket.
    int run();

private:
    void accept_from(int listener);
    void add_connection(int fd);
    void proceed(int fd);
    void end(int fd);
    void watch_listeners(bool on);
    void end_overdue();
    int time_out() const;

    Service service_;
    Tcpmux tcpmux_;
    int epoll_;
    std::size_t room_ = kMostConnections;
    std::vector<int> listeners_;
    std::vector<std::unique_ptr<Datagrams>> datagrams_;
    struct Served {
        std::unique_ptr<Connection> connection;
        std::uint32_t events;
    };
    std::unordered_map<int, Served> connections_;
    bool accepting_ = true;
    std::int64_t pause_until_ = 0;   ///< ms
};

}  // namespace xsv::builtin
