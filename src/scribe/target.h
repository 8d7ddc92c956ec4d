#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/time.h"
#include "scribe/place.h"
#include "scribe/settings.h"
#include "sys/fd.h"

namespace xsv::scribe {

/// An open log file. Programs that log to the same path share one: one descriptor, one end of file.
///
/// The file's size, asked anew before each move, is where the next byte goes. So a file truncated by logrotate is
/// continued at its new end, and a scribe that was killed is followed by one that goes on exactly where it stopped.
class Target {
public:
    static constexpr std::size_t kChunk = 64 * 1024;  ///< at most this much per pipe and turn (rule L7)

    struct Moved {
        std::int64_t bytes = 0;
        bool from_empty = false;   ///< nothing was in the pipe
        bool would_block = false;  ///< a terminal or a pipe that takes nothing now; see wait_fd()
    };

    explicit Target(std::string file);

    const std::string& file() const { return file_; }
    /// The last sink that speaks wins where several share a file.
    void configure(const SinkSettings& settings);

    /// False: the file refuses for now (error() says why); call again at retry_at().
    bool is_usable(Time now);
    Moved take_from(int pipe, std::size_t most, Time now);  ///< moves without looking, by splice
    Moved write(std::string_view bytes, Time now);          ///< for bytes that had to be looked at
    /// The same bytes, which stand in `memory` at its position: that moves on with what was written, in one step where the
    /// filesystem can do it.
    Moved write_from(int memory, std::string_view bytes, Time now);
    bool splices() const { return kind_ == Kind::regular || kind_ == Kind::stream; }
    bool is_regular() const { return kind_ == Kind::regular || kind_ == Kind::regular_copy; }

    /// Bytes meant for this file were thrown away: a line in the log tells it when there is room again.
    void note_lost(std::int64_t bytes);
    void refuse(std::string why, Duration pause, Time now);
    const std::string& error() const { return error_.empty() ? rotation_error_ : error_; }
    Time retry_at() const { return retry_at_; }
    int wait_fd() const { return fd_.get(); }

    void reopen();
    Status clear();

    /// For those who follow the file: it grew; it was replaced by a new one.
    std::function<void()> on_growth;
    std::function<void()> on_replaced;

private:
    enum class Kind { none, regular, regular_copy, stream, copy };

    Status open();
    Status open_standard(int stream);
    bool settle(Time now);
    bool tell_lost();
    void rotate_if_full(Time now);
    Moved grown(std::int64_t bytes, Time now);
    Moved failed(int error, Time now);

    std::string file_;
    std::int64_t maxbytes_ = 0;
    int backups_ = 0;
    mode_t mode_ = 0644;

    Place place_;
    sys::UniqueFd fd_;
    Kind kind_ = Kind::none;
    std::int64_t size_ = 0;
    std::string error_;
    std::string rotation_error_;  // the file goes on growing
    Time retry_at_{};
    Time next_rotation_{};

    std::int64_t lost_ = 0;
    std::int64_t lost_since_ = 0;  // wall clock, for people
    std::int64_t lost_until_ = 0;
};

}  // namespace xsv::scribe
