#include <catch2/catch.hpp>

#include <cerrno>

#include "xsvctl/commands.h"
#include "xsvctl/completion.h"
#include "xsvctl/describe.h"
#include "xsvctl/diagnosis.h"
#include "xsvctl/lookup.h"
#include "xsvctl/names.h"
#include "xsvctl/options.h"
#include "xsvctl/output.h"
#include "xsvctl/shell.h"

using namespace xsv;
using namespace xsv::xsvctl;
using wire::Value;

namespace {

std::string option_error(std::vector<std::string> arguments)
{
    auto options = parse_options(arguments);
    return options ? "" : options.error().message;
}

}  // namespace

TEST_CASE("options stop at the command, and what follows belongs to it", "[options]")
{
    const auto options = parse_options({"supervisorctl", "-c", "x.conf", "tail", "-f", "web"});
    REQUIRE(options);
    CHECK(options->as_supervisorctl);
    CHECK(options->configuration == "x.conf");
    CHECK(options->words == std::vector<std::string>{"tail", "-f", "web"});
    CHECK_FALSE(options->interactive);
    CHECK(parse_options({"xsvctl", "-cx.conf", "-iuuser"})->username == "user");
    CHECK(parse_options({"xsvctl", "--conf=x.conf"})->configuration == "x.conf");
    CHECK(parse_options({"xsvctl", "--", "-x"})->words == std::vector<std::string>{"-x"});
}

TEST_CASE("without a command the shell is wanted", "[options]")
{
    CHECK(parse_options({"xsvctl"})->interactive);
}

TEST_CASE("wrong options are told in Supervisor's words", "[options]")
{
    CHECK(option_error({"xsvctl", "-x"}) == "option -x not recognized");
    CHECK(option_error({"xsvctl", "--nosuch"}) == "option --nosuch not recognized");
    CHECK(option_error({"xsvctl", "-s"}) == "option -s requires argument");
    CHECK(option_error({"xsvctl", "--serverurl"}) == "option --serverurl requires argument");
    CHECK(option_error({"xsvctl", "--help=x"}) == "option --help must not have an argument");
    CHECK(option_error({"xsvctl", "--h"}) == "option --h not a unique prefix");
    CHECK(option_error({"xsvctl", "-s", "x"}) == "invalid value for -s 'x': value 'x' is not a URL");
    CHECK(option_error({"xsvctl", "-c", "a", "-c", "b"}) == "conflicting command line option '-c'");
}

TEST_CASE("our options do not exist under the name supervisorctl", "[options]")
{
    CHECK(option_error({"/usr/bin/supervisorctl", "--json"}) == "option --json not recognized");
    CHECK(parse_options({"supervisorctl", "status", "--json"})->words.size() == 2);
    const auto ours = parse_options({"xsvctl", "status", "--json"});
    CHECK(ours->json);
    CHECK(ours->words == std::vector<std::string>{"status"});
}

TEST_CASE("a line is a name and what follows it", "[shell]")
{
    CHECK(parse_line("  start a  b ").command == "start");
    CHECK(parse_line("  start a  b ").arguments == "a  b");
    CHECK(parse_line("status;pid").command == "status");
    CHECK(parse_line("status;pid").arguments == ";pid");
    CHECK(parse_line("?start").command == "help");
    CHECK(parse_line("?start").arguments == "start");
    CHECK_FALSE(parse_line("!x").command);
    CHECK_FALSE(parse_line("-x").command);
    CHECK(parse_line(" \t ").line.empty());
}

TEST_CASE("names of programs and groups", "[names]")
{
    CHECK(split_name("web").group == "web");
    CHECK(split_name("web").process == "web");
    CHECK(split_name("g:p").process == "p");
    CHECK(split_name("g:p:q").process == "p:q");
    CHECK(split_name("g:*").whole_group);
    CHECK(split_name("g:").whole_group);
    CHECK(join_name("g", "p") == "g:p");
    CHECK(join_name("p", "p") == "p");
}

TEST_CASE("columns go down first and are padded to their widest item", "[names]")
{
    CHECK(columns({"a", "bb", "c", "d", "e"}, 7) == "a   d\nbb  e\nc \n");
    CHECK(columns({"only"}, 10) == "only\n");
    CHECK(columns({"long-one", "long-two"}, 3) == "long-one\nlong-two\n");
}

TEST_CASE("the number of tail is read as Python reads it", "[names]")
{
    long long value = 0;
    CHECK((python_int("100", value) && value == 100));
    CHECK((python_int("-5", value) && value == -5));
    CHECK((python_int("+1_000", value) && value == 1000));
    for (const char* bad : {"", "-", "x", "1_", "_1", "1__0", "1.5", "99999999999999999999"})
        CHECK_FALSE(python_int(bad, value));
}

TEST_CASE("escape sequences of a log are made visible, text is not", "[output]")
{
    Visible visible;
    CHECK(visible("a\tb\n") == "a\tb\n");
    CHECK(visible("\x1b[31mred\r\x7f") == "\\x1b[31mred\\x0d\\x7f");
    CHECK(visible("gr\xc3\xbc\xc3\x9f"
                  "e \xf0\x9f\x98\x80") ==
          "gr\xc3\xbc\xc3\x9f"
          "e \xf0\x9f\x98\x80");
    CHECK(visible("\xc2\x9b"
                  "31m") == "\\xc2\\x9b31m");
    CHECK(visible("\xff\xc0\x80") == "\\xff\\xc0\\x80");
}

TEST_CASE("a character cut in two by the end of a chunk comes out whole", "[output]")
{
    Visible visible;
    CHECK(visible("x\xe2\x82") == "x");
    CHECK(visible("\xac y") == "\xe2\x82\xac y");
    CHECK(visible("\xe2\x82") == "");
    CHECK(visible("z") == "\\xe2\\x82z");
    CHECK(visible("\xe2") == "");
    CHECK(visible.rest() == "\\xe2");
}

TEST_CASE("errors are named as Supervisor's client names them", "[errors]")
{
    using enum CallError::Kind;
    CHECK(CallError{System, ECONNREFUSED, ""}.exception() ==
          "<class 'ConnectionRefusedError'>, [Errno 111] Connection refused");
    CHECK(CallError{Fault, 6, "SHUTDOWN_STATE"}.exception() ==
          "<class 'xmlrpc.client.Fault'>, <Fault 6: 'SHUTDOWN_STATE'>");
    CHECK(CallError{Fault, 92, "it's"}.exception() == "<class 'xmlrpc.client.Fault'>, <Fault 92: \"it's\">");
    CHECK(CallError{Http, 401, "Unauthorized"}.exception() ==
          "<class 'xmlrpc.client.ProtocolError'>, <ProtocolError for 127.0.0.1/RPC2: 401 Unauthorized>");
}

TEST_CASE("our reload replaces Supervisor's, except under its name", "[commands]")
{
    CHECK(find_command("reload", false)->ours);
    CHECK_FALSE(find_command("reload", true)->ours);
    CHECK(find_command("why", true) == nullptr);
    CHECK(find_command("nosuch", false) == nullptr);
    for (const Command& command : supervisor_commands()) CHECK(command.run != nullptr);
    for (const Command& command : own_commands()) CHECK(command.run != nullptr);
    CHECK(supervisor_commands().size() + 0 == 21);
}

TEST_CASE("every shell's completion knows every command", "[completion]")
{
    for (const char* shell : {"bash", "zsh", "fish"}) {
        const auto script = completion_script(shell);
        REQUIRE(script);
        for (const auto& name : command_names(false)) CHECK(script->find(name) != std::string::npos);
        for (const char* left : {"@C", "@F", "@N", "@O", "@V"}) CHECK(script->find(left) == std::string::npos);
    }
    CHECK_FALSE(completion_script("csh"));
}

TEST_CASE("the advice tells the four cases apart", "[diagnosis]")
{
    using enum CallError::Kind;
    const Server server{"unix:///run/x.sock", {}, {}};
    const auto advice = [&](int error, const std::vector<Instance>& others = {}) {
        return advise({System, error, ""}, server, "/etc/x.conf", others);
    };
    CHECK(advice(ENOENT).find("not running") != std::string::npos);
    CHECK(advice(ENOENT).find("xsvd -c /etc/x.conf") != std::string::npos);
    CHECK(advice(ECONNREFUSED).find("stale socket") != std::string::npos);
    CHECK(advice(EACCES).find("no permission") != std::string::npos);
    const auto other = advice(ENOENT, {{"/run/xsvd/y", 17, "/etc/y.conf"}});
    CHECK(other.find("another configuration") != std::string::npos);
    CHECK(other.find("xsvctl -c /etc/y.conf") != std::string::npos);
    CHECK(advise({Fault, 10, "BAD_NAME"}, server, "", {}).empty());
}

TEST_CASE("a daemon's folder counts only while its lock is held", "[diagnosis]")
{
    CHECK(living_instances({"/no/such/folder"}).empty());
    CHECK_FALSE(is_answering("/no/such/socket"));
    CHECK_FALSE(is_answering(std::string(200, 'x')));
}

TEST_CASE("show prints what a program has to say, also what this client never heard of", "[describe]")
{
    const Value row =
        Value::Struct{{"name", "web"},
                      {"group", "web"},
                      {"state", 20},
                      {"statename", "RUNNING"},
                      {"description", "pid 0, uptime 0:00:01"},
                      {"sockets", Value::Array{"tcp:80", "unix:/x"}},
                      {"memory_bytes", std::int64_t{1536 * 1024}},
                      {"restarts", 0},
                      {"brand_new", Value::Struct{{"a", 1}, {"b", ""}}},
                      {"callers", Value::Array{Value::Struct{{"from", "::1"}}, Value::Struct{{"from", "::2"}}}}};
    const std::string text = describe_program(row);
    CHECK(text.starts_with("web                              RUNNING   pid 0, uptime 0:00:01\n"));
    CHECK(text.find("  sockets           tcp:80, unix:/x\n") != std::string::npos);
    CHECK(text.find("1.5 MiB") != std::string::npos);
    CHECK(text.find("restarts") == std::string::npos);
    CHECK(text.find("  brand new         a 1\n") != std::string::npos);
    CHECK(text.find("  callers           from ::1\n                    from ::2\n") != std::string::npos);
}

namespace {

Value::Array processes(std::vector<std::pair<std::string, std::string>> names)
{
    Value::Array all;
    for (auto& [group, name] : names) all.emplace_back(Value::Struct{{"group", group}, {"name", name}});
    return all;
}

}  // namespace

TEST_CASE("a bare name means the one process that has it, whichever its group", "[names]")
{
    const auto all = processes({{"sleeper", "sleeper"}, {"grp", "ga"}, {"grp", "both"}, {"other", "both"}, {"many", "many_00"}});
    CHECK(meaning_of(all, "ga").name == "grp:ga");
    CHECK(meaning_of(all, "many_00").name == "many:many_00");
    CHECK(meaning_of(all, "sleeper").name == "sleeper");
    CHECK(meaning_of(all, "both").name.empty());
    CHECK(meaning_of(all, "other:ga").name.empty());
}

TEST_CASE("a name nobody has is answered with what may have been meant", "[names]")
{
    const auto all = processes({{"sleeper", "sleeper"}, {"grp", "both"}, {"other", "both"}});
    CHECK(meaning_of(all, "both").hint == "xsvctl: both is in 2 groups: say grp:both or other:both");
    CHECK(meaning_of(all, "grp").hint == "xsvctl: grp is a group: grp:* means all of its processes");
    CHECK(meaning_of(all, "sleper").hint == "xsvctl: did you mean sleeper?");
    CHECK(meaning_of(all, "gpr:*").hint == "xsvctl: did you mean grp:*?");
    CHECK(meaning_of(all, "somethingelse").hint.empty());
    CHECK(meaning_of({}, "x").hint.empty());
}

TEST_CASE("the option for the history is known by both of Supervisor's spellings", "[options]")
{
    CHECK(parse_options({"xsvctl", "--history-file", "x"})->history_file == "x");
    CHECK(parse_options({"xsvctl", "--history_file=x"})->history_file == "x");
    CHECK(option_error({"supervisorctl", "--history-file", "x"}) == "option --history-file not recognized");
}
