#pragma once

#include <cstdint>
#include <string>

namespace xsv::scribe {

/// The answer to "read", "tail" and "clear" (wire/messages.h).
struct Answer {
    bool ok = true;
    int code = 0;      ///< Supervisor's fault code when not ok
    std::string text;  ///< the bytes asked for, or what went wrong
    std::int64_t offset = 0;
    bool overflow = false;
};

constexpr int kBadArguments = 3;
constexpr int kNoFile = 20;
constexpr int kFailed = 30;
constexpr std::int64_t kMaxText = 4 << 20;  ///< of one answer

/// Supervisor's read*Log: offset < 0 with length 0 means the last -offset bytes; length 0 means to the end.
Answer read_log(const std::string& file, std::int64_t offset, std::int64_t length);
/// Supervisor's tail*Log, with its way of starting over at the last `length` bytes.
Answer tail_log(const std::string& file, std::int64_t offset, std::int64_t length);

}  // namespace xsv::scribe
