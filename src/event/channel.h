#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <memory>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "event/loop.h"
#include "sys/fd.h"

namespace xsv::event {

/// Messages of any length over a SOCK_SEQPACKET pair, each with at most one descriptor.
///
/// A message is cut into packets; a packet that begins a message discards an unfinished one, so a peer that was killed
/// in the middle of sending and replaced by another on the same socket does no harm.
class Channel {
public:
    using OnMessage = std::function<void(std::string_view message, sys::UniqueFd fd)>;
    using OnClosed = std::function<void()>;

    static constexpr std::size_t kMaxQueue = 32u << 20;    ///< bytes waiting to be sent
    static constexpr std::size_t kMaxMessage = 16u << 20;

    Channel(Loop& loop, sys::UniqueFd socket, std::string name, OnMessage on_message, OnClosed on_closed);
    ~Channel();
    Channel(const Channel&) = delete;
    Channel& operator=(const Channel&) = delete;

    /// Queues the message. False: the queue is full and the message was not taken. `sent`: all of it is in the socket, where it
    /// outlives us.
    bool send(std::string message, sys::UniqueFd fd = {}, std::function<void()> sent = {});
    /// The same, but the descriptor stays the caller's (it is duplicated).
    bool send_copy_of(std::string message, int fd);
    std::size_t queued() const { return queued_bytes_; }  ///< from any thread
    int fd() const { return socket_.get(); }

    /// A packet leaves the socket after its message was handled (or its handler threw), not before: whoever is killed
    /// meanwhile leaves it to a successor on the same socket, who can tell by delivering() whether it was handled. That goes
    /// for messages of one packet (64 KiB): of a longer one the successor would find the end only. Without descriptors.
    void leave_until_handled() { peeks_ = true; }
    /// The peer has ended: hands over what it had sent.
    void drain();
    /// The number of the message that is being handled; the sender counts them from 1.
    std::uint64_t delivering() const { return delivering_; }

    /// The two ends of a new channel, close-on-exec and non-blocking.
    static Result<std::pair<sys::UniqueFd, sys::UniqueFd>> make_pair();

private:
    struct Packet {
        std::string bytes;
        sys::UniqueFd fd;
        std::function<void()> sent;
    };
    void on_readable();
    void handle(std::string_view packet, sys::UniqueFd fd);
    bool take_peeked();
    void flush();
    void closed();

    Loop& loop_;
    sys::UniqueFd socket_;
    std::string name_;
    OnMessage on_message_;
    OnClosed on_closed_;
    std::deque<Packet> out_;
    std::atomic<std::size_t> queued_bytes_ = 0;
    std::string partial_;
    sys::UniqueFd partial_fd_;
    bool assembling_ = false, peeks_ = false;
    std::uint64_t sent_ = 0, delivering_ = 0;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
    WatchPtr writable_;
    WatchPtr readable_;  // after socket_, so it stops first
};

}  // namespace xsv::event
