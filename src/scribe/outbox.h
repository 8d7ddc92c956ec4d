#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "event/channel.h"
#include "scribe/mailbox.h"
#include "wire/value.h"

namespace xsv::scribe {

/// The messages about one stream. Each has a number, so that one which is sent again is known again.
struct Stream {
    explicit Stream(std::string name) : key(std::move(name)) { begin_anew(); }
    void begin_anew();
    std::string key;
    std::int64_t life = 0;         ///< another one each time that the numbers begin anew
    std::uint64_t number = 0;      ///< of the last message
    /// Messages that are not in the socket yet: those would die with us.
    std::shared_ptr<std::atomic<int>> under_way = std::make_shared<std::atomic<int>>(0);
};

/// What the writers say to the engine, from any thread.
///
/// Output is bounded: who has some asks has_room() before reading it from its pipe. While the engine is away or slow the
/// pipes are the queue.
class Outbox {
public:
    static constexpr std::size_t kMost = 1 << 20;
    /// Of one "output" or part of "captured". With its envelope it is one packet of the channel: an engine that is killed has it whole or not.
    static constexpr std::size_t kPiece = 63 * 1024;
    using Sent = std::function<void()>;   ///< called once the message is in the socket
    using Send = std::function<void(wire::Value, Sent)>;

    Outbox(Mailbox& mailbox, const event::Channel& channel, Send send)
        : mailbox_(mailbox), channel_(channel), send_(std::move(send))
    {
    }

    void tell(wire::Value message);  ///< may be left out when the engine is slow
    bool has_room() const { return posted_ + channel_.queued() < kMost; }
    void output(Stream& stream, std::string_view data);
    void captured(Stream& stream, std::string_view data);
    void ended(Stream& stream);  ///< after all output of the process

private:
    void post(Stream& stream, wire::Value::Struct message, std::size_t size);

    Mailbox& mailbox_;
    const event::Channel& channel_;
    Send send_;
    std::atomic<std::size_t> posted_ = 0;  // in the mailbox
};

}  // namespace xsv::scribe
