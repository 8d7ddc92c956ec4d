#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "event/loop.h"
#include "net/keeper.h"
#include "sys/fd.h"
#include "sys/service_manager.h"
#include "wire/guardian.h"

namespace xsv::engine {

/// The end of a child, as the guardian saw it.
struct ChildExit {
    static constexpr int kUnseen = -1;   ///< as code: it has ended, and nobody knows how
    std::uint64_t sequence = 0;
    pid_t pid = 0;
    int code = 0;    ///< CLD_EXITED, CLD_KILLED, CLD_DUMPED
    int status = 0;  ///< exit code or signal
    std::int64_t cpu_us = 0, max_rss_kb = 0;
};

/// Our end of the conversation with the guardian.
class GuardianLink final : public net::Keeper {
public:
    /// The exit is consumed after the call returns: whoever is killed inside the call leaves it for the successor.
    using OnExit = std::function<void(const ChildExit&)>;
    using OnSignal = std::function<void(int signal)>;

    /// Listening sockets are also given to `manager`.
    explicit GuardianLink(sys::UniqueFd socket, sys::ServiceManager manager = {}) : socket_(std::move(socket)), manager_(std::move(manager)) {}

    /// What a start brings, read before anything else: descriptors, and exits and signals a dead engine left unread.
    struct Inheritance {
        std::map<std::string, sys::UniqueFd> descriptors;
        std::vector<int> signals;
        bool hold_mode = false;
        int starts = 0;
    };
    /// `record` writes an unread exit down, after the table's descriptor has come; only then is its packet consumed.
    Result<Inheritance> receive(const std::function<void(Inheritance&, const ChildExit&)>& record);

    /// From now on in the loop. `on_lost` is called when the guardian is gone.
    void watch(event::Loop& loop, OnExit on_exit, OnSignal on_signal, std::function<void()> on_lost);

    void hold(const std::string& key, net::Held kind, int fd) override;
    void drop(const std::string& key) override;
    void ready();
    void quit(int code);
    pid_t guardian() const { return guardian_; }
    int starts() const { return starts_; }
    std::uint64_t last_exit() const { return last_exit_; }   ///< the number of the last exit it told of
    /// Whatever is held, each packet with the descriptor's number here: what another guardian would hand to the next engine.
    std::vector<wire::GuardianPacket> held() const;
    static wire::GuardianPacket packet_for(const std::string& key, net::Held kind, int fd);
    /// Becomes the guardian, whose place we take with these packets (wire/guardian.h). Returns only if that fails.
    Error execute_guardian(const std::vector<wire::GuardianPacket>& packets, const std::vector<std::string>& arguments);
    /// The end is near: what is queued has been sent when this returns. Thousands of sockets that closed a moment ago fill the line.
    void settle();

private:
    void send(wire::GuardianPacket packet, int fd = -1);
    bool transmit(const wire::GuardianPacket& packet, int fd);
    void flush();
    void on_readable();
    void handle(const wire::GuardianPacket& packet);

    struct Waiting {
        wire::GuardianPacket packet;
        sys::UniqueFd fd;
    };
    /// Whose number it is stays open in the hands of whoever had it held. If it is another file by now, nobody wants it any more.
    struct Known {
        std::uint32_t kind;
        int fd;
        dev_t device;
        ino_t inode;
    };
    void remember(const std::string& key, std::uint32_t kind, int fd);

    sys::UniqueFd socket_;
    sys::ServiceManager manager_;
    std::map<std::string, Known> held_;
    sys::UniqueFd executable_;   ///< the guardian's, whatever stands in its place by now
    pid_t guardian_ = 0;
    int starts_ = 0;
    std::uint64_t last_exit_ = 0;
    std::deque<Waiting> out_;
    event::Loop* loop_ = nullptr;
    OnExit on_exit_;
    OnSignal on_signal_;
    std::function<void()> on_lost_;
    event::WatchPtr writable_, readable_;
};

}  // namespace xsv::engine
