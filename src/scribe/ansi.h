#pragma once

#include <string>
#include <string_view>

namespace xsv::scribe {

/// Takes terminal escape sequences out of a stream, wherever the stream is cut into chunks.
///
/// A sequence is ESC [ up to and including the first of the letters Supervisor knows (H f A B C D R s u J K h l p m).
/// One that does not end within kMaxSequence bytes was none: nothing more is swallowed.
class AnsiFilter {
public:
    static constexpr int kMaxSequence = 64;

    std::string strip(std::string_view chunk);
    std::string rest();  ///< an escape byte that waits for its bracket when the stream ends

private:
    enum class State { text, escape, sequence };
    State state_ = State::text;
    int length_ = 0;
};

}  // namespace xsv::scribe
