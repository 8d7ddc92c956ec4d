#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/context.h"
#include "engine/guardian_link.h"
#include "engine/lifecycle.h"

namespace xsv::engine {

class Service;

/// The commands that run beside a program's own: start_pre, start_post, stop_command, stop_post, reload_command. One at a
/// time; the slot of the one that runs tells the next engine how far they are, so a killed engine neither runs one twice
/// nor forgets one.
class Hooks {
public:
    Hooks(Context& context, Service& service) : context_(context), service_(service) {}

    /// Behind those that still run. `for_exit`: what is cleaned up after, by its number; the same one again means nothing.
    void run(Hook hook, std::uint64_t for_exit = 0);
    void end_start();                          ///< start_pre and start_post are of no use any more
    void recover(std::uint32_t slot);
    void close();                              ///< the service goes
    void resume();                             ///< what the state waits for and no slot tells of
    void on_exit(std::uint32_t slot, const ChildExit& exit);
    bool is_cleaning() const;                  ///< or will, at a stop: a stopped program has ended only when this has
    bool is_hook(pid_t pid) const;
    std::optional<std::pair<std::uint32_t, int>> running() const;   ///< slot and pidfd
    void set_cause(Cause cause) { cause_ = cause; }   ///< of the end of the program, for SERVICE_RESULT

private:
    struct Run {
        Hook hook{};
        std::uint32_t next = 0;                ///< command
        std::uint32_t slot = 0;
    };
    const std::vector<std::string>& commands(Hook hook) const;
    Duration limit(Hook hook) const;
    void begin();
    void start_next();
    Status spawn(const std::string& command);
    void watch();
    void command_ended(bool good);
    void done(bool good);
    void clean_up_after(const Run& start_pre);
    void kill();
    std::vector<std::pair<std::string, std::string>> variables(Hook hook) const;

    Context& context_;
    Service& service_;
    std::vector<Run> runs_;                    ///< the first one is under way
    sys::UniqueFd pidfd_;
    bool abandoned_ = false;                   ///< the one that runs was ended, nobody waits for it
    Cause cause_ = Cause::Exit;
    event::WatchPtr timer_, begin_;
};

}  // namespace xsv::engine
