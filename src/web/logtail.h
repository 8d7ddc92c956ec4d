#pragma once

#include "event/loop.h"
#include "web/connection.h"

namespace xsv::web {

/// Passes on what the scribe writes into a pipe, each piece as its own chunk. While the client is slow, nothing is
/// read, which the scribe notices; when the client leaves, the pipe closes, which ends the scribe's part.
class LogFollower final : public StreamSource {
public:
    LogFollower(event::Loop& loop, sys::UniqueFd pipe);

    void start(Connection& connection) override;
    void on_drained() override;

private:
    void watch();
    void on_readable();

    event::Loop& loop_;
    sys::UniqueFd pipe_;
    Connection* connection_ = nullptr;  ///< owns this
    event::WatchPtr watch_;
};

}  // namespace xsv::web
