#include "scribe/ledger.h"

#include <catch2/catch.hpp>

#include <cstring>
#include <random>

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/files.h"

using namespace xsv;
using scribe::Ledger;

namespace {

sys::UniqueFd memory() { return sys::UniqueFd(::memfd_create("ledger", MFD_CLOEXEC)); }
sys::UniqueFd copy_of(const sys::UniqueFd& fd) { return sys::UniqueFd(::dup(fd.get())); }

struct Fixture {
    sys::UniqueFd kept = memory();
    sys::UniqueFd pipe = std::move(*sys::make_pipe(64 * 1024));

    /// What a new scribe finds.
    std::unique_ptr<Ledger> open() { return std::move(*Ledger::open(copy_of(kept))); }
    void write(std::string_view bytes) { REQUIRE(::write(pipe.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size())); }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a successor finds the chunk, what was done of it, and the state before", "[scribe][ledger]")
{
    auto ledger = open();
    CHECK(ledger->is_new());
    const std::int64_t life = ledger->life();
    write("first");
    REQUIRE(*ledger->fill(pipe.get(), 100) == 5);
    CHECK(*ledger->fill(pipe.get(), 100) == 0);
    Ledger::State state{};
    state.number = 7;
    state.capture_open = true;
    state.capture_from = 100;
    state.capture_end = 103;
    REQUIRE(ledger->close(state, "cap"));
    write("second");
    REQUIRE(*ledger->fill(pipe.get(), 100) == 6);
    REQUIRE(ledger->offer("SECOND"));
    ledger->skip(2);  // as sendfile does
    ledger->note_line();

    ledger = open();
    CHECK_FALSE(ledger->is_new());
    CHECK(ledger->life() == life);
    CHECK(*ledger->chunk() == "second");
    CHECK(ledger->written() == 2);
    CHECK(ledger->lines() == 1);
    CHECK(ledger->state().number == 7);
    CHECK(*ledger->captured() == "cap");

    ledger->skip(4);
    state.capture_from = 101;
    state.capture_end = 105;
    REQUIRE(ledger->close(state, "apXY"));
    ledger = open();
    CHECK(ledger->chunk()->empty());
    CHECK(ledger->written() == 0);
    CHECK(ledger->lines() == 0);
    CHECK(*ledger->captured() == "apXY");
}

TEST_CASE_METHOD(Fixture, "a ledger's memory is given back", "[scribe][ledger]")
{
    auto ledger = open();
    const std::string bytes(60'000, 'x');
    for (int i = 0; i < 1000; ++i) {
        write(bytes);
        REQUIRE(*ledger->fill(pipe.get(), 64 * 1024) > 0);
        REQUIRE(ledger->offer(bytes));
        ledger->skip(bytes.size());
        REQUIRE(ledger->close({}, ""));
    }
    struct stat status {};
    REQUIRE(::fstat(kept.get(), &status) == 0);
    CHECK(status.st_blocks * 512 < 4 << 20);
}

TEST_CASE_METHOD(Fixture, "memory that cannot be right is refused", "[scribe][ledger]")
{
    open();
    std::string head(600, '\0');
    REQUIRE(::pread(kept.get(), head.data(), head.size(), 0) == static_cast<ssize_t>(head.size()));
    std::mt19937 random(3);
    int refused = 0;
    for (int i = 0; i < 2000; ++i) {
        std::string broken = head;
        for (int n = 0; n < 8; ++n) broken[random() % 120] = static_cast<char>(random());
        REQUIRE(::pwrite(kept.get(), broken.data(), broken.size(), 0) == static_cast<ssize_t>(broken.size()));
        auto ledger = Ledger::open(copy_of(kept));
        refused += ledger ? 0 : 1;
        if (ledger && !(*ledger)->is_new()) {  // then nothing bad comes of it
            (void)(*ledger)->chunk();
            (void)(*ledger)->captured();
        }
    }
    CHECK(refused > 1000);
    CHECK_FALSE(Ledger::open(sys::UniqueFd(-1)));
}
