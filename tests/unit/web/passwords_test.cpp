#include "web/passwords.h"

#include <crypt.h>

#include <catch2/catch.hpp>

#include "wire/base64.h"

using namespace xsv;
using namespace xsv::web;

namespace {

const Time kNow{std::chrono::hours(1)};
constexpr Duration kHalf = std::chrono::milliseconds(500);

std::string hashed(const char* prefix, const char* password)
{
    const std::string salt = ::crypt_gensalt(prefix, 0, nullptr, 0);
    return ::crypt(password, salt.c_str());
}

}  // namespace

TEST_CASE("passwords are plain, SHA-1 or crypt hashes", "[web]")   // B38
{
    Passwords passwords;
    const auto check = [&](const std::string& stored, const char* user, const char* password) {
        return passwords.check("admin", stored, {user, password}, kNow);
    };
    const std::string sha = "{SHA}82ab876d1387bfafe46cc1c8a2ef074eae50cb1d";
    for (const std::string& stored :
         {std::string("thepassword"), sha, std::string("{SHA}82AB876D1387BFAFE46CC1C8A2EF074EAE50CB1D"),
          hashed("$6$", "thepassword"), hashed("$y$", "thepassword")}) {
        CAPTURE(stored);
        CHECK(check(stored, "admin", "thepassword"));
        CHECK(check(stored, "admin", "thepassword"));  // a remembered hash
        CHECK_FALSE(check(stored, "admin", "thepassworD"));
        CHECK_FALSE(check(stored, "admin", ""));
        CHECK_FALSE(check(stored, "Admin", "thepassword"));
        CHECK_FALSE(check(stored, "", ""));
        CHECK_FALSE(check(stored, "admin", stored.c_str()) != (stored == "thepassword"));
    }
    CHECK_FALSE(check("$nonsense", "admin", "x"));
    CHECK_FALSE(check("$6$", "admin", ""));
    CHECK_FALSE(check("{SHA}", "admin", ""));
}

TEST_CASE("Basic credentials are read, and nothing else", "[web]")
{
    const auto read = [](const std::string& text) { return parse_basic(text); };
    const std::string good = wire::base64_encode("user:pass:word");
    for (const char* scheme : {"Basic ", "basic ", "BASIC   "}) {
        const auto credentials = read(scheme + good);
        REQUIRE(credentials);
        REQUIRE(*credentials);
        CHECK((*credentials)->user == "user");
        CHECK((*credentials)->password == "pass:word");
    }
    for (const char* other : {"Bearer x", "Digest username=x", "", "Negotiate", "Basic", "Basic "}) {
        const auto credentials = read(other);
        REQUIRE(credentials);
        CHECK_FALSE(*credentials);
    }
    for (const std::string& bad :
         {std::string("Basic ***"),
          "Basic " + wire::base64_encode("nocolon"), "Basic " + wire::base64_encode("u:" + std::string(1025, 'x'))})
        CHECK_FALSE(read(bad));
}

TEST_CASE("each wrong password of a source waits twice as long, up to a limit", "[web]")
{
    FailureDelays delays(kHalf, std::chrono::seconds(30));
    CHECK(delays.fail("a", kNow) == kHalf);
    CHECK(delays.fail("a", kNow) == 2 * kHalf);
    CHECK(delays.fail("a", kNow) == 4 * kHalf);
    CHECK(delays.fail("b", kNow) == kHalf);
    for (int i = 0; i < 100; ++i) delays.fail("a", kNow);
    CHECK(delays.fail("a", kNow) == std::chrono::seconds(30));
    CHECK(delays.has_failed("a", kNow));
    CHECK_FALSE(delays.has_failed("c", kNow));
    CHECK(delays.fail("a", kNow + std::chrono::hours(1)) == kHalf);
    delays.succeed("a");
    CHECK_FALSE(delays.has_failed("a", kNow));
}

TEST_CASE("the table of failures is bounded", "[web]")
{
    FailureDelays delays(kHalf, std::chrono::seconds(30));
    for (int i = 0; i < 10'000; ++i) delays.fail(std::to_string(i), kNow + std::chrono::milliseconds(i));
    CHECK_FALSE(delays.has_failed("0", kNow + std::chrono::seconds(10)));
    CHECK(delays.has_failed("9999", kNow + std::chrono::seconds(10)));
}
