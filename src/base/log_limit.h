#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/time.h"

namespace xsv::log {

/// Ten lines per second and origin; what exceeds them is counted and told as "… N more".
class RateLimit {
public:
    static constexpr int kLinesPerSecond = 10;
    static constexpr std::size_t kMaxOrigins = 4096;  ///< beyond that all are forgotten at once

    struct Withheld {
        int level = 0;
        std::uint64_t lines = 0;
        std::string format;  ///< of the lines that were held back
    };

    bool admits(std::uint64_t origin, int level, std::string_view format, Time now);
    /// Origins whose second is over: each is told once.
    std::vector<Withheld> take_withheld(Time now);

private:
    struct Window {
        Time began;
        int lines = 0;
        Withheld withheld;
    };
    std::unordered_map<std::uint64_t, Window> windows_;
    std::size_t withholding_ = 0;
};

}  // namespace xsv::log
