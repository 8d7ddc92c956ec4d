#include "web/passwords.h"

#include <algorithm>
#include <memory>
#include <stdexcept>

#include <crypt.h>
#include <fmt/format.h>
#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <nettle/sha1.h>
#include <sys/random.h>

#include "base/log.h"
#include "base/text.h"
#include "wire/base64.h"

namespace xsv::web {

namespace {

constexpr std::size_t kMaxPart = 1024;  ///< of a user name, of a password
constexpr std::size_t kMaxKnown = 64;
constexpr std::size_t kMaxSources = 4096;
constexpr Duration kSlowHash = std::chrono::milliseconds(500);
constexpr Duration kKnownTime = std::chrono::seconds(60);
constexpr Duration kForgetTime = std::chrono::minutes(10);
constexpr std::string_view kSha = "{SHA}";

const std::uint8_t* bytes(std::string_view text)
{
    return reinterpret_cast<const std::uint8_t*>(text.data());
}

std::string sha1_hex(std::string_view text)
{
    sha1_ctx context;
    std::array<std::uint8_t, SHA1_DIGEST_SIZE> digest{};
    ::sha1_init(&context);
    ::sha1_update(&context, text.size(), bytes(text));
    ::sha1_digest(&context, digest.size(), digest.data());
    std::string hex;
    for (const std::uint8_t byte : digest) hex += fmt::format("{:02x}", byte);
    return hex;
}

}  // namespace

Result<std::optional<Credentials>> parse_basic(std::string_view authorization)
{
    authorization = text::trim(authorization);
    const std::size_t blank = authorization.find(' ');
    if (!text::iequals(authorization.substr(0, blank), "basic")) return std::nullopt;
    if (blank == authorization.npos) return std::nullopt;
    const auto decoded = wire::base64_decode(authorization.substr(blank));
    const std::size_t colon = decoded ? decoded->find(':') : std::string::npos;
    if (colon == std::string::npos) return fail("the credentials are not the base64 of user:password");
    Credentials credentials{decoded->substr(0, colon), decoded->substr(colon + 1)};
    if (credentials.user.size() > kMaxPart || credentials.password.size() > kMaxPart)
        return fail("the credentials are too long");
    return credentials;
}

KeyedDigest::KeyedDigest()
{
    if (::getrandom(key_.data(), key_.size(), 0) != static_cast<ssize_t>(key_.size()))
        throw std::runtime_error("getrandom failed");
}

KeyedDigest::Digest KeyedDigest::of(std::string_view text) const
{
    hmac_sha256_ctx context;
    Digest digest{};
    ::hmac_sha256_set_key(&context, key_.size(), key_.data());
    ::hmac_sha256_update(&context, text.size(), bytes(text));
    ::hmac_sha256_digest(&context, digest.size(), digest.data());
    return digest;
}

bool KeyedDigest::is_same(std::string_view a, std::string_view b) const
{
    const Digest first = of(a), second = of(b);
    return ::memeql_sec(first.data(), second.data(), first.size()) != 0;
}

bool Passwords::check(std::string_view user, std::string_view stored, const Credentials& given, Time now)
{
    // Both are always compared, so a wrong user takes as long as a wrong password.
    const bool is_user = digest_.is_same(user, given.user);
    const bool is_password = matches(stored, given.password, now);
    return is_user && is_password;
}

bool Passwords::matches(std::string_view stored, const std::string& password, Time now)
{
    if (stored.starts_with(kSha))
        return digest_.is_same(text::lower(text::trim(stored.substr(kSha.size()))), sha1_hex(password));
    if (stored.starts_with('$')) return matches_hash(std::string(stored), password, now);
    return digest_.is_same(stored, password);
}

bool Passwords::matches_hash(const std::string& stored, const std::string& password, Time now)
{
    if (password.find('\0') != password.npos) return false;
    const KeyedDigest::Digest key = digest_.of(stored + '\0' + password);
    if (const auto known = known_.find(key); known != known_.end() && now < known->second) return true;
    const auto work = std::make_unique<crypt_data>();
    const Time begun = BootClock::now();
    const char* hashed = ::crypt_r(password.c_str(), stored.c_str(), work.get());
    if (!hashed || hashed[0] == '*') {
        log::error("the stored hash of a password cannot be used, nobody gets in with it: {}", errno_text(errno));
        return false;
    }
    if (const Duration taken = BootClock::now() - begun; taken > kSlowHash)
        log::warn("the hash of a password took {} ms, in which nobody is answered: choose one of lower cost", taken / std::chrono::milliseconds(1));
    if (!digest_.is_same(hashed, stored)) return false;
    std::erase_if(known_, [&](const auto& entry) { return entry.second <= now; });
    if (known_.size() < kMaxKnown) known_[key] = now + kKnownTime;
    return true;
}

Duration FailureDelays::fail(const std::string& source, Time now)
{
    if (sources_.size() >= kMaxSources && !sources_.contains(source)) make_room(now);
    Failures& failures = sources_[source];
    if (now - failures.last > kForgetTime) failures.count = 0;
    failures.last = now;
    Duration delay = first_;
    for (int earlier = 0; earlier < failures.count && delay < longest_; ++earlier) delay *= 2;
    ++failures.count;
    return std::min(delay, longest_);
}

bool FailureDelays::has_failed(const std::string& source, Time now) const
{
    const auto found = sources_.find(source);
    return found != sources_.end() && now - found->second.last <= kForgetTime;
}

void FailureDelays::make_room(Time now)
{
    std::erase_if(sources_, [&](const auto& entry) { return now - entry.second.last > kForgetTime; });
    if (sources_.size() < kMaxSources) return;
    sources_.erase(std::min_element(sources_.begin(), sources_.end(),
                                    [](const auto& a, const auto& b) { return a.second.last < b.second.last; }));
}

}  // namespace xsv::web
