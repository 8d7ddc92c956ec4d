#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "sys/fd.h"

namespace xsv::proxy {

/// What is on its way through us without being copied to us.
struct Pipe {
    sys::UniqueFd in, out;
    std::size_t held = 0;
};

/// Pipes for those whose bytes are on their way; who has none waiting gives it back. So ten thousand quiet connections
/// need none.
class Pipes {
public:
    std::unique_ptr<Pipe> take();                  ///< nullptr: no descriptors for another one
    void give(std::unique_ptr<Pipe> pipe);

private:
    std::vector<std::unique_ptr<Pipe>> idle_;
};

}  // namespace xsv::proxy
