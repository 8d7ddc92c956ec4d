#pragma once

#include <array>
#include <cstddef>

#include "sys/child.h"
#include "sys/fd.h"

namespace xsv::sys {

/// A child gets a copy of our descriptor table, and with ten thousand sockets that copy is most of what a spawn costs. But a
/// child may also share the table and copy only its low part, if all it needs stands there. These few numbers are kept
/// free for what it needs, as long as it takes. (579 us against 1,988 us for a connection at 10,000 sockets, measured with
/// a minimal spawner.)
class LowNumbers {
public:
    static constexpr unsigned kEnd = 64;   ///< children copy what lies below

    /// Takes the numbers, if there is room enough for all and `null` to fill them with.
    explicit LowNumbers(int null);
    /// Duplicates there what this child needs from above. False: it is too much, and nothing has been done.
    bool place(const PreparedChild& child, int connection) noexcept;
    /// Once the child has its own table: nothing stays open because of it.
    void clear() noexcept;
    /// The number a child finds a descriptor of ours under.
    XSV_IN_CHILD int of(int fd) const noexcept
    {
        for (std::size_t i = 0; i < used_; ++i)
            if (from_.data()[i] == fd) return to_.data()[i];
        return fd;
    }

private:
    static constexpr std::size_t kMost = 8;
    bool add(int fd) noexcept;

    int null_;
    std::array<UniqueFd, kMost> kept_;
    std::array<int, kMost> from_{}, to_{};
    std::size_t used_ = 0;
};

}  // namespace xsv::sys
