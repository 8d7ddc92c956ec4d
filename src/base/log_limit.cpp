#include "base/log_limit.h"

namespace xsv::log {
namespace {

constexpr Duration kWindow = std::chrono::seconds(1);

}  // namespace

bool RateLimit::admits(std::uint64_t origin, int level, std::string_view format, Time now)
{
    if (windows_.size() >= kMaxOrigins && withholding_ == 0) windows_.clear();
    Window& window = windows_[origin];
    if (now - window.began >= kWindow && window.withheld.lines == 0) {
        window.began = now;
        window.lines = 0;
    }
    if (window.lines < kLinesPerSecond) {
        ++window.lines;
        return true;
    }
    if (window.withheld.lines++ == 0) {
        window.withheld.level = level;
        window.withheld.format = format;
        ++withholding_;
    }
    return false;
}

std::vector<RateLimit::Withheld> RateLimit::take_withheld(Time now)
{
    std::vector<Withheld> over;
    if (withholding_ == 0) return over;
    for (auto at = windows_.begin(); at != windows_.end();) {
        if (now - at->second.began < kWindow) {
            ++at;
            continue;
        }
        if (at->second.withheld.lines > 0) {
            over.push_back(std::move(at->second.withheld));
            --withholding_;
        }
        at = windows_.erase(at);
    }
    return over;
}

}  // namespace xsv::log
