#include <catch2/catch.hpp>

#include <climits>
#include <cstdlib>
#include <fstream>
#include <string>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scribe/place.h"
#include "scribe/reader.h"

using namespace xsv::scribe;

namespace {

struct Fixture {
    std::string directory;
    std::string file;
    Fixture()
    {
        char name[] = "/tmp/xsv-reader-XXXXXX";
        directory = ::mkdtemp(name);
        file = directory + "/log";
        write("0123456789");
    }
    ~Fixture() { (void)!std::system(("rm -rf " + directory).c_str()); }
    void write(const std::string& text) const { std::ofstream(file, std::ios::binary) << text; }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "read follows Supervisor's table", "[scribe][reader]")
{
    CHECK(read_log(file, -4, 0).text == "6789");
    CHECK(read_log(file, -40, 0).text == "0123456789");
    CHECK(read_log(file, LLONG_MIN, 0).text == "0123456789");
    CHECK(read_log(file, 0, 0).text == "0123456789");
    CHECK(read_log(file, 4, 0).text == "456789");
    CHECK(read_log(file, 4, 3).text == "456");
    CHECK(read_log(file, 8, 30).text == "89");
    CHECK(read_log(file, 10, 0).text.empty());
    CHECK(read_log(file, 1000, 5).text.empty());
    CHECK(read_log(file, LLONG_MAX, LLONG_MAX).text.empty());
    CHECK(read_log(file, -4, 1).code == kBadArguments);
    CHECK(read_log(file, -4, -1).code == kBadArguments);
    CHECK(read_log(file, 4, -1).code == kBadArguments);
}

TEST_CASE_METHOD(Fixture, "tail follows Supervisor's table", "[scribe][reader]")
{
    const auto expect = [&](std::int64_t offset, std::int64_t length, const std::string& text, bool overflow) {
        INFO("offset " << offset << " length " << length);
        const Answer answer = tail_log(file, offset, length);
        CHECK(answer.ok);
        CHECK(answer.text == text);
        CHECK(answer.offset == 10);
        CHECK(answer.overflow == overflow);
    };
    expect(0, 4, "6789", true);
    expect(3, 4, "6789", true);
    expect(6, 4, "6789", false);
    expect(8, 4, "6789", false);  // the last four bytes, not those from the offset
    expect(0, 40, "0123456789", false);
    expect(10, 4, "", false);
    expect(99, 4, "", false);
    expect(0, 0, "", true);
    expect(0, 1, "9", true);
    expect(5, -3, "", true);
    expect(LLONG_MAX, LLONG_MAX, "", false);
    expect(LLONG_MIN, LLONG_MIN, "", true);
}

TEST_CASE_METHOD(Fixture, "missing and unreadable logs have Supervisor's codes", "[scribe][reader]")
{
    CHECK(read_log(directory + "/none", 0, 0).code == kNoFile);
    CHECK(read_log(directory + "/none", -1, 5).code == kNoFile);
    CHECK(read_log(directory + "/none/log", 0, 0).code == kNoFile);
    CHECK(tail_log(directory + "/none", 0, 10).code == kNoFile);
    CHECK(read_log(directory, 0, 0).code == kFailed);
    CHECK(read_log("relative", 0, 0).code == kFailed);
    ::mkfifo((directory + "/fifo").c_str(), 0600);
    CHECK(read_log(directory + "/fifo", 0, 0).code == kFailed);
    ::symlink(file.c_str(), (directory + "/link").c_str());
    CHECK(read_log(directory + "/link", 0, 0).ok);  // our own, in a folder of our own
    ::chmod(directory.c_str(), 0777);
    CHECK(read_log(directory + "/link", 0, 0).code == kFailed);
    ::chmod(directory.c_str(), 0700);
    CHECK(read_log(directory + "/none", 0, 0).text == directory + "/none");
    CHECK(read_log("/dev/stdout", 0, 0).code == kFailed);
    CHECK(read_log("/dev/stdout", -1, 5).code == kBadArguments);
    CHECK(read_log("/dev/null", 0, 0).ok);
}

TEST_CASE_METHOD(Fixture, "logs beyond 2 GiB are read, an answer stays bounded", "[scribe][reader]")
{
    constexpr std::int64_t kSize = 3LL << 30;
    REQUIRE(::truncate(file.c_str(), kSize) == 0);
    const int fd = ::open(file.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
    REQUIRE(::write(fd, "end\n", 4) == 4);
    ::close(fd);
    CHECK(read_log(file, -4, 0).text == "end\n");
    CHECK(read_log(file, kSize, 100).text == "end\n");
    CHECK(read_log(file, 0, 0).text.size() == static_cast<std::size_t>(kMaxText));
    CHECK(read_log(file, -kSize, 0).text.size() == static_cast<std::size_t>(kMaxText));
    const Answer answer = tail_log(file, 0, kSize + 4);
    CHECK(answer.text.size() == static_cast<std::size_t>(kMaxText));
    CHECK(answer.text.ends_with("end\n"));
    CHECK(answer.offset == kSize + 4);
}

TEST_CASE_METHOD(Fixture, "rotation tolerates gaps and keeps the rest", "[scribe][place]")
{
    const auto place = find_place(file);
    REQUIRE(place);
    std::ofstream(file + ".1") << "1";
    std::ofstream(file + ".3") << "3";
    REQUIRE(rotate(*place, 3));
    CHECK(::access(file.c_str(), F_OK) != 0);
    CHECK(read_log(file + ".1", 0, 0).text == "0123456789");
    CHECK(read_log(file + ".2", 0, 0).text == "1");
    CHECK(read_log(file + ".3", 0, 0).text == "3");
    ::mkdir((directory + "/log.2x").c_str(), 0700);
    CHECK(place->remove());  // nothing there any more
}
