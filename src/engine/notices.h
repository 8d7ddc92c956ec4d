#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/child_plan.h"
#include "engine/context.h"
#include "engine/lifecycle.h"
#include "engine/notify_message.h"
#include "sys/notify_socket.h"

namespace xsv::engine {

class Service;
struct NoticeMemory;

/// What a program says of itself beside its exit status: that it is ready, how it is, that it lives, and descriptors that it
/// leaves for its next process. Sockets, descriptors and what was said are held by the guardian, so a killed engine loses
/// nothing of it.
class Notices {
public:
    Notices(Context& context, Service& service);
    ~Notices();

    /// What of this the next process is given. Descriptors in it stay open until started() or ended().
    Result<Extras> prepare();
    void started();            ///< the process is there; from now on it is listened to
    void resume();             ///< the same, of a process that a former engine has started
    void drain();              ///< what it has said before its end, which is handled next
    void ended();
    void entered(const State& state);
    /// A stop that a start will follow lets what was stored stay.
    void keep_store(bool keep);
    void reloading();          ///< it is about to be asked to reload
    void close();              ///< the service goes

    std::string_view status() const;          ///< STATUS=
    std::string_view said() const;            ///< "ready", "reloading", "stopping", or empty
    int error() const;                        ///< ERRNO=, 0: none
    int exit_status() const;                  ///< EXIT_STATUS=, 0: none
    std::string_view bus_error() const;       ///< BUSERROR=
    std::string_view varlink_error() const;   ///< VARLINKERROR=
    int stored() const;                       ///< descriptors kept for the next process

private:
    Status open_socket();
    Status open_memory();
    std::string key(std::string_view letter) const;
    void remove_path() const;
    void listen();
    void on_notification(const sys::Notification& notification);
    void perform(NotifyMessage& message, const sys::Notification& notification);
    bool may_speak(const sys::Notification& notification) const;
    bool is_of_service(pid_t pid) const;
    config::NotifyAccess access() const;
    void refuse(const sys::Notification& notification, std::string_view why);
    void set_main(pid_t pid);
    void take_phase(const NotifyMessage& message);
    void begin_reload();
    void watch_reload();
    void on_reload_overdue();
    void read_ready_pipe();
    void watch_ready_pipe();
    void try_connect();
    void on_connected();
    void forget_start();
    Duration watchdog_period() const;
    void watch_over();
    void look_for_life();
    void store(NotifyMessage& message, const sys::Notification& notification);
    void remove_stored(std::string_view name);
    void drop_stored(std::size_t index);
    void drop_hung_up();
    void drop_all_stored();
    bool keeps_store() const;

    Context& context_;
    Service& service_;
    sys::UniqueFd socket_, memory_fd_;
    NoticeMemory* memory_ = nullptr;
    std::vector<std::pair<std::size_t, sys::UniqueFd>> stored_;   ///< place in memory, descriptor
    sys::UniqueFd ready_pipe_, ready_writer_, connecting_;
    Duration next_connect_{};
    Time watchdog_due_{};
    bool keeps_store_ = false;
    Time complained_{};
    int refused_ = 0;                          ///< since the last line in the log
    event::WatchPtr socket_watch_, ready_watch_, connect_watch_, connect_timer_, watchdog_, store_watch_, reload_timer_;
};

}  // namespace xsv::engine
