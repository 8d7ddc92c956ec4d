#include "scribe/capture.h"

#include <utility>

namespace xsv::scribe {

std::size_t Capture::beginning_at_end(std::string_view text, std::string_view token)
{
    for (std::size_t length = std::min(text.size(), token.size() - 1); length > 0; --length)
        if (text.ends_with(token.substr(0, length))) return length;
    return 0;
}

std::string Capture::rest()
{
    const bool was_open = std::exchange(open_, false);
    std::string held = std::exchange(held_, {});
    return was_open ? std::string() : held;
}

void CaptureBuffer::add(std::string_view piece)
{
    const std::int64_t end = from_ + static_cast<std::int64_t>(bytes_.size() + piece.size());
    if (bytes_.size() + piece.size() > limit_) bytes_.erase(0, piece.size());
    bytes_ += piece.substr(piece.size() - std::min(piece.size(), limit_));
    from_ = end - static_cast<std::int64_t>(bytes_.size());
}

std::string CaptureBuffer::take()
{
    from_ += static_cast<std::int64_t>(bytes_.size());
    return std::exchange(bytes_, {});
}

}  // namespace xsv::scribe
