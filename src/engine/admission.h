#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <ranges>
#include <span>
#include <string_view>
#include <variant>

#include "base/time.h"
#include "config/spec.h"
#include "sys/address.h"

/// May this caller come in? Pure: configured limits, what is kept between callers, and the situation go in; a verdict
/// comes out. Trouble is answered by waiting, while the kernel queues callers; nothing here ever closes a listener.
namespace xsv::engine {

constexpr int kSpawnsPerListener = 16;  ///< in one turn, so that one noisy port does not delay the others (N6)
constexpr int kSpawnsPerTurn = 64;      ///< of all listeners together
constexpr int kSpareDescriptors = 64;   ///< stay free for the daemon itself: log, state, control socket (F6)

/// A wait that grows while trouble lasts: 100 ms doubling to 5 s, and small again after 10 s without trouble (N5).
struct Pause {
    Time until{};
    Duration length{};  ///< of the last one; zero: never paused
    bool is_over(Time now) const { return now >= until; }
    bool operator==(const Pause&) const = default;
};
/// What trouble at `now` makes of it. Trouble during a pause is the same trouble still and changes nothing.
[[nodiscard]] Pause lengthen(const Pause& pause, Time now);

/// max_rate: at most `count` at once, and `count` per `per` in the long run.
struct Bucket {
    Time full{};  ///< when all tokens will be there again
    bool operator==(const Bucket&) const = default;
};
/// The moment the next token is there: not after `now` if there is one already. `rate.count` must not be 0.
Time next_token(const Bucket& bucket, const config::Rate& rate, Time now);
[[nodiscard]] Bucket take_token(const Bucket& bucket, const config::Rate& rate, Time now);

enum class Reason : std::uint8_t {
    Resources,    ///< the pause after a failed clone or accept
    Descriptors,  ///< fewer than kSpareDescriptors would be left
    Hours,        ///< outside access_hours
    Load,         ///< max_load
    Instances,    ///< max_instances
    Rate,         ///< max_rate
    Address,      ///< allow_from, deny_from
    Source,       ///< max_per_source
    SourceRate,   ///< max_rate per source
};
std::string_view reason_text(Reason reason);  ///< "all instances are busy"

struct Admit {
    bool operator==(const Admit&) const = default;
};
/// Leave the caller in the kernel's queue and look away from the listener.
struct Wait {
    Reason reason{};
    std::optional<Time> until;  ///< look again then; without a time: as soon as one of the instances has ended
    bool operator==(const Wait&) const = default;
};
/// Take the caller off the queue and turn it away (with the refusal text, if there is one).
struct Refuse {
    Reason reason{};
    bool operator==(const Refuse&) const = default;
};
using Verdict = std::variant<Admit, Wait, Refuse>;

/// What one service keeps between callers.
struct Gate {
    Pause pause;  ///< after a failed clone or accept: `gate.pause = lengthen(gate.pause, now)`, and `why`
    Reason why = Reason::Resources;
    Bucket rate;
    bool operator==(const Gate&) const = default;
};

struct LocalTime {
    int weekday = 0;  ///< 0 = Sunday
    int minute = 0;   ///< of the day
};
bool is_within(std::span<const config::Hours> hours, LocalTime time);  ///< no hours: always

/// What is the case as the caller arrives.
struct Situation {
    Time now{};
    int instances = 0;                      ///< live ones, counted from the slots (N7)
    int free_descriptors = kSpareDescriptors;  ///< left before this caller
    double load = 0;                        ///< needed with max_load only
    LocalTime local;                        ///< needed with access_hours only
};

struct Admission {
    Verdict verdict;
    Gate gate;  ///< to keep; of an admitted caller only once it was really there (else its token is lost)
    bool operator==(const Admission&) const = default;
};
/// Everything that needs no peer.
Admission admit(const config::Policy& limits, const Gate& gate, const Situation& situation);

/// max_rate = N/time per source: a bucket for each of the last sources. Bounded: when it is full of sources that all
/// called a moment ago, it forgets them, and the limits on the whole service remain.
class SourceRates {
public:
    static constexpr std::size_t kMost = 4096;
    bool take(const sys::Peer& peer, const config::Rate& rate, Time now);  ///< false: no token
    /// The same question without taking; reads only and allocates nothing, so a child may ask it before exec.
    bool has_token(const sys::Peer& peer, const config::Rate& rate, Time now) const noexcept;
    std::size_t size() const { return buckets_.size(); }

private:
    struct Source {
        std::uint8_t kind = 0;
        std::array<std::uint8_t, 16> bytes{};
        auto operator<=>(const Source&) const = default;
    };
    static Source source_of(const sys::Peer& peer);
    std::map<Source, Bucket> buckets_;
};

/// How many of the live peers are the same source as this one; counted anew each time, so nothing can leak (N7).
template <std::ranges::input_range Peers>
int count_same_source(const sys::Peer& peer, Peers&& live)
{
    int count = 0;
    for (const sys::Peer& other : live) count += other.same_source(peer) ? 1 : 0;
    return count;
}

/// Everything that needs the peer. Such a caller is refused and never queued: the queue is one line, and waiting for
/// one source would block all behind it. `same_source`: live instances of that source without this caller.
Verdict admit_peer(const config::Policy& limits, const sys::Peer& peer, int same_source, SourceRates& rates, Time now);

}  // namespace xsv::engine
