#pragma once

#include <cstddef>
#include <cstdint>

namespace xsv::engine {

/// What a message of the scribe about a stream is known by, however often and by whomever it is sent.
struct MessageOrigin {
    std::int64_t life = 0;      ///< of the stream: another one for each time that its numbers begin anew
    std::uint64_t number = 0;   ///< in that life, rising; 0: unknown
    std::size_t at = 0;         ///< of a captured text in parts: the bytes before this one
    bool more = false;          ///< and another part follows
};

}  // namespace xsv::engine
