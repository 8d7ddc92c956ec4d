#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "proxy/pipes.h"
#include "proxy/poller.h"

namespace xsv::proxy {

/// Two connections that are one: what comes from one side goes to the other, and the end of one side's sending is passed on
/// alone, since the other may have more to say (trap 43). Short exchanges are copied, in two system calls; what fills a
/// buffer goes through a pipe without a copy.
class Relay {
public:
    struct End {
        sys::UniqueFd fd;
        bool readable = true, writable = true;
        bool thorough = false;           ///< a short read does not mean that nothing is left
        std::uint64_t received = 0;
    };
    enum class Side { Caller = 0, Target = 1 };

    explicit Relay(Pipes& pipes) : pipes_(pipes) {}
    ~Relay();
    End& end(Side side) { return ends_[static_cast<int>(side)]; }
    const End& end(Side side) const { return ends_[static_cast<int>(side)]; }
    /// Goes to the target before everything else.
    void send_first(std::string bytes) { flows_[0].copied = std::move(bytes); }

    enum class State { Waits, Again, Over, Failed };
    State proceed();
    /// The other side sees a reset instead of a regular end: something is missing.
    void reset();
    static void note(End& end, std::uint32_t events);

private:
    /// One direction.
    struct Flow {
        std::string copied;              ///< not taken yet; never together with bytes in the pipe
        std::unique_ptr<Pipe> pipe;
        bool bulk = false, ended = false, closed = false;
        bool is_empty() const { return copied.empty() && (pipe == nullptr || pipe->held == 0); }
    };
    State proceed(Flow& flow, End& from, End& to);
    bool take(Flow& flow, End& from, End& to);
    static bool take_copy(Flow& flow, End& from, End& to);
    static bool take_nothing(Flow& flow, End& from, ssize_t got);
    static bool deliver(Flow& flow, End& to);

    Pipes& pipes_;
    std::array<End, 2> ends_;
    std::array<Flow, 2> flows_;          ///< caller to target, target to caller
};

}  // namespace xsv::proxy
