#include <catch2/catch.hpp>

#include "unit/config/support.h"

using namespace xsv;
using namespace xsv::config;
using namespace xsv::config::test;

namespace {

const std::string kInclude = "[include]\nfiles=conf.d/*.conf\n";

Loaded load_files(std::map<std::string, std::string> files)
{
    return load("/etc/x.conf", {}, machine(std::move(files)));
}

}  // namespace

TEST_CASE("included files are read in order and merged over the main one", "[config][include]")
{
    const Loaded loaded =
        load_files({{"/etc/x.conf", kInclude + "[program:p]\ncommand=main\n"},
                    {"/etc/conf.d/b.conf", "[program:p]\ncommand=b %(here)s\n"},
                    {"/etc/conf.d/a.conf",
                     "[program:p]\ncommand=a\n[program:q]\ncommand=%(here)s\n[supervisord]\nidentifier=inc\n"}});
    CHECK(messages(loaded.mistakes) == Lines{});
    CHECK(messages(loaded.warnings) == Lines{});
    CHECK(loaded.config.daemon.identifier == "inc");
    REQUIRE(loaded.config.groups.size() == 2);
    CHECK(first(loaded).exec.command == "b /etc/conf.d");
    CHECK(first(loaded).place.file == "/etc/x.conf");
    CHECK(loaded.config.groups[1].services[0].exec.command == "/etc/conf.d");
    CHECK(loaded.config.groups[1].services[0].place.file == "/etc/conf.d/a.conf");
}

TEST_CASE("patterns that match nothing, and includes of includes, are warnings", "[config][include]")
{
    CHECK(messages(load_files({{"/etc/x.conf", "[include]\nfiles=a.conf b/*.conf\nfile=x\n"},
                               {"/etc/a.conf", "[include]\nfiles=c.conf\n"}})
                       .warnings) == Lines{"/etc/x.conf:3: [include] file: unknown key; did you mean 'files'?",
                                           "/etc/a.conf:1: [include]: ignored: only the main file can include others",
                                           "/etc/x.conf:2: [include] files: No file matches via include \"/etc/b/*.conf\""});
}

TEST_CASE("a file that includes itself is told so", "[config][include]")
{
    const Loaded loaded = load_files({{"/etc/x.conf", "[include]\nfiles=*.conf\n[program:p]\ncommand=x\n"}});
    CHECK(messages(loaded.mistakes) ==
          Lines{"/etc/x.conf:2: [include] files: \"*.conf\" makes the file include itself"});
    CHECK(first(loaded).broken.empty());
}

TEST_CASE("a bad included file does not stop the others", "[config][include]")
{
    auto surroundings = machine({{"/etc/x.conf", kInclude + "[program:p]\ncommand=x\n"},
                                 {"/etc/conf.d/a.conf", "word\n"},
                                 {"/etc/conf.d/b.conf", std::string("\0", 1)},
                                 {"/etc/conf.d/c.conf", "[program:q\ncommand=x\n"},
                                 {"/etc/conf.d/d.conf", ""}});
    surroundings.read = [read = surroundings.read](const std::string& path) -> Result<std::string> {
        if (path.ends_with("d.conf")) return fail("{} is a directory", path);
        return read(path);
    };
    const Loaded loaded = load("/etc/x.conf", {}, surroundings);
    CHECK_FALSE(loaded.fatal);
    CHECK(messages(loaded.mistakes) == Lines{"/etc/conf.d/a.conf:1: expected 'key = value'",
                                             "/etc/conf.d/b.conf:1: NUL byte: this is not a text file",
                                             "/etc/conf.d/c.conf:1: [program:q]: section header without ']'",
                                             "/etc/conf.d/d.conf: /etc/conf.d/d.conf is a directory"});
    REQUIRE(loaded.config.groups.size() == 2);
    CHECK(loaded.config.groups[0].services[0].broken.empty());
    CHECK_FALSE(loaded.config.groups[1].services[0].broken.empty());
}

TEST_CASE("an include without files is Supervisor's error", "[config][include]")
{
    const Loaded loaded = load_files({{"/etc/x.conf", "[include]\n"}});
    CHECK(loaded.fatal);
    CHECK(messages(loaded.mistakes) ==
          Lines{"/etc/x.conf:1: [include]: .ini file has [include] section, but no files setting"});
    CHECK(load_files({{"/etc/x.conf", "[include]\nfiles=%(nope)s\n"}}).fatal);
}
