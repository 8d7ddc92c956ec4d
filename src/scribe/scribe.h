#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>

#include "event/channel.h"
#include "event/loop.h"
#include "scribe/mailbox.h"
#include "scribe/mounts.h"
#include "scribe/outbox.h"
#include "scribe/writer.h"

namespace xsv::scribe {

/// The engine's partner: takes its messages and hands each to the writer of the filesystem it is about. This thread
/// touches no log file, so it answers whatever becomes of the disks.
class Scribe {
public:
    static constexpr std::size_t kMaxWriters = 32;  ///< filesystems beyond that share the last one

    Scribe(event::Loop& loop, sys::UniqueFd channel);

private:
    void on_message(std::string_view message, sys::UniqueFd fd);
    void on_sink(const wire::Value& message, sys::UniqueFd fd);
    void on_ready();
    void on_request(const std::string& type, const wire::Value& message, sys::UniqueFd fd);
    void shut_down();
    void go_on_alone();
    void end_when_sent();

    Writer& writer_of(const std::string& file);
    void drop(const std::string& key);
    void send(wire::Value message, Outbox::Sent sent = {});

    event::Loop& loop_;
    Mailbox mailbox_;                                         // what the writers say
    std::map<std::string, std::shared_ptr<Writer>> writers_;  // by device
    Mounts mounts_;
    Time mounts_read_{};
    std::unordered_map<std::string, Writer*> homes_;  // sinks by key
    std::map<std::string, sys::UniqueFd> memories_;   // of sinks that will be named next
    std::set<std::string> named_;                     // since "hello"
    bool naming_ = false;
    std::size_t undrained_ = 0;
    bool ending_ = false;
    event::WatchPtr deadline_, send_timer_;
    Time drained_at_{};
    event::Channel channel_;
    Outbox outbox_;
};

}  // namespace xsv::scribe
