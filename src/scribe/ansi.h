#pragma once

#include <string>
#include <string_view>

namespace xsv::scribe {

/// Takes terminal escape sequences out of a stream, wherever the stream is cut into chunks.
///
/// A sequence is ESC [, then any of 0x20 to 0x3f, then one of 0x40 to 0x7e (ECMA-48), whatever that letter is: Supervisor
/// knows fifteen of them and swallows text up to the next one of those after any other (bug B33). A byte that belongs in
/// none ends it and stays; so does the next after kMaxSequence.
class AnsiFilter {
public:
    static constexpr int kMaxSequence = 64;

    std::string strip(std::string_view chunk);
    std::string rest();  ///< an escape byte that waits for its bracket when the stream ends

    int state() const { return static_cast<int>(state_); }
    int length() const { return length_; }
    void restore(int state, int length)
    {
        state_ = state == 1 ? State::escape : state == 2 ? State::sequence : State::text;
        length_ = length;
    }

private:
    enum class State { text, escape, sequence };
    State state_ = State::text;
    int length_ = 0;
};

}  // namespace xsv::scribe
