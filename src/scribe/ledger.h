#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "sys/fd.h"

namespace xsv::scribe {

/// What a sink that looks at its bytes has in hand, in memory that outlives the scribe (the guardian has a duplicate of the
/// descriptor). A successor finds the chunk that was being worked on, how far, and the state before it: it does the same work
/// again and leaves out what was done.
///
/// One file with three parts, each of which only grows; what is no longer needed of them is given back.
///   input    at its end. splice() takes bytes out of the pipe and into it in one step, so the size of the file tells how many.
///   text     the file's position, which every duplicate shares, is what has been written of it: sendfile() moves both.
///   capture  what an open capture has so far.
class Ledger {
public:
    /// Before the chunk in hand. Plain bytes: it lies in the shared memory, twice.
    struct State {
        static constexpr std::size_t kMostHeld = 31, kMostLine = 8192;
        std::int64_t input, text;                ///< offsets: all before is dealt with
        std::int64_t capture_from, capture_end;  ///< counted from the first byte ever captured
        std::uint64_t number;                    ///< of the last message
        std::int32_t ansi_state, ansi_length;
        std::uint32_t held_size, line_size;
        bool capture_open, line_was_full;
        char held[kMostHeld], line[kMostLine];
    };

    /// Empty memory becomes a new one. What cannot be right is an error.
    static Result<std::unique_ptr<Ledger>> open(sys::UniqueFd memory);
    ~Ledger();
    Ledger(const Ledger&) = delete;
    Ledger& operator=(const Ledger&) = delete;

    bool is_new() const { return is_new_; }
    std::int64_t life() const;     ///< the stream's, see Outbox
    const State& state() const;
    int fd() const { return fd_.get(); }

    /// Bytes of the pipe become the chunk in hand (or more of it). 0: nothing there; an error: this memory takes nothing.
    Result<std::int64_t> fill(int pipe, std::size_t most);
    Result<std::string> chunk() const;  ///< in hand
    /// The text that has not been written yet: from the file's position on.
    Status offer(std::string_view text);
    std::int64_t written() const;       ///< of the text of this chunk
    void skip(std::size_t bytes);       ///< of the text: they are lost, or went another way
    void note_line();                   ///< one more has gone to syslog
    std::uint32_t lines() const;        ///< of this chunk
    Result<std::string> captured() const;
    /// The chunk is done: this is the state before the next one. `captured`: all of the open capture.
    Status close(State state, std::string_view captured);

private:
    struct Head;
    Ledger(sys::UniqueFd fd, Head* head) : fd_(std::move(fd)), head_(head) {}
    Status create();
    bool is_sound() const;
    void give_back();

    sys::UniqueFd fd_;
    Head* head_;
    bool is_new_ = false;
    std::int64_t given_back_ = 0;
};

}  // namespace xsv::scribe
