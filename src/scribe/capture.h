#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

namespace xsv::scribe {

/// Parts a stream into text and what stands between Supervisor's capture tokens, wherever it is cut into chunks.
///
/// Only bytes that may be the beginning of a token wait for the next chunk.
class Capture {
public:
    static constexpr std::string_view kBegin = "<!--XSUPERVISOR:BEGIN-->";
    static constexpr std::string_view kEnd = "<!--XSUPERVISOR:END-->";

    bool is_open() const { return open_; }  ///< between the two

    /// `piece` gets every piece in order (is_open() tells which kind), `end` is called at each end token.
    template <class Piece, class End>
    void feed(std::string_view chunk, Piece&& piece, End&& end)
    {
        std::string joined = std::move(held_);
        held_.clear();
        if (!joined.empty()) chunk = joined += chunk;
        for (;;) {
            const std::string_view token = open_ ? kEnd : kBegin;
            const auto at = chunk.find(token);
            const auto rest = at == std::string_view::npos ? chunk.size() - beginning_at_end(chunk, token) : at;
            if (rest > 0) piece(chunk.substr(0, rest));
            if (at == std::string_view::npos) {
                held_ = chunk.substr(rest);
                return;
            }
            if (open_) end();
            open_ = !open_;
            chunk.remove_prefix(at + token.size());
        }
    }

    /// The stream ends: what was held back. An open capture is given up, as its end will not come.
    std::string rest();

    const std::string& held() const { return held_; }
    void restore(bool open, std::string held)
    {
        open_ = open;
        held_ = std::move(held);
    }

private:
    static std::size_t beginning_at_end(std::string_view text, std::string_view token);
    std::string held_;
    bool open_ = false;
};

/// What was captured, at most `limit` bytes.
class CaptureBuffer {
public:
    static constexpr std::size_t kMost = 8 << 20;  ///< whatever the configuration says: one message must hold it

    void set_limit(std::size_t limit) { limit_ = std::min(limit, kMost); }
    /// Supervisor's rule: if the piece does not fit, as many bytes as it has are dropped from the front first.
    void add(std::string_view piece);
    std::string take();

    const std::string& bytes() const { return bytes_; }
    std::int64_t from() const { return from_; }  ///< how many came before these
    void restore(std::int64_t from, std::string bytes)
    {
        from_ = from;
        bytes_ = std::move(bytes);
    }

private:
    std::size_t limit_ = 0;
    std::int64_t from_ = 0;
    std::string bytes_;
};

}  // namespace xsv::scribe
