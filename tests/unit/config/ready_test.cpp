#include <csignal>

#include <catch2/catch.hpp>

#include "config/diff.h"
#include "config/record.h"
#include "unit/config/support.h"

using namespace xsv::config;
using namespace xsv::config::test;
using namespace std::chrono_literals;

namespace {

ServiceSpec program(const std::string& keys)
{
    const Loaded loaded = load_text("[program:p]\ncommand=/bin/cat\n" + keys);
    INFO(keys);
    CHECK(messages(loaded.mistakes) == Lines{});
    CHECK(messages(loaded.warnings) == Lines{});
    return loaded.config.groups.at(0).services.at(0);
}

Lines mistakes_of(const std::string& keys) { return messages(load_text("[program:p]\ncommand=/bin/cat\n" + keys).mistakes); }
Lines warnings_of(const std::string& keys) { return messages(load_text("[program:p]\ncommand=/bin/cat\n" + keys).warnings); }

}  // namespace

TEST_CASE("ready says how a program tells that it is", "[config][ready]")
{
    CHECK(program("").ready == Ready{});
    CHECK(program("ready=exec\n").ready->when == ReadyWhen::Exec);
    CHECK(program("ready=startsecs\n").ready->when == ReadyWhen::StartSecs);
    CHECK(program("ready=fork\npid_file=x.pid\n").ready->pid_file == "/folder/x.pid");
    CHECK(program("ready=exit\nremain_after_exit=yes\n").restarts->remain_after_exit);
    CHECK(program("ready=fd:5\n").ready->fd == 5);
    CHECK(program("ready=connect:tcp:127.0.0.1:80\n").ready->connect_to->port == 80);
    CHECK(program("ready=connect\nsocket=tcp:80\nproxy_to=tcp:127.0.0.1:81\n").ready->connect_to->port == 81);
    CHECK(program("ready=notify\n").policy->start_timeout == 90s);
    CHECK(program("ready=exit\n").policy->start_timeout == 0s);  // a job may take its time
    CHECK(program("ready=exit\nstart_timeout=5\n").policy->start_timeout == 5s);

    CHECK(mistakes_of("ready=soon\n") ==
          Lines{"/etc/x.conf:3: [program:p] ready: expected exec, startsecs, notify, fd:N, connect, connect:ENDPOINT, exit or fork, "
                "got 'soon'"});
    CHECK(mistakes_of("ready=fd:2\n") == Lines{"/etc/x.conf:3: [program:p] ready: expected fd: and a number from 3 to 1023, got 'fd:2'"});
    CHECK(mistakes_of("ready=fd:4\nsocket=tcp:1,tcp:2\n") ==
          Lines{"/etc/x.conf:3: [program:p] ready: descriptor 4 is one of the program's sockets: expected fd:5 or more"});
    CHECK(mistakes_of("ready=connect\n").size() == 1);
    CHECK(mistakes_of("ready=connect:udp:5\n") == Lines{"/etc/x.conf:3: [program:p] ready: nobody can be connected to udp:5 "
                                                        "(expected exec, startsecs, notify, fd:N, connect, connect:ENDPOINT, exit or fork)"});
    CHECK(warnings_of("pid_file=/x\n").size() == 1);
    CHECK(warnings_of("remain_after_exit=yes\n").size() == 1);
    CHECK(warnings_of("ready=notify\nsocket=tcp:1\nactivation=per_connection\n").size() == 1);
    CHECK(load_text("[eventlistener:l]\ncommand=x\nevents=EVENT\nready=notify\n").config.groups.at(0).services.at(0).ready == Ready{});
}

TEST_CASE("notify_access is main where notifications are needed", "[config][ready]")
{
    CHECK(program("").ready->access == NotifyAccess::None);
    CHECK(program("ready=notify\n").ready->access == NotifyAccess::Main);
    CHECK(program("watchdog=5\n").ready->access == NotifyAccess::Main);
    CHECK(program("fdstore_max=5\n").ready->access == NotifyAccess::Main);
    CHECK(program("notify_access=all\n").ready->access == NotifyAccess::All);
    CHECK(mistakes_of("ready=notify\nnotify_access=none\n") ==
          Lines{"/etc/x.conf:4: [program:p] notify_access: ready = notify needs main, exec or all"});
    CHECK(mistakes_of("fdstore_max=129\n").size() == 1);
}

TEST_CASE("words for what follows an end", "[config][ready]")
{
    const ServiceSpec spec = program("autorestart=on_abnormal\nexitcodes=0,3,SIGUSR1\nrestart_pause=500ms\nrestart_prevent=75 , SIGKILL\n"
                                     "restart_force=1\nrun_time_max=1h\nwatchdog_signal=QUIT\n");
    CHECK(spec.policy->autorestart == Autorestart::OnAbnormal);
    CHECK(spec.policy->exit_codes == std::vector{0, 3});
    CHECK(spec.restarts->exit_signals == std::vector{SIGUSR1});
    CHECK(spec.restarts->pause == 500ms);
    CHECK(spec.restarts->prevent == ExitWays{{75}, {SIGKILL}});
    CHECK(spec.restarts->force == ExitWays{{1}, {}});
    CHECK(spec.restarts->run_time_max == 1h);
    CHECK(spec.restarts->watchdog_signal == SIGQUIT);
    CHECK(mistakes_of("autorestart=on_monday\n").size() == 1);
    CHECK(mistakes_of("exitcodes=SIGNOPE\n").size() == 1);
    CHECK(mistakes_of("restart_prevent=256\n").size() == 1);
}

TEST_CASE("a changed readiness needs a new process, a changed restart policy does not", "[config][ready]")
{
    const auto change = [](const std::string& keys) {
        const auto load = [](const std::string& text) { return load_text("[program:p]\ncommand=/bin/cat\n" + text).config; };
        const Config before = load(""), after = load(keys);
        CHECK(decode(encode(after)).value() == after);
        const Diff changes = diff(before, after);
        REQUIRE(changes.changed.size() == 1);
        return changes.changed.front();
    };
    CHECK(change("ready=notify\n").exec);
    CHECK(change("watchdog=3\n").exec);
    const Change policy = change("restart_pause=3\n");
    CHECK((policy.policy && !policy.exec));
}
