#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace xsv::web {

struct Credentials {
    std::string user, password;
};

/// From an Authorization line. Nullopt: another scheme than Basic, or nothing behind it. An error: Basic, but undecodable.
Result<std::optional<Credentials>> parse_basic(std::string_view authorization);

/// Digests under a random key of this process, which tell nobody else anything.
class KeyedDigest {
public:
    using Digest = std::array<std::uint8_t, 32>;

    KeyedDigest();
    Digest of(std::string_view text) const;
    bool is_same(std::string_view a, std::string_view b) const;  ///< in a time that does not tell where they differ

private:
    std::array<std::uint8_t, 32> key_{};
};

/// Compares credentials without telling by its time which part was wrong (rule A4).
class Passwords {
public:
    /// `stored` is plain, {SHA}hex or a crypt(3) hash. The right password of a hash is remembered for a minute, as a
    /// keyed digest, because hashing takes tens of milliseconds (rule A6).
    bool check(std::string_view user, std::string_view stored, const Credentials& given, Time now);

private:
    bool matches_hash(const std::string& stored, const std::string& password, Time now);
    bool matches(std::string_view stored, const std::string& password, Time now);

    KeyedDigest digest_;
    std::map<KeyedDigest::Digest, Time> known_;  ///< until when
};

/// Makes guessing slow (rule A5): each wrong password of a source delays its answer twice as long as the one before.
/// Other sources are not delayed, so nobody can lock the owner out.
class FailureDelays {
public:
    FailureDelays(Duration first, Duration longest) : first_(first), longest_(longest) {}

    Duration fail(const std::string& source, Time now);
    void succeed(const std::string& source) { sources_.erase(source); }
    bool has_failed(const std::string& source, Time now) const;

private:
    struct Failures {
        int count = 0;
        Time last{};
    };
    void make_room(Time now);

    Duration first_, longest_;
    std::map<std::string, Failures> sources_;
};

}  // namespace xsv::web
