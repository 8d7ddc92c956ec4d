#include "wire/value.h"

#include <limits>
#include <random>

#include <catch2/catch.hpp>

#include "wire/base64.h"

using namespace xsv::wire;

namespace {

Value sample()
{
    return Value::Struct{
        {"nil", Value()},
        {"yes", true},
        {"no", false},
        {"small", 7},
        {"negative", -1},
        {"least", std::numeric_limits<std::int64_t>::min()},
        {"most", std::numeric_limits<std::int64_t>::max()},
        {"real", -0.125},
        {"text", std::string("a\0b\xff<", 5)},
        {"long", std::string(300, 'x')},
        {"array", Value::Array{1, "two", Value::Array{}, Value::Struct{}}},
        {"", Value::Struct{{"inner", Value::Array{Value()}}}},
    };
}

Value nested(int depth)
{
    Value value = Value::Array{};
    for (int level = 1; level < depth; ++level) value = Value::Array{std::move(value)};
    return value;
}

}  // namespace

TEST_CASE("what is encoded decodes to the same value", "[wire]")
{
    for (const Value& value :
         {sample(), Value(), Value(5), Value("x"), Value(Value::Array{}), Value(Value::Struct{})}) {
        const auto decoded = decode(encode(value));
        REQUIRE(decoded);
        CHECK(*decoded == value);
    }
}

TEST_CASE("a value inside another may be encoded already", "[wire]")
{
    Encoder encoder;
    encoder.begin_array(2);
    encoder.raw(encode(sample()));
    encoder.integer(1);
    CHECK(*decode(encoder.take()) == Value(Value::Array{sample(), 1}));
}

TEST_CASE("a value cut short at any place is refused", "[wire]")
{
    const std::string whole = encode(sample());
    for (std::size_t size = 0; size < whole.size(); ++size)
        CHECK_FALSE(decode(std::string_view(whole).substr(0, size)));
    CHECK_FALSE(decode(whole + "n"));
}

TEST_CASE("changed bytes never crash the decoder", "[wire]")
{
    std::mt19937 random(1);
    const std::string whole = encode(sample());
    for (int round = 0; round < 20'000; ++round) {
        std::string bytes = whole;
        for (int change = 0; change < 3; ++change) bytes[random() % bytes.size()] = static_cast<char>(random());
        if (const auto decoded = decode(bytes)) CHECK(decode(encode(*decoded)));
    }
}

TEST_CASE("counts and lengths that cannot be true are refused", "[wire]")
{
    CHECK_FALSE(decode("a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
    CHECK_FALSE(decode("a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"));
    CHECK_FALSE(decode("s\xff\xff\xff\xff\x0f"));
    CHECK_FALSE(decode("m\x02\x01k"));
    CHECK_FALSE(decode(std::string("i\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01")));
    CHECK_FALSE(decode("?"));
    CHECK_FALSE(decode("a\xc0\x84\x3d" + std::string(1'000'000, 'n')));  // a million values: more than anybody sends
}

TEST_CASE("values nest 32 deep and no deeper", "[wire]")
{
    CHECK(decode(encode(nested(32))));
    CHECK_FALSE(decode(encode(nested(33))));
}

TEST_CASE("members are found by name, with a fallback for what is absent or of another type", "[wire]")
{
    const Value value = sample();
    CHECK(value.text("long") == std::string(300, 'x'));
    CHECK(value.text("small", "none") == "none");
    CHECK(value.number("small") == 7);
    CHECK(value.number("absent", 3) == 3);
    CHECK(value.flag("yes"));
    CHECK_FALSE(value.flag("small"));
    CHECK(Value(1).find("x") == nullptr);
}

TEST_CASE("base64 comes back as it was, and only base64 is taken", "[wire]")
{
    for (const std::string& bytes :
         {std::string(), std::string("a"), std::string("ab"), std::string("abc"), std::string("\0\xff\n", 3)})
        CHECK(base64_decode(base64_encode(bytes)) == bytes);
    CHECK(base64_encode("user:pass") == "dXNlcjpwYXNz");
    CHECK(base64_decode(" dXNl\r\ncjpw YXNz\n") == "user:pass");
    CHECK_FALSE(base64_decode("dXNlcjpwYXN"));
    CHECK_FALSE(base64_decode("dXN*"));
    CHECK_FALSE(base64_decode("="));
}
