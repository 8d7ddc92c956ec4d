// Guardian and engine have died together: who in the table is still there, and who only has the number.
#include "engine/survivors.h"

#include <catch2/catch.hpp>

#include <csignal>
#include <filesystem>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/time.h"
#include "engine/adoption.h"
#include "sys/files.h"

using namespace xsv;

namespace {

/// A process that leads a session, writes to `out`, and lives until it is killed.
class Program {
public:
    explicit Program(int out)
    {
        int ready[2];
        REQUIRE(::pipe2(ready, O_CLOEXEC) == 0);
        pid = ::fork();
        if (pid == 0) {
            ::setsid();
            ::dup2(out, 1);
            ::close(ready[0]);
            ::close(ready[1]);
            for (;;) ::pause();
        }
        ::close(ready[1]);
        char none = 0;
        REQUIRE(::read(ready[0], &none, 1) == 0);  // closed in the child, behind all that
        ::close(ready[0]);
    }
    ~Program()
    {
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
    }
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;
    pid_t pid = 0;
};

std::uint32_t add(engine::Table& table, engine::SlotKind kind, const char* name, pid_t pid, std::int64_t started)
{
    const std::uint32_t index = *table.take(kind);
    engine::Slot& slot = table.at(index);
    slot.set_name(name);
    slot.child.pid = pid;
    slot.started_boot = started;
    slot.state = static_cast<std::uint32_t>(engine::SlotState::Live);
    return index;
}

bool is_live(const engine::Slot& slot) { return slot.state == static_cast<std::uint32_t>(engine::SlotState::Live); }

}  // namespace

TEST_CASE("a process is taken up only if start and session are those of its slot", "[engine][survivors]")
{
    const auto processes = sys::kernel_processes(false);
    const auto sockets = sys::kernel_sockets();
    auto table = engine::Table::in_memory(16);
    const auto pipe = sys::make_pipe(4096);
    REQUIRE(pipe);
    struct stat status{};
    REQUIRE(::fstat(pipe->get(), &status) == 0);
    const std::int64_t now = BootClock::now().time_since_epoch().count();
    const Program program(pipe->get());

    const auto same = add(table, engine::SlotKind::Place, "same", program.pid, now);
    table.at(same).start_ticks = static_cast<std::int64_t>(processes->start_ticks(program.pid));
    table.at(same).pipes[1] = status.st_ino;
    table.at(same).exit_sequence = 0;
    const auto handler = add(table, engine::SlotKind::Connection, "", program.pid, now);
    table.at(handler).owner = same;
    const auto later = add(table, engine::SlotKind::Place, "later", program.pid, now);
    table.at(later).start_ticks = table.at(same).start_ticks + 1;
    const auto earlier = add(table, engine::SlotKind::Place, "earlier", program.pid, now - 10'000'000'000);
    const auto no_leader = add(table, engine::SlotKind::Place, "no_leader", ::getpid(), now);
    table.at(no_leader).started_boot = static_cast<std::int64_t>(processes->start_ticks(::getpid())) * (1'000'000'000 / ::sysconf(_SC_CLK_TCK));
    const auto nobody = add(table, engine::SlotKind::Connection, "", 1 << 22, now);
    table.at(nobody).owner = same;
    const auto told = add(table, engine::SlotKind::Place, "told", program.pid, now);
    table.at(told).exit_sequence = 7;
    table.at(told).exit_pending = 1;

    engine::Survivors survivors(table, *processes, *sockets);
    CHECK(survivors.find({}) == 2);

    CHECK(is_live(table.at(same)));
    CHECK(is_live(table.at(handler)));
    for (const auto other : {later, earlier, nobody, told}) CHECK_FALSE(is_live(table.at(other)));
    if (::getsid(0) != ::getpid()) CHECK_FALSE(is_live(table.at(no_leader)));
    CHECK(table.at(nobody).child.pid == 0);
    CHECK(table.at(told).exit_pending == 1);
    CHECK(table.at(told).exit_sequence == 0);
    CHECK(survivors.descriptors().contains(engine::Adoption::key_of(same, program.pid)));
    CHECK(survivors.descriptors().contains(engine::Adoption::key_of(handler, program.pid)));

    // Its pipe is in our hands again, though nobody but the program had it.
    REQUIRE(survivors.descriptors().contains("o:same"));
    struct stat again{};
    CHECK(::fstat(survivors.descriptors().at("o:same").get(), &again) == 0);
    CHECK(again.st_ino == status.st_ino);
}

TEST_CASE("a table of another run of the machine is not believed", "[engine][survivors]")
{
    const std::string file = std::filesystem::temp_directory_path() / ("xsvd-table-" + std::to_string(::getpid()));
    REQUIRE(engine::Table::create(file, 16));
    CHECK(engine::Table::left_in(file));
    const sys::UniqueFd fd(::open(file.c_str(), O_RDWR | O_CLOEXEC));
    const auto id = sys::read_file("/proc/sys/kernel/random/boot_id", 64);
    REQUIRE(id);
    std::string head(4096, '\0');
    REQUIRE(::pread(fd.get(), head.data(), head.size(), 0) == 4096);
    const auto at = head.find(id->substr(0, 36));
    REQUIRE(at != std::string::npos);
    const char other = head[at] == '0' ? '1' : '0';
    REQUIRE(::pwrite(fd.get(), &other, 1, static_cast<off_t>(at)) == 1);
    CHECK_FALSE(engine::Table::left_in(file));
    ::unlink(file.c_str());
    CHECK_FALSE(engine::Table::left_in(file));
}
