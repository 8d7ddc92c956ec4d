#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>

#include "event/loop.h"
#include "scribe/follower.h"
#include "scribe/target.h"

namespace xsv::scribe {

/// Everyone who follows a file of one writer's filesystem.
///
/// A file that one of the writer's sinks has open tells its followers at each write. Others are looked at five times a
/// second, while somebody follows; without followers there is no timer.
class Followers {
public:
    using FindTarget = std::function<std::shared_ptr<Target>(const std::string& file)>;

    Followers(event::Loop& loop, FindTarget find_target);
    void add(const std::string& file, sys::UniqueFd pipe);
    void attach(const std::string& file);  ///< a sink has opened the file: its target shall tell who follows it

private:
    void remove(const Follower* follower);
    void pump(const std::string& file, bool replaced);

    event::Loop& loop_;
    FindTarget find_target_;
    std::list<std::unique_ptr<Follower>> followers_;
    event::WatchPtr timer_;
};

}  // namespace xsv::scribe
