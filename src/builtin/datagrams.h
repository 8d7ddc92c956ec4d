#pragma once

#include "builtin/connection.h"

namespace xsv::builtin {

/// The callers of a datagram service. Never answered: what comes from the port of a built-in service, or from or to many
/// addresses at once, since two that answer each other never end.
class Datagrams {
public:
    Datagrams(Service service, int fd);
    int fd() const { return fd_; }
    /// Answers those who wait, within bounds.
    void serve();

private:
    Service service_;
    int fd_;
    int own_port_ = 0;
    CharacterRing ring_;
};

}  // namespace xsv::builtin
