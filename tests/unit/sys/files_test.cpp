#include <sys/prctl.h>
#include <sys/stat.h>

#include "base/text.h"
#include "unit/sys/spawn_help.h"

using namespace test;

namespace {

std::string write_file(const std::string& path, const std::string& text, mode_t mode = 0644)
{
    const sys::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
    REQUIRE(::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    ::fchmod(fd.get(), mode);
    return path;
}

bool is_root() { return ::geteuid() == 0; }

template <class T>
std::string message(const Result<T>& result)
{
    return result ? "" : result.error().message;
}

}  // namespace

TEST_CASE("configuration is read from regular files of root alone", "[sys][files]")
{
    TemporaryFolder folder;
    const std::string file = write_file(folder / "a.conf", "text");
    CHECK(sys::read_config_file(file, true) == "text");
    CHECK(sys::read_file(file, 4) == "text");
    CHECK_THAT(message(sys::read_file(file, 3)), Catch::Contains("larger than 3"));
    CHECK_THAT(message(sys::read_config_file(folder / "none", true)), Catch::Contains("No such file"));
    CHECK_THAT(message(sys::read_config_file(folder.path(), true)), Catch::Contains("is a directory"));
    REQUIRE(::mkfifo((folder / "fifo").c_str(), 0600) == 0);
    CHECK_THAT(message(sys::read_config_file(folder / "fifo", true)), Catch::Contains("not a regular file"));
    CHECK_THAT(message(sys::read_config_file("/dev/zero", false)), Catch::Contains("not a regular file"));
    if (!is_root()) return;

    ::chmod(file.c_str(), 0666);
    CHECK_THAT(message(sys::read_config_file(file, true)), Catch::Contains("writable by others"));
    CHECK(sys::read_config_file(file, false) == "text");
    ::chmod(file.c_str(), 0644);
    REQUIRE(::chown(file.c_str(), 12345, 0) == 0);
    CHECK_THAT(message(sys::read_config_file(file, true)), Catch::Contains("belongs to uid 12345"));
    REQUIRE(::chown(file.c_str(), 0, 0) == 0);

    REQUIRE(::symlink(file.c_str(), (folder / "link").c_str()) == 0);
    REQUIRE(::symlink("a.conf", (folder / "relative").c_str()) == 0);
    CHECK(sys::read_config_file(folder / "link", true) == "text");
    CHECK(sys::read_config_file(folder / "relative", true) == "text");
    REQUIRE(::lchown((folder / "link").c_str(), 12345, 0) == 0);
    CHECK_THAT(message(sys::read_config_file(folder / "link", true)), Catch::Contains("link"));

    REQUIRE(::mkdir((folder / "open").c_str(), 0755) == 0);
    const std::string inside = write_file(folder / "open/b.conf", "text");
    CHECK(sys::read_config_file(inside, true) == "text");
    ::chmod((folder / "open").c_str(), 0777);
    CHECK_THAT(message(sys::read_config_file(inside, true)), Catch::Contains("writable by others"));
    // A trusted link into the open folder is no way around it.
    REQUIRE(::symlink(inside.c_str(), (folder / "around").c_str()) == 0);
    CHECK_THAT(message(sys::read_config_file(folder / "around", true)), Catch::Contains("writable by others"));
    ::chmod((folder / "open").c_str(), 01777);
    CHECK(sys::read_config_file(inside, true) == "text");  // as in /tmp: nobody can replace what root owns
    REQUIRE(::chdir(folder.path().c_str()) == 0);
    CHECK_THAT(message(sys::read_config_file("a.conf", true)), Catch::Contains("absolute path"));
    REQUIRE(::chdir("/") == 0);
}

TEST_CASE("logs are not written through links, second names or open folders", "[sys][files]")
{
    TemporaryFolder folder;
    const std::string victim = write_file(folder / "victim", "precious");
    auto log = sys::open_log_file(folder / "log", 0640);
    REQUIRE(log);
    CHECK((::fcntl(log->get(), F_GETFL) & O_APPEND) == 0);
    struct stat status{};
    ::fstat(log->get(), &status);
    CHECK((status.st_mode & 0777) == 0640);
    REQUIRE(::symlink(victim.c_str(), (folder / "link").c_str()) == 0);
    CHECK(sys::open_log_file(folder / "link", 0640));   // our own, in a folder of our own
    ::chmod(folder.path().c_str(), 01777);
    CHECK_THAT(message(sys::open_log_file(folder / "link", 0640)), Catch::Contains("is a link"));
    ::chmod(folder.path().c_str(), 0755);
    REQUIRE(::unlink((folder / "link").c_str()) == 0);
    REQUIRE(::symlink("link", (folder / "link").c_str()) == 0);
    CHECK_THAT(message(sys::open_log_file(folder / "link", 0640)), Catch::Contains("symbolic links"));
    REQUIRE(::link(victim.c_str(), (folder / "hard").c_str()) == 0);
    CHECK_THAT(message(sys::open_log_file(folder / "hard", 0640)), Catch::Contains("hard link"));
    CHECK_THAT(message(sys::open_log_file(folder.path(), 0640)), Catch::Contains("directory"));
    REQUIRE(::mkfifo((folder / "fifo").c_str(), 0600) == 0);
    CHECK_THAT(message(sys::open_log_file(folder / "fifo", 0640)), Catch::Contains("FIFO"));
    CHECK(sys::open_log_file("/dev/null", 0640));
    REQUIRE(::symlink("/dev/stdout", (folder / "stream").c_str()) == 0);
    for (const std::string& name : {std::string("/dev/stdout"), std::string("/dev/fd/1"), std::string("/proc/self/fd/1"),
                                   fmt::format("/proc/{}/fd/1", ::getpid()), folder / "stream"}) {
        auto standard = sys::open_log_file(name, 0640);
        REQUIRE(standard);
        CHECK((::fcntl(standard->get(), F_GETFD) & FD_CLOEXEC) != 0);
        struct stat own{};
        CHECK((::fstat(1, &own) == 0 && ::fstat(standard->get(), &status) == 0 && own.st_ino == status.st_ino));
    }
    const sys::UniqueFd other(::open(victim.c_str(), O_WRONLY | O_CLOEXEC));
    CHECK_THAT(message(sys::open_log_file(fmt::format("/proc/self/fd/{}", other.get()), 0640)), Catch::Contains("open file of a process"));
    CHECK_THAT(message(sys::open_log_file(folder / "none/log", 0640)), Catch::Contains("No such file"));
    if (!is_root()) return;
    CHECK(sys::read_file(victim, 100) == "precious");
}

TEST_CASE("a log of root's stands in folders of others, where nobody can lead it astray", "[sys][files]")
{
    if (!is_root()) return;
    TemporaryFolder folder;
    const std::string victim = write_file(folder / "victim", "precious");
    const auto give = [&](const std::string& path, uid_t uid) { REQUIRE(::lchown(path.c_str(), uid, uid) == 0); };
    for (const char* name : {"theirs", "theirs/logs", "open", "sticky"}) REQUIRE(::mkdir((folder / name).c_str(), 0755) == 0);
    give(folder / "theirs", 12345);
    ::chmod((folder / "open").c_str(), 0777);
    ::chmod((folder / "sticky").c_str(), 01777);

    // Supervisor's own logs, new ones, and those that logrotate has made.
    CHECK(sys::open_log_file(folder / "theirs/new", 0640));
    CHECK(sys::open_log_file(folder / "theirs/logs/new", 0640));
    CHECK(sys::open_log_file(folder / "open/new", 0640));
    write_file(folder / "theirs/own", "");
    give(folder / "theirs/own", 12345);
    CHECK(sys::open_log_file(folder / "theirs/own", 0640));
    write_file(folder / "handed", "");
    give(folder / "handed", 12345);
    CHECK(sys::open_log_file(folder / "handed", 0640));

    // A stranger's file where everybody can write
    for (const char* name : {"open/strange", "sticky/strange", "theirs/strange"}) {
        write_file(folder / name, "");
        give(folder / name, 54321);
        CHECK_THAT(message(sys::open_log_file(folder / name, 0640)), Catch::Contains("belongs to uid 54321"));
    }
    // Root's links are followed as far as root made the way, and a stranger's never
    for (const auto& [name, uid] : {std::pair{"roots-link", 0u}, std::pair{"strange-link", 54321u}}) {
        REQUIRE(::symlink(victim.c_str(), (folder / name).c_str()) == 0);
        give(folder / name, uid);
        CHECK(sys::open_log_file(folder / name, 0640).has_value() == (uid == 0));
    }
    REQUIRE(::symlink((folder / "theirs/link").c_str(), (folder / "into-theirs").c_str()) == 0);
    REQUIRE(::symlink(victim.c_str(), (folder / "sticky/link").c_str()) == 0);
    CHECK_THAT(message(sys::open_log_file(folder / "sticky/link", 0640)), Catch::Contains("is a link"));
    // Links and second names, though they belong to root
    REQUIRE(::symlink(folder.path().c_str(), (folder / "theirs/around").c_str()) == 0);
    CHECK_THAT(message(sys::open_log_file(folder / "theirs/around/victim", 0640)), Catch::Contains("is not followed"));
    REQUIRE(::symlink(victim.c_str(), (folder / "theirs/link").c_str()) == 0);
    for (const char* name : {"theirs/link", "into-theirs"})
        CHECK_THAT(message(sys::open_log_file(folder / name, 0640)), Catch::Contains("is a link"));
    REQUIRE(::link(victim.c_str(), (folder / "theirs/hard").c_str()) == 0);
    CHECK_THAT(message(sys::open_log_file(folder / "theirs/hard", 0640)), Catch::Contains("hard link"));
    REQUIRE(::mkfifo((folder / "theirs/fifo").c_str(), 0600) == 0);
    const sys::UniqueFd reader(::open((folder / "theirs/fifo").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    CHECK_THAT(message(sys::open_log_file(folder / "theirs/fifo", 0640)), Catch::Contains("no regular file"));
    CHECK(sys::read_file(victim, 100) == "precious");
}

TEST_CASE("the run-time folder follows from the configuration's real path", "[sys][files]")
{
    TemporaryFolder folder;
    const std::string file = write_file(folder / "my.conf", "");
    REQUIRE(::symlink(file.c_str(), (folder / "link.conf").c_str()) == 0);
    const std::string run_dir = sys::default_run_dir(file);
    CHECK(run_dir == sys::default_run_dir(folder / "link.conf"));
    CHECK(run_dir != sys::default_run_dir(folder / "other.conf"));
    CHECK_THAT(run_dir, Catch::Contains("/my.conf-"));
    if (is_root()) CHECK(run_dir.starts_with("/run/xsvd/"));
}

TEST_CASE("the run-time folder must be ours", "[sys][files]")
{
    TemporaryFolder folder;
    const mode_t before = ::umask(0);
    REQUIRE(sys::make_run_dir(folder / "a/b/c"));
    ::umask(before);
    struct stat status{};
    REQUIRE(::stat((folder / "a/b/c").c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0755);
    CHECK(sys::make_run_dir(folder / "a/b/c"));
    ::chmod((folder / "a/b/c").c_str(), 0777);
    CHECK_FALSE(sys::make_run_dir(folder / "a/b/c"));
    REQUIRE(::symlink((folder / "a").c_str(), (folder / "link").c_str()) == 0);
    CHECK_FALSE(sys::make_run_dir(folder / "link"));
    write_file(folder / "file", "");
    CHECK_FALSE(sys::make_run_dir(folder / "file"));
    CHECK_FALSE(sys::make_run_dir("relative"));
    if (!is_root()) return;
    REQUIRE(::mkdir((folder / "theirs").c_str(), 0755) == 0);
    REQUIRE(::chown((folder / "theirs").c_str(), 12345, 0) == 0);
    CHECK_FALSE(sys::make_run_dir(folder / "theirs"));
    CHECK_FALSE(sys::make_run_dir(folder / "theirs/below"));
}

TEST_CASE("a second daemon learns who holds the lock, and duplicates keep it", "[sys][files]")
{
    TemporaryFolder folder;
    auto first = sys::take_lock(folder / "lock", ::getpid());
    REQUIRE(first);
    auto second = sys::take_lock(folder / "lock", ::getpid());
    REQUIRE_FALSE(second);
    CHECK(second.error().code == EAGAIN);
    CHECK_THAT(second.error().message, Catch::Contains("pid " + std::to_string(::getpid())));
    sys::UniqueFd duplicate(::fcntl(first->get(), F_DUPFD_CLOEXEC, 0));
    first->reset();
    CHECK_FALSE(sys::take_lock(folder / "lock", ::getpid()));
    duplicate.reset();
    CHECK(sys::take_lock(folder / "lock", ::getpid()));
    CHECK_FALSE(sys::take_lock(folder / "none/lock", ::getpid()));
}

TEST_CASE("sealed memory cannot be changed, and nothing else is taken for it", "[sys][files]")
{
    const std::string text(100'000, 'x');
    auto fd = sys::sealed_memory("record", text);
    REQUIRE(fd);
    CHECK(sys::read_sealed(fd->get()) == text);
    CHECK(sys::read_sealed(fd->get()) == text);  // the offset does not matter
    CHECK(::pwrite(fd->get(), "y", 1, 0) < 0);
    CHECK(::ftruncate(fd->get(), 0) < 0);
    CHECK_FALSE(sys::read_sealed(fd->get(), 1000));
    CHECK_FALSE(sys::read_sealed(0));
    TemporaryFolder folder;
    const sys::UniqueFd file(::open(write_file(folder / "f", "x").c_str(), O_RDONLY | O_CLOEXEC));
    CHECK_FALSE(sys::read_sealed(file.get()));
}

TEST_CASE("a pipe has room for all of a text or says that it has none", "[sys][files]")
{
    auto pipe = sys::make_pipe(4096);
    REQUIRE(pipe.has_value());
    REQUIRE(sys::make_room(pipe->get(), 100'000));
    const std::string text(100'000, 'x');
    CHECK(::write(pipe->get(), text.data(), text.size()) == 100'000);
    // Texts of a little more than half a page lie in a page each.
    int fitted = 0;
    while (fitted < 5000 && sys::make_room(pipe->get(), 2049)) {
        REQUIRE(::write(pipe->get(), text.data(), 2049) == 2049);
        ++fitted;
    }
    CHECK(fitted > 100);
    CHECK_FALSE(sys::make_room(pipe->get(), 16 << 20));
}

TEST_CASE("a pipe is one descriptor that never ends", "[sys][files]")
{
    auto pipe = sys::make_pipe(256 << 10);
    REQUIRE(pipe);
    CHECK(::fcntl(pipe->get(), F_GETPIPE_SZ) == 256 << 10);
    char byte = 0;
    CHECK(::read(pipe->get(), &byte, 1) == -1);
    CHECK(errno == EAGAIN);
    {
        auto writer = sys::open_pipe_end(pipe->get(), true);
        REQUIRE(writer);
        CHECK((::fcntl(writer->get(), F_GETFL) & O_NONBLOCK) == 0);
        CHECK((::fcntl(writer->get(), F_GETFL) & O_ACCMODE) == O_WRONLY);
        CHECK(::write(writer->get(), "x", 1) == 1);
    }
    CHECK(::read(pipe->get(), &byte, 1) == 1);
    CHECK(::read(pipe->get(), &byte, 1) == -1);  // the writer is gone: no end of file
    auto reader = sys::open_pipe_end(pipe->get(), false);
    REQUIRE(reader);
    CHECK((::fcntl(reader->get(), F_GETFL) & O_ACCMODE) == O_RDONLY);
    auto huge = sys::make_pipe(std::size_t{1} << 30);
    REQUIRE(huge);  // as large as the kernel allows
    CHECK_FALSE(sys::open_pipe_end(-1, true));
}

TEST_CASE("users and groups are found by name and number, or not at all", "[sys][files]")
{
    auto root = sys::find_user("root");
    REQUIRE(root);
    CHECK(root->uid == 0);
    CHECK(root->home == "/root");
    CHECK(root->groups == std::vector<gid_t>{0});
    auto nobody = sys::find_user("65534");
    REQUIRE(nobody);
    CHECK(nobody->name == "nobody");
    CHECK(sys::find_group("root") == 0u);
    CHECK(sys::find_group("65534") == 65534u);
    CHECK(message(sys::find_user("no-such-user")) == "Invalid user name no-such-user");
    CHECK(message(sys::find_user("61000")) == "Invalid user id 61000");
    CHECK(message(sys::find_user("0day")) == "Invalid user name 0day");
    CHECK(message(sys::find_group("no-such-group")) == "Invalid group name no-such-group");
    for (const char* odd : {"", "-1", "4294967295", "99999999999999999999", " root", "root "}) {
        INFO("'" << odd << "'");
        CHECK_FALSE(sys::find_user(odd));
        CHECK_FALSE(sys::find_group(odd));
    }
    int status = 0;
    CHECK(::waitpid(-1, &status, WNOHANG) == -1);  // no helper is left behind
    CHECK(errno == ECHILD);
}

TEST_CASE("hosts are found by name, or not at all", "[sys][files]")
{
    auto local = sys::find_address("localhost");
    REQUIRE(local);
    CHECK(*local == "127.0.0.1");
    CHECK_FALSE(sys::find_address("no.such.host.invalid"));
    CHECK_FALSE(sys::find_address(""));
}

TEST_CASE("a thousand programs of one user cost one look-up", "[sys][files]")
{
    const Time before = BootClock::now();
    for (int i = 0; i < 1000; ++i) REQUIRE(sys::find_user("daemon"));
    CHECK(BootClock::now() - before < std::chrono::seconds(1));
}

TEST_CASE("a process that became somebody cannot go back", "[sys][files]")
{
    if (!is_root()) return;
    auto helper = sys::helper_user();
    REQUIRE(helper);
    CHECK(helper->uid != 0);
    Pipe result;
    const pid_t child = ::fork();
    if (child == 0) {
        const bool became = sys::become(helper->uid, helper->gid, {}).has_value();
        const bool again = sys::become(helper->uid, helper->gid, {}).has_value();
        const bool other = sys::become(0, 0, {}).has_value();
        const std::string said = fmt::format("{} {} {} {} {}", became, again, other, ::getuid(), ::getgroups(0, nullptr));
        ::_exit(::write(result.writer.get(), said.data(), said.size()) > 0 ? 0 : 1);
    }
    result.writer.reset();
    CHECK(read_all(result.reader.get()) == fmt::format("true true false {} 0", helper->uid));
    ::waitpid(child, nullptr, 0);
}

TEST_CASE("a process names its role in the process list and keeps its environment", "[sys][files]")
{
    // As the kernel lays them out: argv and the environment one after the other.
    static char memory[] = "program\0argument\0HOME=/x\0PATH=/y";
    char* argv[] = {memory, memory + 8, nullptr};
    char* environment[] = {memory + 17, memory + 25, nullptr};
    char** before = environ;
    environ = environment;
    sys::set_process_title(2, argv, "xsvd: engine, with a name");
    CHECK(std::string(memory) == "xsvd: engine, with a name");
    CHECK(std::string(environment[0]) == "HOME=/x");
    CHECK(std::string(environment[1]) == "PATH=/y");
    sys::set_process_title(2, argv, std::string(500, 'x'));
    CHECK(std::string(memory) == std::string(sizeof memory - 1, 'x'));  // as much as there is room
    environ = before;
    ::free(environment[0]);
    ::free(environment[1]);
    sys::set_process_title(0, nullptr, "x");
}
