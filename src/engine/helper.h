#pragma once

#include <functional>
#include <memory>
#include <string>

#include "engine/context.h"
#include "engine/guardian_link.h"
#include "event/channel.h"
#include "sys/files.h"
#include "wire/value.h"

namespace xsv::engine {

/// A process of ours beside the engine (scribe, web): always on, and started again at once when it ends.
/// The channel to it outlives the engine at the guardian, so a new engine goes on with the process it finds.
class Helper {
public:
    struct Settings {
        std::string name;                       ///< "scribe": its slot, its channel and its title are named so
        std::string path;                       ///< of the executable
        std::optional<sys::User> user;          ///< whose rights it has; nullopt: ours
        std::string empty_root;                 ///< not empty: it starts with our rights, becomes `user` itself, and makes this folder its root
        bool inherits_output = false;           ///< our stdout and stderr, else /dev/null
        bool leave_until_handled = false;       ///< its messages, see event/channel.h
        std::function<std::vector<std::string>()> variables{};   ///< of its environment, beside ours; asked at each start
    };
    /// `on_start`: a process is at the other end, new or found; it is told everything it needs to know.
    Helper(Context& context, Settings settings, std::function<void()> on_start,
           std::function<void(const wire::Value&, sys::UniqueFd)> on_message);

    /// Finds the process a former engine left (`slot`, if there is one), or starts one.
    void start(std::optional<std::uint32_t> slot);
    void on_exit(const ChildExit& exit);
    /// From now on a signal that ends us is written down if a message left until handled was being handled: one that ended
    /// kMostCrashes engines is thrown away by the next. SIGKILL does not count, whose reason is not in the message.
    static void count_crashes();
    static constexpr int kMostCrashes = 2;
    /// Asks it to finish; `done` when it has ended (after 5 s it is ended).
    void shutdown(std::function<void()> done);

    bool send(const wire::Value& message) { return channel_ != nullptr && channel_->send(wire::encode(message)); }
    bool send(const wire::Value& message, sys::UniqueFd fd) { return channel_ != nullptr && channel_->send(wire::encode(message), std::move(fd)); }
    bool send_copy_of(const wire::Value& message, int fd) { return channel_ != nullptr && channel_->send_copy_of(wire::encode(message), fd); }
    bool send_encoded(std::string message) { return channel_ != nullptr && channel_->send(std::move(message)); }
    std::optional<std::uint32_t> slot() const { return slot_; }
    int pidfd() const { return pidfd_.get(); }   ///< -1: no process
    pid_t pid() const { return slot_ && pidfd_ ? context_.table.at(*slot_).child.pid.load() : 0; }

private:
    void handle(const wire::Value& message, sys::UniqueFd fd);
    bool is_deadly();
    void spawn();
    Status try_spawn();
    std::vector<std::string> environment() const;
    void connect(sys::UniqueFd end);
    void retry();
    void leave_behind();
    void take_legacy(sys::UniqueFd end);
    std::string channel_key() const { return "channel " + settings_.name; }

    Context& context_;
    Settings settings_;
    std::function<void()> on_start_;
    std::function<void(const wire::Value&, sys::UniqueFd)> on_message_;
    std::optional<std::uint32_t> slot_;
    sys::UniqueFd pidfd_;
    std::unique_ptr<event::Channel> channel_;
    std::function<void()> on_end_;
    Duration retry_delay_{};
    Time started_{};
    event::WatchPtr timer_;
};

}  // namespace xsv::engine
