#include <catch2/catch.hpp>

#include "config/diff.h"
#include "config/event_types.h"
#include "config/record.h"
#include "unit/config/support.h"

using namespace xsv::config;
using namespace xsv::config::test;

namespace {

const std::string kListener = "[eventlistener:mail]\ncommand=/bin/mail\nevents=tick_60, PROCESS_STATE ,tick_60\n";

Config parsed(const std::string& text)
{
    Loaded loaded = load_text(text);
    CHECK(messages(loaded.mistakes) == Lines{});
    CHECK(messages(loaded.warnings) == Lines{});
    return std::move(loaded.config);
}

Lines mistakes_of(const std::string& text) { return messages(load_text(text).mistakes); }

}  // namespace

TEST_CASE("there are 27 names of events, and a parent stands for all below it", "[config][listener]")
{
    CHECK(kEventNames.size() + kEventParents.size() == 27);
    EventSet all = 0;
    for (std::size_t i = 0; i < kEventNames.size(); ++i) {
        CHECK(events_of(kEventNames[i]) == event_bit(static_cast<EventType>(i)));
        all |= events_of(kEventNames[i]);
    }
    CHECK(events_of("EVENT") == all);
    CHECK(events_of("TICK") == (event_bit(EventType::Tick5) | event_bit(EventType::Tick60) | event_bit(EventType::Tick3600)));
    CHECK(events_of("PROCESS_LOG") == (event_bit(EventType::ProcessLogStdout) | event_bit(EventType::ProcessLogStderr)));
    CHECK(events_of("SUPERVISOR_STATE_CHANGE") == (event_bit(EventType::SupervisorStateChangeRunning) | event_bit(EventType::SupervisorStateChangeStopping)));
    EventSet parents = 0;
    for (const auto& parent : kEventParents)
        if (parent != "EVENT") parents |= events_of(parent);
    CHECK((parents | event_bit(EventType::RemoteCommunication)) == all);
    for (const char* no : {"", "BOGUS", "TICK_", "TICK_6", "PROCESS", "event"}) CHECK(events_of(no) == 0);
}

TEST_CASE("an event listener is an always-on program in a group of its own that starts first", "[config][listener]")
{
    const Config config = parsed("[program:a]\ncommand=/bin/cat\n" + kListener);
    REQUIRE(config.groups.size() == 2);
    const GroupSpec& group = config.groups.front();
    CHECK(group.name == "mail");
    CHECK(group.priority == -1);
    REQUIRE(group.services.size() == 1);
    const ServiceSpec& spec = group.services.front();
    CHECK(spec.policy->priority == 999);
    REQUIRE(spec.listener);
    CHECK(spec.listener->events == std::vector<std::string>{"PROCESS_STATE", "TICK_60"});
    CHECK(spec.listener->buffer_size == 1000);
    CHECK(spec.output->out.listener);
    CHECK_FALSE(spec.output->err.listener);
    CHECK(spec.output->out.is_piped());
}

TEST_CASE("a listener has a pipe for its answers whatever its log is, and a pool has as many as numprocs says", "[config][listener]")
{
    const Config config = parsed(
        "[eventlistener:p]\ncommand=/bin/p\nevents=EVENT\nbuffer_size=7\nnumprocs=3\nprocess_name=%(program_name)s_%(process_num)d\n"
        "stdout_logfile=NONE\npriority=5\nresult_handler=supervisor.dispatchers:default_handler\n");
    REQUIRE(config.groups.size() == 1);
    CHECK(config.groups[0].priority == 5);
    REQUIRE(config.groups[0].services.size() == 3);
    for (const ServiceSpec& spec : config.groups[0].services) {
        CHECK(spec.output->out.is_piped());
        CHECK(spec.listener->buffer_size == 7);
        CHECK(spec.policy->priority == 5);
    }
}

TEST_CASE("what an event listener may not say has Supervisor's words", "[config][listener]")
{
    const std::string head = "[eventlistener:x]\ncommand=/bin/x\n";
    CHECK(mistakes_of(head) == Lines{"/etc/x.conf:1: [eventlistener:x] events: [eventlistener:x] section requires an \"events\" line"});
    CHECK(mistakes_of(head + "events=TICK_5,bogus\n") ==
          Lines{"/etc/x.conf:3: [eventlistener:x] events: Unknown event type BOGUS in [eventlistener:x] events (expected names of events, separated by commas)"});
    CHECK(mistakes_of(head + "events=TICK_5,\n").size() == 1);
    CHECK(mistakes_of(head + "events=EVENT\nbuffer_size=0\n") ==
          Lines{"/etc/x.conf:4: [eventlistener:x] buffer_size: [eventlistener:x] section sets invalid buffer_size (0) (expected a number from 1 to 1000000)"});
    CHECK(mistakes_of(head + "events=EVENT\nbuffer_size=1000001\n").size() == 1);
    CHECK(mistakes_of(head + "events=EVENT\nresult_handler=my.module:handler\n") ==
          Lines{"/etc/x.conf:4: [eventlistener:x] result_handler: my.module:handler cannot be resolved within [eventlistener:x] (expected "
                "supervisor.dispatchers:default_handler)"});
    CHECK(mistakes_of(head + "events=EVENT\nredirect_stderr=true\n") ==
          Lines{"/etc/x.conf:4: [eventlistener:x] redirect_stderr: [eventlistener:x] section sets redirect_stderr=true but this is not allowed "
                "because it will interfere with the eventlistener protocol"});
    CHECK(mistakes_of(kListener + "[group:g]\nprograms=mail\n") ==
          Lines{"/etc/x.conf:5: [group:g] programs: [group:g] names unknown program or fcgi-program mail"});
    CHECK(mistakes_of(kListener + "[program:mail]\ncommand=x\n").size() == 1);
    CHECK(messages(load_text(kListener + "socket=tcp:80\n").warnings) == Lines{"/etc/x.conf:4: [eventlistener:mail] socket: unknown key"});
}

TEST_CASE("a change of events or buffer_size counts, their order does not", "[config][listener][diff]")
{
    const std::string head = "[eventlistener:x]\ncommand=/bin/x\n";
    const auto changed = [&](const std::string& before, const std::string& after) {
        return !diff_groups(parsed(head + before).groups, parsed(head + after).groups).changed.empty();
    };
    CHECK(changed("events=TICK\n", "events=TICK,PROCESS_LOG\n"));
    CHECK(changed("events=TICK\n", "events=TICK\nbuffer_size=5\n"));
    CHECK_FALSE(changed("events=TICK,PROCESS_LOG\n", "events=process_log, tick\n"));
    CHECK_FALSE(changed("events=TICK\n", "events=TICK\nbuffer_size=1000\n"));

    const Diff small = diff(parsed(head + "events=TICK\n"), parsed(head + "events=EVENT\n"));
    REQUIRE(small.changed.size() == 1);
    CHECK(small.changed[0].policy);
    CHECK_FALSE(small.changed[0].exec);
    const Diff kind = diff(parsed("[program:x]\ncommand=/bin/x\n"), parsed(head + "events=EVENT\n"));
    REQUIRE(kind.changed.size() == 1);
    CHECK(kind.changed[0].exec);
}

TEST_CASE("the configuration of record keeps listeners", "[config][listener][record]")
{
    const Config config = parsed(kListener);
    const auto back = decode(encode(config));
    REQUIRE(back);
    CHECK(*back == config);
}
