#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "base/syslog.h"
#include "event/loop.h"
#include "scribe/ansi.h"
#include "scribe/capture.h"
#include "scribe/ledger.h"
#include "scribe/lines.h"
#include "scribe/outbox.h"
#include "scribe/settings.h"
#include "scribe/target.h"
#include "sys/fd.h"

namespace xsv::scribe {

/// One pipe and where its bytes go.
///
/// splice moves and consumes in one step, so a scribe that is killed loses and doubles nothing. Where bytes must be looked
/// at (escape sequences, syslog, capture, the engine) a Ledger has them until all that was made of them is in the file or in
/// the engine's socket, and a killed scribe's successor goes on there; one line may go to syslog twice, and what was
/// written last to a target that is no file or cannot splice. Only without a ledger (no memory for one, or the log has just
/// moved to another filesystem) is a chunk lost with the scribe.
class Sink {
public:
    enum class Turn {
        more,   ///< a full chunk moved: there is more
        less,   ///< something moved
        empty,  ///< nothing was there
        wait,   ///< the target takes nothing now: wait until its descriptor is writable
        later,  ///< the target refuses; ask again after pause()
        held,   ///< the engine takes nothing now; the same
    };
    enum class Mode { idle, watched, paced, waiting, resting };  ///< where the writer keeps it

    static constexpr Duration kPace = std::chrono::milliseconds(1);
    static constexpr Duration kShortestPace = std::chrono::microseconds(50);

    Sink(sys::UniqueFd pipe, SinkSettings settings, std::shared_ptr<Target> target, log::Syslog& syslog,
         Outbox& outbox);

    /// What a former scribe had in hand comes first. A used ledger is only for a new sink.
    void adopt(std::unique_ptr<Ledger> ledger);
    bool has_ledger() const { return ledger_ != nullptr; }
    void configure(SinkSettings settings, std::shared_ptr<Target> target);
    Turn turn(Time now);
    void give_up_waiting(Time now);  ///< the target took nothing for too long: on_full decides from now on
    void finish();                   ///< hands on what was held back for the end of a line, a sequence or a token
    void stop_telling() { is_telling_ = false; }  ///< the engine is gone: its part is thrown away

    /// Its pipe has our own writing end as well, for those programs that come. None will: from now on it can end.
    void become_reader();
    bool is_at_end() const;

    /// From now on only what is in the pipe at this moment (rule of "drop": drained, then closed).
    void leave();
    /// What is in the pipe at this moment is the last of one process (message "ended").
    void end_of_process();
    bool has_left() const { return left_ && *left_ <= 0; }

    const SinkSettings& settings() const { return settings_; }
    const std::shared_ptr<Target>& target() const { return target_; }
    int pipe() const { return pipe_.get(); }
    bool has_same_pipe(int fd) const;
    Duration pause() const { return pause_; }
    /// How long the pipe may be left alone: kPace, or less when that much time would fill it.
    Duration pace(Time now);
    std::int64_t bytes() const { return bytes_; }
    std::int64_t lost() const { return lost_; }
    std::string error() const { return target_ ? target_->error() : std::string(); }

    // The writer's book-keeping.
    Mode mode = Mode::idle;
    event::WatchPtr watch, timer;
    Time last_move{};
    std::string told_error;
    std::int64_t told_lost = 0;
    bool is_dirty = false;

private:
    Turn take(Time now);
    Turn copy(Time now, bool is_usable);
    Result<std::string> next_chunk();
    Target::Moved deliver(Time now);
    bool settle();
    void give_up_ledger(const Error& error);
    std::int64_t waiting() const;
    Turn refused(Time now);
    bool to_syslog(std::string_view line);
    Turn discard(bool counts);
    Turn moved(std::int64_t bytes);
    void look_at(std::string_view chunk);
    void add_text(std::string_view text);
    void add(std::string_view text);
    void release();
    void tell_ends();
    bool is_shared() const { return target_.use_count() > 1; }
    bool must_tell() const { return settings_.capture > 0 || settings_.events || settings_.listener; }
    bool must_look() const { return settings_.strip_ansi || settings_.syslog || must_tell(); }

    sys::UniqueFd pipe_;
    SinkSettings settings_;
    std::shared_ptr<Target> target_;  // may be absent: syslog only, or nowhere
    log::Syslog& syslog_;
    Outbox& outbox_;
    Stream stream_, ends_stream_;  // ends have numbers of their own: a successor does not know of them
    bool is_telling_ = true;
    Capture capture_;
    CaptureBuffer captured_;
    std::unique_ptr<Ledger> ledger_;
    bool is_in_hand_ = false;           // the ledger has a chunk, or a state, that is not closed
    std::size_t written_before_ = 0;    // by a former scribe, of the text that comes next
    std::uint32_t lines_before_ = 0;    // the same, of the lines
    std::int64_t read_ = 0;          // bytes, of a sink that tells
    std::deque<std::int64_t> ends_;  // of processes, counted like read_
    AnsiFilter filter_;
    LineCutter lines_;
    std::string pending_;  // read, and not yet written
    std::optional<std::int64_t> left_;
    Duration pause_{};
    Duration pace_ = kPace;
    std::int64_t capacity_ = 0;
    std::int64_t measured_ = 0;  // bytes since measured_since_
    Time measured_since_{};
    std::int64_t bytes_ = 0;
    std::int64_t lost_ = 0;
};

}  // namespace xsv::scribe
