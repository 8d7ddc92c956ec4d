#pragma once

#include <cstdint>

#include <sys/types.h>

namespace xsv::engine {

struct Usage {
    double cpu_seconds = 0;
    std::int64_t memory_kb = 0;   ///< resident
};
/// Of a process, as /proc tells; zero when it is gone.
Usage usage_of(pid_t pid);

}  // namespace xsv::engine
