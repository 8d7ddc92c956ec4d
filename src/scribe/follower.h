#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>

#include "event/loop.h"
#include "sys/fd.h"

namespace xsv::scribe {

/// Copies a file's last 1,024 bytes and then every addition into a pipe, until nobody reads it any more.
///
/// A slow reader misses nothing: the copy goes on where it stopped. Rotation and clearing are followed into the new
/// file; a file truncated in place is announced by a line and read again from its start.
class Follower {
public:
    using OnGone = std::function<void()>;
    static constexpr std::int64_t kFirst = 1024;
    static constexpr std::size_t kMaxFiles = 64;  ///< rotated away and not yet read; beyond that the oldest are skipped

    Follower(event::Loop& loop, std::string file, sys::UniqueFd pipe, OnGone gone);

    const std::string& file() const { return file_; }
    void pump();      ///< the file may have grown
    void replaced();  ///< the name stands for another file now

private:
    struct Source {
        sys::UniqueFd fd;
        std::int64_t offset = 0;
    };
    enum class Step { done, full, gone };

    Step copy(Source& source);
    Step send_marker();
    void look_for_new_file();
    void end();

    event::Loop& loop_;
    std::string file_;
    sys::UniqueFd pipe_;
    OnGone gone_;
    std::deque<Source> sources_;  // the last one is the file that has the name
    bool truncated_ = false;
    bool ended_ = false;
    event::WatchPtr writable_;
    event::WatchPtr hung_up_;
};

}  // namespace xsv::scribe
