#include "engine/admission.h"

#include <algorithm>

namespace xsv::engine {

namespace {

using namespace std::chrono_literals;

constexpr Duration kShortest = 100ms;
constexpr Duration kLongest = 5s;
constexpr Duration kCalm = 10s;

/// The time one token takes to come back.
Duration token_time(const config::Rate& rate) { return std::max<Duration>(rate.per / rate.count, 1ns); }

bool has_source_rate(const config::Policy& limits) { return limits.max_rate.count > 0 && limits.max_rate.per_source; }

}  // namespace

Pause lengthen(const Pause& pause, Time now)
{
    if (!pause.is_over(now)) return pause;
    const bool calm = pause.length == 0ns || now - pause.until >= kCalm;
    const Duration length = calm ? kShortest : std::min(2 * pause.length, kLongest);
    return {now + length, length};
}

Time next_token(const Bucket& bucket, const config::Rate& rate, Time now)
{
    // With n tokens missing the bucket is full after n token times; one is there while fewer than `count` are missing.
    const Time full = std::max(bucket.full, now);
    return full - token_time(rate) * (rate.count - 1);
}

Bucket take_token(const Bucket& bucket, const config::Rate& rate, Time now)
{
    return {std::max(bucket.full, now) + token_time(rate)};
}

std::string_view reason_text(Reason reason)
{
    switch (reason) {
        case Reason::Resources: return "the system is short of processes, memory or descriptors";
        case Reason::Descriptors: return "the daemon is short of descriptors";
        case Reason::Hours: return "outside access_hours";
        case Reason::Load: return "the load is above max_load";
        case Reason::Instances: return "all instances are busy (max_instances)";
        case Reason::Rate: return "too many callers at once (max_rate)";
        case Reason::Address: return "the address is not allowed";
        case Reason::Source: return "too many callers from one source (max_per_source)";
        case Reason::SourceRate: return "too many calls from one source at once (max_rate)";
    }
    return "unknown";
}

bool is_within(std::span<const config::Hours> hours, LocalTime time)
{
    const auto covers = [](const config::Hours& h, int weekday, int minute) {
        const int until = h.until > h.from ? h.until : h.until + 24 * 60;
        return (h.days >> weekday & 1) != 0 && minute >= h.from && minute < until;
    };
    // Hours over midnight belong to the day on which they begin.
    const int yesterday = (time.weekday + 6) % 7;
    return hours.empty() || std::ranges::any_of(hours, [&](const config::Hours& h) {
               return covers(h, time.weekday, time.minute) || covers(h, yesterday, time.minute + 24 * 60);
           });
}

Admission admit(const config::Policy& limits, const Gate& gate, const Situation& s)
{
    const auto wait_longer = [&](Reason reason) -> Admission {
        const Pause pause = lengthen(gate.pause, s.now);
        return {Wait{reason, pause.until}, {pause, reason, gate.rate}};
    };
    // A refusal takes a descriptor too, so these two come before every refusal.
    if (!gate.pause.is_over(s.now)) return {Wait{gate.why, gate.pause.until}, gate};
    if (s.free_descriptors <= kSpareDescriptors) return wait_longer(Reason::Descriptors);
    // Hours may be far away: a caller in the queue would wait for nothing.
    if (!is_within(limits.access_hours, s.local)) return {Refuse{Reason::Hours}, gate};
    const bool refuse = limits.overload == config::Overload::Refuse;
    if (limits.max_load > 0 && s.load > limits.max_load) {
        return refuse ? Admission{Refuse{Reason::Load}, gate} : wait_longer(Reason::Load);
    }
    if (limits.max_instances > 0 && s.instances >= limits.max_instances) {
        return {refuse ? Verdict{Refuse{Reason::Instances}} : Verdict{Wait{Reason::Instances, std::nullopt}}, gate};
    }
    if (limits.max_rate.count > 0 && !limits.max_rate.per_source) {
        const Time token = next_token(gate.rate, limits.max_rate, s.now);
        if (token > s.now) return {Wait{Reason::Rate, token}, gate};
        return {Admit{}, {gate.pause, gate.why, take_token(gate.rate, limits.max_rate, s.now)}};
    }
    return {Admit{}, gate};
}

SourceRates::Source SourceRates::source_of(const sys::Peer& peer)
{
    // The same as Peer::same_source: the address, the /64 of an IPv6 one, the uid of a unix caller, the CID of one on vsock.
    Source source{.kind = peer.kind, .bytes = {}};
    if (peer.kind == sys::Peer::Unix || peer.kind == sys::Peer::Vsock) {
        for (std::size_t i = 0; i < 4; ++i) source.bytes[i] = static_cast<std::uint8_t>(peer.uid >> (8 * i));
    } else if (peer.kind == sys::Peer::Inet) {
        std::copy_n(peer.address.begin(), peer.mapped ? 16 : 8, source.bytes.begin());
    }
    return source;
}

bool SourceRates::take(const sys::Peer& peer, const config::Rate& rate, Time now)
{
    const Source source = source_of(peer);
    if (buckets_.size() >= kMost && !buckets_.contains(source)) {
        std::erase_if(buckets_, [now](const auto& entry) { return entry.second.full <= now; });
        if (buckets_.size() >= kMost) buckets_.clear();
    }
    Bucket& bucket = buckets_[source];
    if (next_token(bucket, rate, now) > now) return false;
    bucket = take_token(bucket, rate, now);
    return true;
}

bool SourceRates::has_token(const sys::Peer& peer, const config::Rate& rate, Time now) const noexcept
{
    const auto found = buckets_.find(source_of(peer));
    return found == buckets_.end() || next_token(found->second, rate, now) <= now;
}

Verdict admit_peer(const config::Policy& limits, const sys::Peer& peer, int same_source, SourceRates& rates, Time now)
{
    if (!sys::is_allowed(peer, limits.allow, limits.deny, limits.access_order)) return Refuse{Reason::Address};
    if (limits.max_per_source > 0 && same_source >= limits.max_per_source) return Refuse{Reason::Source};
    if (has_source_rate(limits) && !rates.take(peer, limits.max_rate, now)) return Refuse{Reason::SourceRate};
    return Admit{};
}

}  // namespace xsv::engine
