#include <catch2/catch.hpp>

#include "xinetd_support.h"

using namespace xsv;
using namespace xsv::config;
using namespace xsv::config::test;

TEST_CASE("a plain entry of xinetd is a section with its switches written out", "[config][xinetd]")
{
    const Translation done = read("service rsync\n{\n\tsocket_type = stream\n\twait\t= no\n\tuser = root\n\tserver = /usr/bin/rsync\n\tserver_args = --daemon -v\n}\n");
    CHECK(remarks_of(done) == Lines{});
    CHECK(keys_of(done, "rsync") == Keys{{"socket", "tcp:873"}, {"activation", "per_connection"}, {"socket_pass", "stdio_all"},
                                         {"command", "/usr/bin/rsync --daemon -v"}, {"argv0", "rsync"}, {"user", "root"}, {"supplementary_groups", ""},
                                         {"directory", "/"}, {"umask", "022"}, {"limits", "nofile=4096"}, {"inherit_env", "yes"},
                                         {"max_instances", "0"}, {"max_rate", "50/1s"}, {"overload", "refuse"}, {"connection_log", "none"}});
    const IniSection& section = done.sections.front();
    CHECK(section.place.line == 1);
    const auto wait = std::find_if(section.keys.begin(), section.keys.end(), [](const IniKey& key) { return key.name == "activation"; });
    CHECK(wait->place.line == 4);
    CHECK(wait->place.file == "/etc/xinetd.conf");
}

TEST_CASE("a wait entry of xinetd is started on demand and has no limits of connections", "[config][xinetd]")
{
    const Translation done = read("service tftp\n{\n socket_type = dgram\n wait = yes\n user = www\n server = /usr/sbin/in.tftpd\n server_args = -s /srv\n}\n");
    CHECK(remarks_of(done) == Lines{});
    CHECK(keys_of(done, "tftp") == Keys{{"socket", "udp:69"}, {"activation", "on_demand"}, {"socket_pass", "stdio_all"},
                                        {"command", "/usr/sbin/in.tftpd -s /srv"}, {"argv0", "in.tftpd"}, {"user", "www"}, {"supplementary_groups", ""},
                                        {"directory", "/"}, {"umask", "022"}, {"limits", "nofile=4096"}, {"inherit_env", "yes"},
                                        {"backoff_max", "10s"}, {"connection_log", "none"}});
}

TEST_CASE("what a section says is what load reads", "[config][xinetd]")
{
    const Loaded loaded = load("/etc/xsvd.conf", {}, machine_with({{"/etc/xsvd.conf", "[supervisord]\n[include]\nxinetd = /etc/xinetd.conf\n"},
                                                                   {"/etc/xinetd.conf", "service ftp\n{\n socket_type = stream\n wait = no\n user = git\n server = /bin/f\n server_args = 100% 'a\n only_from = 10.0.0.0\n instances = 4\n env = A=1 B=x,y\n}\n"}}));
    REQUIRE(loaded.mistakes.empty());
    const ServiceSpec& spec = first(loaded);
    CHECK(spec.name == "ftp");
    CHECK(spec.broken.empty());
    CHECK(spec.exec.command == "/bin/f 100% ''\"'\"'a'");
    CHECK(spec.exec.argv0 == "f");
    CHECK(spec.exec.directory == "/");
    CHECK(spec.exec.uid == uid_t{500});
    CHECK(spec.exec.gid == gid_t{501});
    CHECK(spec.exec.groups.empty());
    CHECK(spec.exec.umask == mode_t{022});
    CHECK(spec.exec.socket_pass == SocketPass::StdioAll);
    CHECK(spec.exec.activation == Activation::PerConnection);
    CHECK(spec.exec.environment == Environment{{"A", "1"}, {"B", "x,y"}});
    CHECK(spec.policy->max_instances == 4);
    CHECK(spec.policy->overload == Overload::Refuse);
    REQUIRE(spec.policy->allow.size() == 1);
    CHECK(spec.policy->allow[0].text == "10.0.0.0/8");
    REQUIRE(spec.sockets.endpoints.size() == 1);
    CHECK(spec.sockets.endpoints[0].text() == "tcp:21");
}

TEST_CASE("mistakes in another daemon's files refuse no reload", "[config][xinetd]")
{
    const auto load_with = [](const std::string& own, const std::string& theirs) {
        return load("/etc/xsvd.conf", {}, machine_with({{"/etc/xsvd.conf", "[supervisord]\n[include]\nxinetd = /etc/xinetd.conf\n" + own}, {"/etc/xinetd.conf", theirs}}));
    };
    const Loaded theirs = load_with("", service("x", " flags = IDONLY\n") + service("y", " bind = 127.0.0.1\n") + service("z", " bind = 127.0.0.2\n group = nosuch\n"));
    CHECK(theirs.mistakes.size() == 2);
    CHECK(theirs.refusals().empty());
    REQUIRE(theirs.config.groups.size() == 3);
    CHECK_FALSE(theirs.config.groups[0].services[0].broken.empty());
    CHECK(theirs.config.groups[1].services[0].broken.empty());
    CHECK_FALSE(theirs.config.groups[2].services[0].broken.empty());
    CHECK(load_with("[program:own]\ncommand = /b\nstartsecs = soon\n", "").refusals().size() == 1);
}

// ---- 2.1: the grammar and its mistakes ------------------------------------------------------------------------------

TEST_CASE("xinetd: comments, blanks and case", "[config][xinetd][grammar]")
{
    const Translation done = read("# a\n\n  SERVICE  x  \n\t{ \n # c\n\tTYPE = unlisted\n Port = 4000\n SOCKET_TYPE = Stream\n wait = NO\n user = git\n server = /bin/echo\n server_args = a # b\n \t}\t\n");
    CHECK(keys_of(done, "x")["command"] == "/bin/echo a '#' b");
    CHECK(remarks_of(done) == Lines{"warning xinetd.conf:12 x server_args: '#' and what follows it are arguments: a comment has its own line"});
    CHECK(remarks_with(" server_args = -c \"a b\"\n") == Lines{"warning xinetd.conf:9 x server_args: \"a: quotes are letters of the argument"});
    CHECK(with(" server_args = -c \"a b\"\n")["command"] == "/bin/cat -c '\"a' 'b\"'");
}

TEST_CASE("xinetd: without blanks around the operator the whole service is dropped", "[config][xinetd][grammar]")
{
    for (const std::string line : {"nice=5", "nice= 5", "nice =5", "nice", "nice := 5"}) {
        const Translation done = read(service("x", " " + line + "\n") + service("y", " port = 4001\n"));
        CAPTURE(line);
        CHECK(remarks_of(done).front() == "mistake xinetd.conf:9 x: expected 'attribute = value' with blanks around the '=', got '" + line + "'");
        CHECK(names_of(done) == Lines{"x", "y"});
    }
}

TEST_CASE("xinetd: a brace that is not alone in its line", "[config][xinetd][grammar]")
{
    const Translation done = read("service x {\n type = UNLISTED\n}\n" + service("y", ""));
    CHECK(remarks_of(done).front() == "mistake xinetd.conf:2 x: expected '{' alone in the line below 'service x'");
    CHECK(keys_of(done, "y")["socket"] == "tcp:4000");

    // The line in question is used up: xinetd looks for the next '}'.
    const Translation eaten = read("service x\n}\n" + service("y", ""));
    CHECK(remarks_of(eaten)[0] == "mistake xinetd.conf:2 x: expected '{' alone in the line below 'service x'");
    CHECK(remarks_of(eaten)[1] == "mistake xinetd.conf:3 x: expected '}' before the next entry");
    CHECK(names_of(eaten) == Lines{"x", "y"});
}

TEST_CASE("xinetd: the end of the file before the brace drops the service", "[config][xinetd][grammar]")
{
    std::string text = service("x", "");
    text.resize(text.size() - 2);
    CHECK(remarks_of(read(text)) == Lines{"mistake xinetd.conf:8 x: the file ends before the '}' of the entry"});
    CHECK(remarks_of(read("service x\n")).front() == "mistake xinetd.conf:1 x: expected '{' in the next line, the file ends");
}

TEST_CASE("xinetd: a missing brace loses both entries", "[config][xinetd][grammar]")
{
    const std::string one = service("x", "");
    const Translation done = read(one.substr(0, one.size() - 2) + service("y", " port = 4001\n") + service("z", ""));
    CHECK(remarks_of(done)[0] == "mistake xinetd.conf:9 x: expected '}' before the next entry");
    CHECK(remarks_of(done)[1] == "mistake xinetd.conf:9 y: xinetd skips this entry because of the missing '}' of 'x' before it");
    CHECK(names_of(done) == Lines{"x", "y", "z"});
}

TEST_CASE("xinetd: a brace too many", "[config][xinetd][grammar]")
{
    const Translation at_end = read(service("x", "") + "}\n\n# end\n");
    CHECK(remarks_of(at_end) == Lines{"warning xinetd.conf:10: a '}' too many"});
    CHECK(names_of(at_end) == Lines{"x"});

    const Translation in_between = read(service("x", "") + "}\n" + service("y", "") + service("z", " id = q\n bind = 127.0.0.1\n"));
    CHECK(remarks_of(in_between).front() == "mistake xinetd.conf:11 y: xinetd skips this entry because of a '}' too many before it");
    CHECK(names_of(in_between) == Lines{"x", "y", "q"});
    CHECK(remarks_of(read("}\nincludedir /etc/x.d\n")) == Lines{"mistake xinetd.conf:2 includedir: xinetd skips this because of a '}' too many before it"});
}

TEST_CASE("xinetd: what is no entry", "[config][xinetd][grammar]")
{
    CHECK(remarks_of(read("ftp stream tcp nowait root /bin/f f\n")) ==
          Lines{"mistake xinetd.conf:1: expected service, defaults, include or includedir, got 'ftp stream tcp nowait root /bin/f f'; all up to the next '}' is skipped"});
    CHECK(remarks_of(read("service\n{\n}\n")) == Lines{"mistake xinetd.conf:1 service: expected a name behind it"});
    CHECK(remarks_of(read("include\n")) == Lines{"mistake xinetd.conf:1 include: expected a path behind it"});
    CHECK(remarks_of(read(std::string("service x\0", 10))) == Lines{"mistake xinetd.conf:1: NUL byte: this is not a text file"});
    CHECK(remarks_of(read("# a\r\n\r\n")) == Lines{"warning xinetd.conf:1: lines end in CR LF; xinetd would take the CR for a part of the last value"});
}

TEST_CASE("xinetd: lines that are ignored", "[config][xinetd][grammar]")
{
    CHECK(remarks_with(" colour = red\n") == Lines{"warning xinetd.conf:9 x colour: unknown attribute, ignored"});
    CHECK(remarks_with(" usr = red\n") == Lines{"warning xinetd.conf:9 x usr: unknown attribute, ignored; did you mean 'user'?"});
    CHECK(remarks_with(" enabled = x\n") == Lines{"warning xinetd.conf:9 x enabled: belongs into defaults, ignored"});
    CHECK(remarks_with(" mdns = no\n") == Lines{"warning xinetd.conf:9 x mdns: ignored: services are not announced"});
    CHECK(remarks_with(" user = www\n") == Lines{"warning xinetd.conf:9 x user: given twice, the first one counts"});
    CHECK(with(" user = www\n")["user"] == "git");
    CHECK(remarks_with(" nice = 1 2\n") == Lines{"warning xinetd.conf:9 x nice: expected 1 value, got 2: the line is ignored"});
    CHECK(remarks_with(" cps = 1\n") == Lines{"warning xinetd.conf:9 x cps: expected 2 values, got 1: the line is ignored"});
    CHECK(remarks_with(" nice += 1\n") == Lines{"warning xinetd.conf:9 x nice: '+=' is for lists only, the line is ignored"});
    CHECK(remarks_with(" nice -= 1\n") == Lines{"warning xinetd.conf:9 x nice: '-=' is for lists only, the line is ignored"});
    // A line that was ignored is not the first one.
    CHECK(with(" nice = 1 2\n nice = 3\n")["nice"] == "3");
}

TEST_CASE("xinetd: a missing attribute or a bad value stops the service, all of them are told", "[config][xinetd][grammar]")
{
    CHECK(remarks_of(read("service ftp\n{\n}\n")) ==
          Lines{"mistake xinetd.conf:1 ftp socket_type: missing", "mistake xinetd.conf:1 ftp wait: missing", "mistake xinetd.conf:1 ftp server: missing", "mistake xinetd.conf:1 ftp user: missing"});
    CHECK(remarks_of(read("service x\n{\n type = UNLISTED\n socket_type = stream\n wait = maybe\n user = git\n server = /bin/cat\n}\n")) ==
          Lines{"mistake xinetd.conf:5 x wait: expected yes or no, got 'maybe'", "mistake xinetd.conf:1 x port: missing: type = UNLISTED needs it"});
}

// ---- includes -------------------------------------------------------------------------------------------------------

TEST_CASE("xinetd: the files of a folder, by the names that xinetd reads", "[config][xinetd][include]")
{
    const auto entry = [](const char* name, int port) { return "service " + std::string(name) + "\n{\n type = UNLISTED\n port = " + std::to_string(port) + "\n socket_type = stream\n wait = no\n user = git\n server = /bin/cat\n}\n"; };
    const Translation done = read({{"/etc/xinetd.conf", "includedir /etc/xinetd.d/\n" + entry("last", 1)},
                                   {"/etc/xinetd.d/a", entry("a", 2)}, {"/etc/xinetd.d/b.conf", entry("b", 3)}, {"/etc/xinetd.d/c~", entry("c", 4)},
                                   {"/etc/xinetd.d/.d", entry("d", 5)}, {"/etc/xinetd.d/#e#", entry("e", 6)}, {"/etc/xinetd.d/f.rpmsave", entry("f", 7)},
                                   {"/etc/xinetd.d/Z", entry("z", 8)}});
    CHECK(names_of(done) == Lines{"e", "z", "a", "last"});
    CHECK(done.files == Lines{"/etc/xinetd.conf", "/etc/xinetd.d/#e#", "/etc/xinetd.d/Z", "/etc/xinetd.d/a"});
    CHECK(remarks_of(done) == Lines{});
}

TEST_CASE("xinetd: include, and what goes wrong with it", "[config][xinetd][include]")
{
    CHECK(names_of(read({{"/etc/xinetd.conf", "include /etc/more.conf\n"}, {"/etc/more.conf", service("m", "")}})) == Lines{"m"});
    CHECK(remarks_of(read("include /etc/none\n")) == Lines{"mistake xinetd.conf:1 include: could not find config file /etc/none"});
    CHECK(remarks_of(read("includedir /etc/none\n")) == Lines{"warning xinetd.conf:1 includedir: there is no folder '/etc/none'"});
    CHECK(remarks_of(read({{"/etc/xinetd.conf", "include /etc/a\n"}, {"/etc/a", "\ninclude /etc/xinetd.conf\n"}})) ==
          Lines{"mistake a:2 include: '/etc/xinetd.conf' includes itself: /etc/xinetd.conf > /etc/a"});
    CHECK(remarks_of(translate_xinetd({"/none"}, machine_with({}), {})) == Lines{"mistake none:0: could not find config file /none"});
}

// ---- 2.2: defaults --------------------------------------------------------------------------------------------------

TEST_CASE("xinetd: defaults are filled in, wherever they stand", "[config][xinetd][defaults]")
{
    const std::string defaults = "defaults\n{\n instances = 7\n per_source = 2\n cps = 5 30\n max_load = 2.5\n umask = 077\n groups = yes\n bind = 127.0.0.1\n}\n";
    for (const std::string& text : {defaults + service("x", ""), service("x", "") + defaults}) {
        Keys keys = keys_of(read(text), "x");
        CHECK(keys["max_instances"] == "7");
        CHECK(keys["max_per_source"] == "2");
        CHECK(keys["max_rate"] == "5/1s");
        CHECK(keys["max_load"] == "2.5");
        CHECK(keys["umask"] == "077");
        CHECK_FALSE(keys.contains("supplementary_groups"));
        CHECK(keys["socket"] == "tcp:127.0.0.1:4000");
    }
    Keys own = keys_of(read(defaults + service("x", " instances = UNLIMITED\n per_source = UNLIMITED\n cps = 0 0\n umask = 2\n groups = no\n bind = 10.0.0.1\n")), "x");
    CHECK(own["max_instances"] == "0");
    CHECK_FALSE(own.contains("max_per_source"));
    CHECK_FALSE(own.contains("max_rate"));
    CHECK(own["umask"] == "002");
    CHECK(own.contains("supplementary_groups"));
    CHECK(own["socket"] == "tcp:10.0.0.1:4000");
}

TEST_CASE("xinetd: lists are copied from defaults that stand above", "[config][xinetd][defaults]")
{
    const std::string defaults = "defaults\n{\n only_from = 10.0.0.0\n only_from = 11.0.0.0\n no_access += 10.1.0.0\n log_on_failure = HOST\n banner = /b\n}\n";
    Keys below = keys_of(read(defaults + service("x", "")), "x");
    CHECK(below["allow_from"] == "10.0.0.0/8, 11.0.0.0/8");
    CHECK(below["deny_from"] == "10.1.0.0/16");
    CHECK(below["access_order"] == "deny_first");
    CHECK(below["connection_log_failure"] == "host");
    CHECK(below["greeting"] == "/b");
    CHECK(below["refusal"] == "/b");

    const Translation done = read(service("x", "") + defaults);
    Keys above = keys_of(done, "x");
    CHECK_FALSE(above.contains("allow_from"));
    CHECK(above["connection_log"] == "none");
    CHECK(remarks_of(done)[0] == "warning xinetd.conf:12 only_from: does not count for the 1 entry above it, such as 'x'");

    CHECK(keys_of(read(defaults + service("x", " only_from = 192.0.2.1\n")), "x")["allow_from"] == "192.0.2.1");
    CHECK(keys_of(read(defaults + service("x", " only_from += 192.0.2.1\n")), "x")["allow_from"] == "10.0.0.0/8, 11.0.0.0/8, 192.0.2.1");
    CHECK(keys_of(read(defaults + service("x", " only_from -= 11.0.0.0\n")), "x")["allow_from"] == "10.0.0.0/8");
    CHECK(keys_of(read(defaults + service("x", " banner = /own\n")), "x")["greeting"] == "/own");
}

TEST_CASE("xinetd: one defaults entry a file, and what does not belong there", "[config][xinetd][defaults]")
{
    const Translation twice = read("defaults\n{\n instances = 1\n}\ndefaults\n{\n instances = 2\n}\n" + service("x", ""));
    CHECK(keys_of(twice, "x")["max_instances"] == "1");
    CHECK(remarks_of(twice) == Lines{"warning xinetd.conf:5 defaults: ignored: the file has one already"});
    // An included file may bring its own: what is set already stays.
    const Translation included = read({{"/etc/xinetd.conf", "defaults\n{\n instances = 1\n}\ninclude /etc/a\n" + service("x", "")}, {"/etc/a", "defaults\n{\n instances = 2\n per_source = 3\n}\n"}});
    CHECK(keys_of(included, "x")["max_instances"] == "1");
    CHECK(keys_of(included, "x")["max_per_source"] == "3");
    CHECK(remarks_of(read("defaults\n{\n user = git\n}\n")) == Lines{"warning xinetd.conf:3 user: does not belong into defaults, ignored"});
    CHECK(remarks_of(read("defaults\n{\n only_from=10.0.0.0\n}\n" + service("x", ""))) ==
          Lines{"mistake xinetd.conf:3 defaults: expected 'attribute = value' with blanks around the '=', got 'only_from=10.0.0.0'",
                "mistake xinetd.conf:3 x: not started: the defaults cannot be read to their end"});
    // xinetd would exit.
    CHECK(remarks_of(read("defaults\n{\n instances = many\n}\n" + service("x", ""))) == Lines{"mistake xinetd.conf:3 x instances: expected a number from 0 to 2147483647, got 'many'"});
}

TEST_CASE("xinetd: enabled, disabled and disable", "[config][xinetd][defaults]")
{
    const auto state = [](const std::string& defaults, const std::string& lines = "") {
        Keys keys = keys_of(read("defaults\n{\n" + defaults + "}\n" + service("x", " id = Mine\n" + lines)), "Mine");
        return keys.contains("autostart") ? keys["autostart"] : "yes";
    };
    CHECK(state("") == "yes");
    CHECK(state(" enabled = other\n") == "no");
    CHECK(state(" enabled = x\n") == "no");   // the name is no id
    CHECK(state(" enabled = other\n enabled += mine\n") == "yes");
    CHECK(state(" disabled = mine\n") == "no");
    CHECK(state(" enabled = mine\n disabled = mine\n") == "no");
    CHECK(state(" enabled = mine\n", " disable = yes\n") == "no");
    CHECK(state("", " disable = no\n disable = yes\n") == "yes");
    CHECK(remarks_with(" disable = perhaps\n") == Lines{"mistake xinetd.conf:9 x disable: expected yes or no, got 'perhaps'"});
}

TEST_CASE("xinetd: mistakes of a disabled entry are warnings, and it is left out", "[config][xinetd][defaults]")
{
    const Translation done = read(service("x", " disable = yes\n nice = high\n"));
    CHECK(names_of(done).empty());
    CHECK(remarks_of(done) == Lines{"warning xinetd.conf:10 x nice: expected a number from -2147483648 to 2147483647, got 'high' (the entry is disabled, and left out)"});
    CHECK(names_of(read("service x\n{\n type = UNLISTED\n port = 1\n socket_type = stream\n wait = no\n user = nosuch\n server = /b\n disable = yes\n}\n")).empty());
}

// ---- 2.3: ids -------------------------------------------------------------------------------------------------------

TEST_CASE("xinetd: ids name the sections", "[config][xinetd][id]")
{
    const std::string udp = "service rsync\n{\n socket_type = dgram\n wait = yes\n user = git\n server = /b\n}\n";
    const std::string tcp = "service rsync\n{\n socket_type = stream\n wait = no\n user = git\n server = /b\n}\n";
    CHECK(names_of(read(tcp + udp)) == Lines{"rsync", "rsync-udp"});
    CHECK(names_of(read(udp + tcp)) == Lines{"rsync", "rsync-2"});
    CHECK(names_of(read(service("x", " id = a:b/c\n"))) == Lines{"a_b_c"});
    CHECK(names_of(read(service("x", " id = \xff\xfe\n"))) == Lines{"__"});
    // The entry that is on has the plain name.
    CHECK(names_of(read(service("x", " disable = yes\n") + service("x", " bind = 10.0.0.1\n"))) == Lines{"x-2", "x"});
    CHECK(names_of(read(service(std::string(80, 'x'), "")))[0].size() == 56);
}

TEST_CASE("xinetd: the second entry of one socket does not start", "[config][xinetd][id]")
{
    CHECK(remarks_of(read(service("x", "") + service("y", ""))) == Lines{"mistake xinetd.conf:10 y: tcp:4000 is the socket of 'x' already"});
    CHECK(remarks_of(read(service("x", "") + service("y", " bind = 127.0.0.1\n"))) == Lines{});
    CHECK(remarks_of(read(service("x", " disable = yes\n") + service("y", ""))) == Lines{});
}
