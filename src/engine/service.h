#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/context.h"
#include "engine/guardian_link.h"
#include "engine/handlers.h"
#include "engine/hooks.h"
#include "engine/lifecycle.h"
#include "engine/notices.h"
#include "engine/streams.h"

namespace xsv::engine {

/// One service: its sockets, its process or its connections, the only writer of their state. Decisions come from
/// lifecycle.h; this class performs them and writes them down in the service's slot.
class Service {
public:
    /// Takes a slot for it. Error: the table is full.
    static Result<std::unique_ptr<Service>> create(Context& context, config::ServiceSpec spec);
    /// With the slot that a former engine left.
    Service(Context& context, config::ServiceSpec spec, std::uint32_t slot);
    ~Service();
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;

    const config::ServiceSpec& spec() const { return spec_; }
    const State& state() const { return state_; }
    const Slot& slot() const { return context_.table.at(slot_); }
    std::uint32_t slot_index() const { return slot_; }
    SupervisorState supervisor_state() const;
    SupervisorState announced_before() const { return before_; }   ///< what it was when its state was last announced
    /// Of the process whose end is announced: what it wrote last is still to be told (ServiceStreams::tell_end). Once.
    std::vector<std::string> take_ended_streams() { return std::exchange(ended_streams_, {}); }
    bool is_per_connection() const { return spec_.exec.activation == config::Activation::PerConnection; }
    const Handlers& handlers() const { return *handlers_; }
    Handlers& handlers() { return *handlers_; }
    const std::vector<net::SocketPtr>& sockets() const { return sockets_; }
    ServiceStreams& streams() { return streams_; }
    const Notices& notices() const { return *notices_; }
    Hooks& hooks() { return hooks_; }
    /// Asks a running program to read its configuration again: reload_command, then reload_signal. Error: it has neither.
    Status reload();
    std::string_view reason() const { return slot().reason_text(); }
    std::string failed_step() const;   ///< "changing to the directory /srv: No such file or directory", of the last child; or empty
    Time next_try() const;

    // Requests. Whether one is allowed in this state is the control layer's question.
    void start();
    void stop(bool now = false);
    void restart();
    void shutdown();
    /// The next stop keeps the sockets open, unwatched, for the start that follows it within seconds: callers queue.
    void keep_sockets();
    /// Somebody waits for the end of a stop: the activity log says so now, and every 2 s until then.
    void report_stop();
    /// To the process, or to every handler. False: nobody was there.
    Result<bool> send_signal(int signal);

    /// Sockets that are there for the whole life of the service; a failed bind is tried again until it works.
    void open_standing();
    // What the forwarder says of a service with proxy_to.
    void on_demand();                                   ///< a caller waits, and no program is there
    void on_answered();                                 ///< the program has taken a connection
    void on_paused(std::int64_t connections);           ///< nobody is forwarded any more, if this is 0
    void on_forwarded(std::int64_t connections, std::int64_t accepted, std::int64_t refused);
    std::int64_t forwarded() const { return forwarded_; }

    /// Recovery: the slot says what was; sockets and the process are taken over, timers set.
    void recover();
    void on_exit(const ChildExit& exit);
    /// The new settings; `sockets` are held already, in the order of socket_plan().
    void apply(config::ServiceSpec spec, std::vector<net::SocketPtr> sockets);
    /// The addresses a spec wants, each once.
    static std::vector<sys::Endpoint> socket_plan(const config::ServiceSpec& spec, const Context& context);
    static Shared<sys::SocketOptions> socket_options(const config::ServiceSpec& spec, const sys::Endpoint& endpoint, const Surroundings& surroundings);
    bool can_stop() const { return stop_acts(policy(), state_); }   ///< would stop() change anything?
    bool holds_sockets() const;   ///< are they meant to be open now?

    /// Called after each change of state until it returns true.
    void when_changed(std::function<bool(Service&)> waiter) { waiters_.push_back(std::move(waiter)); }
    /// Its processes, each with its slot and its pidfd.
    void for_each_process(const std::function<void(std::uint32_t slot, int pidfd)>& call) const;
    /// The place itself goes (a removed service, stopped).
    void vanish();

private:
    friend class Handlers;
    friend class Notices;
    friend class Hooks;
    Policy policy() const;   ///< what the decisions need of the spec
    void hand(const Event& event);
    void enter(State state);
    void perform(const Action& action);
    void perform(const Spawn&);
    void perform(const Signal& action);
    void perform(const SetTimer& action);
    void perform(const ClearTimer&);
    void perform(const OpenSockets&);
    void perform(const CloseSockets&);
    void perform(const AwaitDemand&);
    void perform(const IgnoreDemand&);
    void perform(const SweepGroup&);
    void perform(const Note& note);
    void perform(const Passed& passed);
    void perform(const RunHooks& action) { hooks_.run(action.hook); }
    void perform(const EndHooks&) { hooks_.end_start(); }
    void hooks_done(Hook hook, bool good);
    Status send_reload_signal();
    Result<sys::Spawned> spawn();
    Status make_ready();
    Status prepare_sockets();
    void spawn_failed(const Error& error);
    /// Another process is the main one from now on. False: it is gone, or another service's.
    bool take_main(pid_t pid);
    void forget_failures();
    std::string invocation_id() const;   ///< INVOCATION_ID of the process that was started last
    Result<pid_t> find_successor();
    bool goes_on_after(const ChildExit& exit);
    void forget_exit();
    void remember_leader(pid_t pid);
    void await_successor(Duration wait);
    void watch_stranger();
    void log_note(const Note& note);
    std::string failure(Cause cause) const;
    int waiting_callers() const;
    bool took_callers(int waiting);
    void flush_pending();
    void watch_idle();
    void check_idle();
    void publish();
    Slot& place() { return context_.table.at(slot_); }
    void write_down();
    void fit_streams(bool live);
    void note_pipes();
    void take_over_process();
    void change_activation();
    void retry_sockets();
    bool is_forwarded() const { return spec_.proxy && !is_per_connection(); }
    const char* front_state() const;
    void open_fronts();
    void let_sockets_go();
    void close_sockets();
    void tell_rpcbind();

    Context& context_;
    config::ServiceSpec spec_;
    std::uint32_t slot_;
    State state_ = Stopped{};
    SupervisorState announced_ = SupervisorState::Stopped, before_ = SupervisorState::Stopped;
    ServiceStreams streams_;
    std::vector<net::SocketPtr> sockets_;
    sys::UniqueFd pidfd_;
    sys::UniqueFd ended_pidfd_;            ///< of the process whose end is being handled, for its group
    pid_t ended_pid_ = 0;
    sys::UniqueFd leader_pidfd_;           ///< of the process that was started, where another one is the main one now
    pid_t leader_pid_ = 0;
    bool consuming_exit_ = false;
    std::vector<std::string> ended_streams_;
    bool awaiting_ = false;
    int open_failures_ = 0;
    Time busy_{};                          ///< when a connection was last seen (idle_timeout)
    int waiting_at_start_ = 0;             ///< callers in the queue when the process was started
    std::optional<ServiceStreams::ReadyChild> ready_;   ///< on demand: kept from start to start, callers are waiting
    std::vector<std::uint64_t> left_behind_;   ///< callers that the last process did not take
    std::vector<std::function<bool(Service&)>> waiters_;
    std::unique_ptr<Handlers> handlers_;
    std::unique_ptr<Notices> notices_;
    std::int64_t forwarded_ = 0;           ///< connections that are being forwarded
    bool answered_ = false;                ///< proxy_to: the process has taken a connection
    Hooks hooks_;
    bool keeps_sockets_ = false;
    std::vector<net::SocketPtr> kept_sockets_;
    event::WatchPtr successor_timer_, stranger_;
    event::WatchPtr timer_, socket_timer_, idle_timer_, kept_timer_, stop_report_;
    std::vector<event::WatchPtr> watches_;   // last: they stop before the sockets close
};

/// "terminated by SIGKILL", "exit status 1", " (core dumped)".
std::string describe(const ExitStatus& status);

}  // namespace xsv::engine
