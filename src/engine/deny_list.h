#pragma once

#include <cstdint>
#include <optional>

#include "base/result.h"
#include "base/time.h"
#include "net/keeper.h"
#include "sys/address.h"
#include "sys/fd.h"

namespace xsv::engine {

class Inherited;

/// Addresses that called a sensor (command = builtin:sensor), until their time is over: no service that passes
/// connections on serves them. IPv6 callers count by their /64, unix callers are never on it.
///
/// The list lies in shared memory that the guardian keeps: neither a killed engine nor a reload forgets it. It has room
/// for kMost addresses; beyond that the one whose time is over first makes room.
class DenyList {
public:
    static constexpr std::size_t kMost = 10'240;
    static constexpr const char* kKey = "deny-list";

    /// The one a former engine left, or an empty one on the first add().
    DenyList(Inherited& inherited, net::Keeper& keeper) : inherited_(inherited), keeper_(keeper) {}
    ~DenyList();
    DenyList(const DenyList&) = delete;
    DenyList& operator=(const DenyList&) = delete;

    void recover();
    Status add(const sys::Peer& peer, std::optional<Duration> time, Time now);   ///< without a time: for ever
    /// Async-signal-safe: it is asked in the child between accept and exec.
    bool has(const sys::Peer& peer, Time now) const noexcept;
    std::size_t size(Time now) const noexcept;

private:
    struct Entry {
        std::uint64_t address[2];
        std::int64_t until;   ///< of the boot clock, in nanoseconds; 0: nobody
    };
    static Entry entry_of(const sys::Peer& peer);
    Status map(sys::UniqueFd memory);

    Inherited& inherited_;
    net::Keeper& keeper_;
    Entry* entries_ = nullptr;
    std::size_t used_ = 0;   ///< entries behind it were never written
    sys::UniqueFd memory_;
};

}  // namespace xsv::engine
