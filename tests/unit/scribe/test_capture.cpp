#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include "scribe/capture.h"

using namespace xsv::scribe;

namespace {

struct Parts {
    std::string text, inside;
    std::vector<std::string> captured;
    Capture capture;

    void feed(std::string_view chunk)
    {
        capture.feed(
            chunk, [this](std::string_view piece) { (capture.is_open() ? inside : text) += piece; },
            [this] { captured.push_back(std::exchange(inside, {})); });
    }
};

const std::string kBegin(Capture::kBegin);
const std::string kEnd(Capture::kEnd);

}  // namespace

TEST_CASE("what stands between the capture tokens is told apart wherever the stream is cut", "[scribe][capture]")
{
    const std::string stream =
        "a<" + kBegin + "one" + kEnd.substr(0, 9) + kEnd + "b" + kEnd + kBegin + kBegin + kEnd + "<!--XSUPERVISOR:c";
    for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
        for (std::size_t second = cut; second <= stream.size(); ++second) {
            Parts parts;
            parts.feed(stream.substr(0, cut));
            parts.feed(stream.substr(cut, second - cut));
            parts.feed(stream.substr(second));
            REQUIRE(parts.text == "a<b" + kEnd + "<!--XSUPERVISOR:c");
            REQUIRE(parts.captured == std::vector<std::string>{"one" + kEnd.substr(0, 9), kBegin});
        }
    }
}

TEST_CASE("only a possible beginning of a token is held back", "[scribe][capture]")   // B3
{
    Parts parts;
    parts.feed("x");
    CHECK(parts.text == "x");
    parts.feed("y<!--XSUP");
    CHECK(parts.text == "xy");
    CHECK(parts.capture.rest() == "<!--XSUP");
    CHECK(parts.capture.rest().empty());
}

TEST_CASE("the end of the stream gives up an open capture", "[scribe][capture]")
{
    Parts parts;
    parts.feed(kBegin + "secret" + kEnd.substr(0, 5));
    CHECK(parts.capture.rest().empty());
    CHECK_FALSE(parts.capture.is_open());
    CHECK(parts.text.empty());
}

TEST_CASE("a capture buffer drops the oldest, as many bytes as come", "[scribe][capture]")
{
    CaptureBuffer buffer;
    buffer.set_limit(10);
    buffer.add("01234567");
    buffer.add("abcde");
    CHECK(buffer.take() == "567abcde");
    buffer.add("0123456789");
    CHECK(buffer.take() == "0123456789");
    buffer.add("01");
    buffer.add("0123456789abcdef");
    CHECK(buffer.take() == "6789abcdef");
    CHECK(buffer.take().empty());
}
