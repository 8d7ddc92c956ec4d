#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <string>

#include "event/channel.h"
#include "scribe/mailbox.h"
#include "wire/value.h"

namespace xsv::scribe {

/// What the writers say to the engine, from any thread.
///
/// Output is bounded: who has some asks has_room() before reading it from its pipe. While the engine is away or slow the
/// pipes are the queue.
class Outbox {
public:
    static constexpr std::size_t kMost = 1 << 20;
    /// Of one "output". With its envelope it is one packet of the channel: an engine that is killed has it whole or not.
    static constexpr std::size_t kPiece = 63 * 1024;
    using Send = std::function<void(wire::Value)>;

    Outbox(Mailbox& mailbox, const event::Channel& channel, Send send)
        : mailbox_(mailbox), channel_(channel), send_(std::move(send))
    {
    }

    void tell(wire::Value message);  ///< may be left out when the engine is slow
    bool has_room() const { return posted_ + channel_.queued() < kMost; }
    void output(const std::string& key, std::string_view data);
    void captured(const std::string& key, std::string data);
    void ended(const std::string& key);  ///< after all output of the process

private:
    void post(wire::Value message, std::size_t size);

    Mailbox& mailbox_;
    const event::Channel& channel_;
    Send send_;
    std::atomic<std::size_t> posted_ = 0;  // in the mailbox
};

}  // namespace xsv::scribe
