#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "event/loop.h"
#include "scribe/followers.h"
#include "scribe/mailbox.h"
#include "scribe/outbox.h"
#include "scribe/sink.h"
#include "wire/value.h"

namespace xsv::scribe {

/// A thread and the sinks of one filesystem: when that filesystem hangs, this thread hangs, and no other (rule L6).
///
/// Everything but post() and stop() runs on its thread.
class Writer {
public:
    explicit Writer(Outbox& outbox);
    ~Writer();

    void post(std::function<void(Writer&)> call);
    void stop();  ///< ends the thread; only when it is known not to hang

    void set_sink(const SinkSettings& settings, sys::UniqueFd pipe, sys::UniqueFd memory);
    void drop_sink(const std::string& key);    ///< writes what is in the pipe, then closes it
    void forget_sink(const std::string& key);  ///< another writer has the pipe
    void end_of_process(const std::string& key);
    void reopen();
    Status clear(const std::string& file);
    void follow(const std::string& file, sys::UniqueFd pipe) { followers_.add(file, std::move(pipe)); }
    void drain(std::function<void()> done);  ///< empties every pipe, then calls
    void outlive(std::function<void()> done);  ///< goes on until the last program has closed its pipe, then calls

private:
    Sink* take_named(const std::string& key);
    std::shared_ptr<Target> known_target(const std::string& file) const;
    std::shared_ptr<Target> target_for(const SinkSettings& settings);
    void give_ledger(Sink& sink, sys::UniqueFd memory, bool may_be_used);
    void serve(Sink& sink);
    void set_mode(Sink& sink, Sink::Mode mode);
    void tick();
    void arm_tick(Duration delay);
    void finish(Sink& sink);
    void drain_more();
    void look_for_ends();

    void mark(Sink& sink);
    void send_stats();
    void tell_stats(Sink& sink);

    Outbox& outbox_;
    std::unique_ptr<event::Loop> loop_;
    Mailbox mailbox_;
    log::Syslog syslog_;
    std::unordered_map<std::string, std::weak_ptr<Target>> targets_;
    std::unordered_map<std::string, Sink*> named_;
    std::list<std::unique_ptr<Sink>> sinks_;  // the named ones and those that are leaving
    std::vector<Sink*> paced_;
    sys::UniqueFd tick_fd_;
    event::WatchPtr tick_watch_;
    Time tick_at_ = Time::max();

    std::vector<Sink*> dirty_;
    event::WatchPtr stats_timer_;
    Followers followers_;
    std::function<void()> drained_;
    event::WatchPtr drain_timer_;
    Time drain_since_{};
    std::thread thread_;
};

}  // namespace xsv::scribe
