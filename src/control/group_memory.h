#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/engine.h"

namespace xsv::control {

/// What `update` of Supervisor's client forgets. It is three calls, stop a group, remove it and add it again, and what an
/// administrator had stopped would start by itself, while what he had started by hand would stay down. So each of the
/// calls leaves a note that the next one finds if it comes within two seconds. An fcgi socket stays open meanwhile.
class GroupMemory {
public:
    explicit GroupMemory(event::Loop& loop) : loop_(loop) {}

    void stopping(const engine::Group& group);     ///< a group stop begins
    void stopped(const std::string& group);        ///< and was answered
    void removing(const engine::Group& group);
    /// The group comes back. Which processes are to run, by name; of the others autostart decides.
    std::map<std::string, bool> returning(const std::string& group);
    /// For the caller of returning(), until the group has taken its sockets again.
    void forget(const std::string& group) { notes_.erase(group); }

private:
    struct Note {
        std::map<std::string, bool> runs;
        std::vector<net::SocketPtr> sockets;
        event::WatchPtr end;
    };
    void limit(const std::string& group);

    event::Loop& loop_;
    std::map<std::string, Note> notes_;
};

}  // namespace xsv::control
