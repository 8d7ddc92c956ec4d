#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace xsv::scribe {

/// Cuts a stream into lines, blank ones too. A line longer than kMaxLine comes in pieces.
class LineCutter {
public:
    static constexpr std::size_t kMaxLine = 8192;

    template <class Call>
    void feed(std::string_view chunk, Call&& call)
    {
        while (!chunk.empty()) {
            const auto end = chunk.find('\n');
            const auto piece = chunk.substr(0, std::min<std::size_t>({end, chunk.size(), kMaxLine - partial_.size()}));
            partial_ += piece;
            chunk.remove_prefix(piece.size());
            const bool ended = !chunk.empty() && chunk.front() == '\n';
            if (ended) chunk.remove_prefix(1);
            const bool is_full = !ended && partial_.size() >= kMaxLine;
            if (ended && partial_.empty() && !was_full_) call(std::string_view());
            if (ended || is_full) flush(call);
            was_full_ = is_full;
        }
    }
    template <class Call>
    void flush(Call&& call)
    {
        if (!partial_.empty()) call(std::string_view(partial_));
        partial_.clear();
    }

    const std::string& partial() const { return partial_; }
    bool was_full() const { return was_full_; }
    void restore(std::string partial, bool was_full)
    {
        partial_ = std::move(partial);
        was_full_ = was_full;
    }

private:
    std::string partial_;
    bool was_full_ = false;  // the line so far has been handed out: its end alone is no blank line
};

}  // namespace xsv::scribe
