#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include <catch2/catch.hpp>

#include "base/text.h"
#include "config/directives.h"
#include "unit/config/support.h"
#include "unit/config/temporary.h"

using namespace xsv;
using namespace xsv::config;
using namespace xsv::config::test;

TEST_CASE("real files are read and found by pattern", "[config][files]")
{
    const Temporary folder;
    ::mkdir((folder.path() + "/[d]").c_str(), 0755);  // a folder whose name looks like a pattern
    const auto main = folder.write("[d]/x.conf", "[include]\nfiles=*.inc\n[program:p]\ncommand=x\n");
    folder.write("[d]/b.inc", "[program:p]\ncommand=b\n");
    folder.write("[d]/a.inc", "[program:p]\ncommand=a\n");
    folder.write("[d]/.hidden.inc", "[program:p]\ncommand=hidden\n");
    const Loaded loaded = load(main);
    CHECK(messages(loaded.mistakes) == Lines{});
    CHECK(messages(loaded.warnings) == Lines{});
    CHECK(first(loaded).exec.command == "b");
}

TEST_CASE("what is no file of text is one clear mistake", "[config][files]")
{
    const Temporary folder;
    const auto only_mistake = [](const std::string& file) {
        const Loaded loaded = load(file);
        CHECK(loaded.fatal);
        CHECK(loaded.config.groups.empty());
        REQUIRE(loaded.mistakes.size() == 1);
        return loaded.mistakes[0].message();
    };
    const std::string fifo = folder.path() + "/fifo";
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    for (const std::string& file :
         {fifo, folder.path(), folder.path() + "/none", folder.write("huge", std::string(5 << 20, 'x'))})
        CHECK(only_mistake(file).find(file) != std::string::npos);
    if (::geteuid() != 0) CHECK(only_mistake(folder.write("secret", "", 0000)).find("secret") != std::string::npos);
}

TEST_CASE("a file that includes itself by another name is found out", "[config][files]")
{
    const Temporary folder;
    const auto main = folder.write("x.conf", "[include]\nfiles=*.conf\n[program:p]\ncommand=x\n");
    REQUIRE(::symlink("x.conf", (folder.path() + "/y.conf").c_str()) == 0);
    const Loaded loaded = load(main);
    CHECK(messages(loaded.mistakes) == Lines{main + ":2: [include] files: \"*.conf\" makes the file include itself"});
}

TEST_CASE("users are looked up on the machine", "[config][files]")
{
    const Temporary folder;
    const auto file =
        folder.write("x.conf", "[program:a]\ncommand=x\nuser=daemon\n[program:b]\ncommand=x\nuser=no-such-user\n");
    const Loaded loaded = load(file);
    REQUIRE(loaded.config.groups.size() == 2);
    CHECK(loaded.config.groups[0].services[0].exec.uid == 1);
    CHECK(loaded.config.groups[0].services[0].broken.empty());
    CHECK(messages(loaded.mistakes) ==
          Lines{file + ":6: [program:b] user: Invalid user name no-such-user (expected a user's name or number)"});
}

TEST_CASE("the client reads its own section only", "[config][files]")
{
    const Temporary folder;
    const auto client = load_client(
        folder.write("x.conf",
                     "word\n[include]\n[supervisorctl]\nserverurl=unix://%(here)s/s.sock\nprompt=%(ENV_HOME)s\n"
                     "username=u\npassword=p\nhistory_file=/h\n[program:x]\nstartsecs=x\n"));
    REQUIRE(client);
    CHECK(client->has_section);
    CHECK(client->serverurl == "unix://" + folder.path() + "/s.sock");
    CHECK(client->prompt == ::getenv("HOME"));
    CHECK((client->username == "u" && client->password == "p" && client->history_file == "/h"));

    const auto none = load_client(folder.write("y.conf", "[program:x]\n"));
    REQUIRE(none);
    CHECK_FALSE(none->has_section);
    CHECK(none->prompt == "supervisor");
    const auto absent = load_client(folder.path() + "/none");
    REQUIRE_FALSE(absent);
    CHECK(absent.error().message == folder.path() + "/none: No such file or directory");
    CHECK_FALSE(load_client(folder.write("z.conf", "[supervisorctl]\nprompt=%(nope)s\n")));
}

TEST_CASE("a program that PATH found has its folder, links kept", "[config][files]")
{
    CHECK(full_program_path("/opt/x/bin/xsvd") == "/opt/x/bin/xsvd");
    CHECK(full_program_path("sh").ends_with("/sh"));
    CHECK(full_program_path("no-such-program-anywhere") == "no-such-program-anywhere");
}

TEST_CASE("configurations are looked for in known places", "[config][files]")
{
    const auto places = default_config_places("/opt/x/bin/xsvd");
    REQUIRE(places.size() >= 3);
    CHECK(places[0] == "/etc/xsvd/xsvd.conf");
    CHECK(places[1] == "/etc/supervisor/supervisord.conf");
    CHECK(places[2] == "/etc/supervisord.conf");
    if (::geteuid() == 0)
        CHECK(places.size() == 3);
    else
        CHECK(places.back() == "etc/supervisord.conf");
}

TEST_CASE("the tables describe every key", "[config][files]")
{
    const auto all = all_directives();
    CHECK(all.size() > 100);
    for (const DirectiveInfo& info : all) CHECK_FALSE(info.help.empty());
    std::vector<std::string> seen;
    for (const DirectiveInfo& info : all) seen.push_back(info.section + "." + std::string(info.key));
    std::sort(seen.begin(), seen.end());
    CHECK(std::adjacent_find(seen.begin(), seen.end()) == seen.end());
    CHECK(keys_of("unix_http_server:two").size() == 7);
    CHECK(keys_of("nothing").empty());
}

namespace {

/// The machine, with whatever users and folders a file names.
Surroundings lenient_machine()
{
    Surroundings surroundings = Surroundings::real();
    surroundings.read = [](const std::string& path) { return sys::read_config_file(path, false); };
    surroundings.is_directory = [](const std::string&) { return true; };
    surroundings.is_readable_by_others = [](const std::string&) { return false; };
    surroundings.user = [](const std::string& name) -> Result<sys::User> {
        return sys::User{500, 500, name, "/", "/bin/sh", {500}};
    };
    surroundings.group = [](const std::string&) -> Result<gid_t> { return gid_t{500}; };
    surroundings.address = [](const std::string&) -> Result<std::string> { return std::string("192.0.2.7"); };
    return surroundings;
}

const std::filesystem::path kShipped = XSV_CONF_DIR;

}  // namespace

TEST_CASE("the shipped configurations have no mistakes", "[config][files]")
{
    int count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(kShipped)) {
        if (entry.path().extension() != ".conf") continue;
        ++count;
        const Loaded loaded = load(entry.path().string(), {}, lenient_machine());
        CHECK(messages(loaded.mistakes) == Lines{});
        CHECK(messages(loaded.warnings) == Lines{});
    }
    CHECK(count >= 2);
}

TEST_CASE("every setting the shipped file shows behind a semicolon is a valid one", "[config][files]")
{
    const auto text = sys::read_file((kShipped / "xsvd.conf").string(), 1 << 20);
    REQUIRE(text);
    std::string enabled;
    for (const std::string& line : text::split(*text, '\n')) {
        const bool is_setting = line.size() > 1 && line[0] == ';' && line[1] != ' ';
        enabled += (is_setting ? line.substr(1) : line) + "\n";
    }
    auto surroundings = lenient_machine();
    surroundings.match = [](const std::string&) { return std::vector<std::string>{"/conf.d/empty.conf"}; };
    surroundings.read = [&](const std::string& path) -> Result<std::string> {
        return path == "/xsvd.conf" ? enabled : "";
    };
    const Loaded loaded = load("/xsvd.conf", {}, surroundings);
    CHECK(messages(loaded.mistakes) == Lines{});
    CHECK(messages(loaded.warnings) == Lines{});
    CHECK(loaded.config.groups.size() == 2);
}
