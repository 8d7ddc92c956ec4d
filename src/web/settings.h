#pragma once

#include <cstddef>

#include "base/time.h"

namespace xsv::web {

/// Limits of the door (rules H2–H4, A5). Times are totals, never per read: a byte a second must not keep a place.
struct Settings {
    Duration idle_time = std::chrono::seconds(30);    ///< between two requests, and before the first byte
    Duration header_time = std::chrono::seconds(10);  ///< from the first byte to the end of the header
    Duration body_time = std::chrono::seconds(30);
    Duration answer_time = std::chrono::seconds(30);    ///< for each begun MiB of the answer
    Duration follower_time = std::chrono::seconds(64);  ///< for a follower to take kStreamQueue bytes
    Duration linger_time = std::chrono::seconds(1);     ///< for the client to read an answer and close
    Duration health_time = std::chrono::seconds(2);     ///< for the engine to answer /healthz
    Duration finish_time = std::chrono::seconds(5);     ///< for answers under way when the daemon shuts down
    Duration accept_pause = std::chrono::milliseconds(100);

    std::size_t max_connections = 512;
    std::size_t max_per_address = 32;
    std::size_t max_local = 64;    ///< of unix servers together
    std::size_t owner_places = 4;   ///< of these, that only root gets, and whose daemon it is
    std::size_t max_per_user = 16;  ///< others, on unix sockets, where everybody has the same address
    std::size_t max_followers = 64;
    std::size_t max_requests = 100;  ///< on one connection
    std::size_t max_target = 4 << 10;
    std::size_t max_header = 16 << 10;
    std::size_t max_fields = 64;
    std::size_t max_body = 1 << 20;
    std::size_t max_memory = 32 << 20;  ///< bodies and answers of all connections

    Duration failure_delay = std::chrono::milliseconds(500);  ///< doubles with each wrong password of a source
    Duration max_failure_delay = std::chrono::seconds(30);
    std::size_t max_delayed = 64;
};

/// A follower that has this much waiting gets no more until it has taken it all.
constexpr std::size_t kStreamQueue = 64 << 10;

}  // namespace xsv::web
