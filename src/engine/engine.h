#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "config/diff.h"
#include "engine/adoption.h"
#include "engine/context.h"
#include "engine/events.h"
#include "engine/guardian_link.h"
#include "engine/host_names.h"
#include "engine/service.h"

namespace xsv::engine {

/// The services that are started, stopped and listed together.
struct Group {
    std::string name;
    int priority = 999;
    bool heterogeneous = false;
    std::vector<std::unique_ptr<Service>> services;
};

/// Writes exits that a former engine left unread into their slots, before anybody looks at the processes again.
class ExitRecorder {
public:
    /// `kept`: what was held; nobody is told by the guardian how adopted processes end.
    ExitRecorder(Table& table, const std::map<std::string, sys::UniqueFd>& kept);
    void record(const ChildExit& exit);

private:
    Table& table_;
    PidIndex pids_;
    std::uint64_t last_ = 0;
};

/// Every service. Performs what is asked for, in order, and keeps the configuration of record.
class Engine {
public:
    /// `on_strange_exit`: for pids that stand in no service's slot (helpers, orphans).
    Engine(Context& context, std::function<void(const ChildExit&, std::optional<std::uint32_t> slot)> on_other_exit);
    ~Engine();

    /// The first start: every service of the configuration, autostart in order of priority.
    void start(config::Config config);
    /// After a crash: services, sockets and processes as table and record have them.
    void recover(config::Config record);
    /// After the end of guardian and engine: the same, with a configuration that was read anew.
    void take_up(config::Config config);
    void on_exit(const ChildExit& exit);
    std::uint64_t last_exit() const { return last_exit_; }
    /// Every process in a slot of a service, with its pidfd.
    void for_each_process(const std::function<void(std::uint32_t slot, int pidfd)>& call) const;

    const std::vector<std::unique_ptr<Group>>& groups() const { return groups_; }   ///< by (priority, name)
    Group* find_group(std::string_view name);
    Service* find(std::string_view namespec);
    std::vector<Service*> services();                    ///< by (group, name), as clients list them
    config::Config active() const;                       ///< what runs, as a value
    const config::Config& settings() const { return settings_; }   ///< everything but the groups

    /// `runs` decides for the processes it names whether they start, autostart for the others.
    Status add_group(const config::GroupSpec& group, const std::map<std::string, bool>& runs = {});
    /// Everything in it must be in the stopped set.
    void remove_group(std::string_view name);
    /// Takes hold of all sockets the new configuration wants, then swaps, then lets the rest go. On error nothing has
    /// changed. Removed services are stopped and go when their processes have ended.
    Result<config::Diff> reload(config::Config next);
    /// What the names of hosts in allow_from and deny_from mean now, and other addresses for some of them: nothing else changes,
    /// and nothing is restarted.
    HostRules host_rules() const;
    void set_host_rules(const HostRules& rules);
    /// Supervisor's order: groups from the highest priority number down, one after the other; then `done`.
    void shutdown(std::function<void()> done);
    bool is_shutting_down() const { return context_.ending; }
    void tell_sinks();
    Events& events() { return events_; }
    /// Calls for each state entered, until the returned handle goes.
    void observe(std::function<void(Service&)> observer) { observers_.push_back(std::move(observer)); }

private:
    void notify(Service& service);
    void index();
    void name_auto_logs(config::ServiceSpec& spec, const config::ServiceSpec* before) const;
    Result<std::unique_ptr<Service>> make_service(config::ServiceSpec spec);
    void start_services(const std::vector<Service*>& services, const std::map<std::string, bool>& runs = {});
    void write_record();
    void retire(std::unique_ptr<Service> service);
    void announce_groups(std::set<std::string> former);
    void sweep_retired();
    void stop_group();
    void stop_next_group();
    void report_shutdown();
    void recover_stray(std::uint32_t slot);
    void deliver(std::uint32_t slot, const ChildExit& exit);
    std::map<std::string, std::uint32_t> slots_by_name(std::vector<std::uint32_t>& connections);
    Status take_hold_of_all(const config::Config& next, std::map<std::string, std::vector<net::SocketPtr>>& held);

    Context& context_;
    DenyList deny_list_;
    Adoption adoption_;
    Events events_;
    std::function<void(const ChildExit&, std::optional<std::uint32_t>)> on_other_exit_;
    config::Config settings_;
    std::vector<std::unique_ptr<Group>> groups_;
    std::map<std::string, Service*, std::less<>> by_name_;
    std::unordered_map<std::uint32_t, Service*> by_slot_;
    sys::UniqueFd record_;
    std::unordered_map<std::uint32_t, sys::UniqueFd> strays_;   ///< processes of services that are no more, by slot
    std::vector<std::unique_ptr<Service>> retired_;      ///< removed, their processes still ending
    std::vector<std::function<void(Service&)>> observers_;
    std::vector<std::vector<Service*>> stopping_;        ///< groups whose turn is still to come, the next one last
    std::function<void()> on_stopped_;
    event::WatchPtr shutdown_report_;
    Time last_words_until_{};                            ///< of the listeners whose turn to stop has come
    event::WatchPtr last_words_;
    std::uint64_t last_exit_ = 0;
    bool sweep_due_ = false;
};

}  // namespace xsv::engine
