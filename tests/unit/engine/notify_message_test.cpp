#include "engine/notify_message.h"

#include <catch2/catch.hpp>

using namespace xsv::engine;
using xsv::config::NotifyAccess;

TEST_CASE("a notification is a list of NAME=VALUE lines", "[engine][notify]")
{
    const auto m = parse_notification("STATUS=Loading 3 %\nREADY=1\nMAINPID=4711\nERRNO=2\nX_PRIVATE=7\nWATCHDOG_USEC=3000000\n"
                                      "EXTEND_TIMEOUT_USEC=5\nNOTIFYACCESS=all\nEXIT_STATUS=3\nBUSERROR=org.x.Failed\nVARLINKERROR=org.x.No\nMONOTONIC_USEC=12\nno line\n=x");
    REQUIRE(m);
    CHECK(m->ready);
    CHECK(m->status == "Loading 3 %");
    CHECK(m->main_pid == 4711);
    CHECK(m->error == 2);
    CHECK(m->exit_status == 3);
    CHECK(m->bus_error == "org.x.Failed");
    CHECK(m->varlink_error == "org.x.No");
    CHECK(m->watchdog_usec == 3'000'000);
    CHECK(m->extend_usec == 5);
    CHECK(m->monotonic_usec == 12);
    CHECK(m->access == NotifyAccess::All);
    CHECK_FALSE((m->stopping || m->reloading || m->watchdog || m->store || m->barrier));

    CHECK(parse_notification("WATCHDOG=1")->watchdog);
    CHECK(parse_notification("WATCHDOG=trigger")->watchdog_trigger);
    CHECK(parse_notification("READY=1\n\0")->ready);
    const auto stored = parse_notification("FDSTORE=1\nFDNAME=web\nFDPOLL=0");
    CHECK((stored->store && stored->fd_name == "web" && !stored->poll));
    CHECK(parse_notification("READY=0")->ready == false);
    CHECK(parse_notification("BARRIER=1")->barrier);
}

TEST_CASE("what is no notification is dropped, what is no value is left out", "[engine][notify]")
{
    CHECK_FALSE(parse_notification(""));
    CHECK_FALSE(parse_notification("READY"));
    CHECK_FALSE(parse_notification(std::string("A=1\0READY=1", 11)));
    CHECK_FALSE(parse_notification("A=" + std::string(4096, 'x')));
    CHECK(parse_notification("A=" + std::string(4094, 'x')));
    const auto m = parse_notification("MAINPID=99999999999\nERRNO=x\nWATCHDOG_USEC=-1\nNOTIFYACCESS=everybody\nFDNAME=a:b\nREADY=yes");
    REQUIRE(m);
    CHECK_FALSE((m->main_pid || m->error || m->watchdog_usec || m->access || m->ready));
    CHECK(m->fd_name.empty());
    CHECK(parse_notification("FDNAME=" + std::string(65, 'n'))->fd_name.empty());
}

TEST_CASE("a status is fit to be shown", "[engine][notify]")
{
    CHECK(parse_notification("STATUS=a\tb\x1b[31m")->status == "a\\x09b\\x1b[31m");
    const auto long_one = parse_notification("STATUS=" + std::string(511, 'x') + "ü");
    CHECK(long_one->status == std::string(511, 'x'));
}
