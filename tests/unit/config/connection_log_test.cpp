#include <syslog.h>

#include <catch2/catch.hpp>

#include "unit/config/support.h"

using namespace xsv::config;
using namespace xsv::config::test;

namespace {

const std::string kStart = "[program:p]\ncommand=/bin/cat\nsocket=tcp:1\nactivation=per_connection\n";

}  // namespace

TEST_CASE("where lines about connections go", "[config][load]")
{
    const auto to = [](const std::string& value) {
        return first(load_text(kStart + "connection_log_to=" + value + "\n")).output->connections->to;
    };
    CHECK_FALSE(to("daemon").is_piped());
    CHECK(to("syslog").syslog_priority == (LOG_DAEMON | LOG_INFO));
    CHECK(to("syslog:AUTHPRIV.err").syslog_priority == (LOG_AUTHPRIV | LOG_ERR));
    CHECK(to("file:/var/log/c.log").path == "/var/log/c.log");
    CHECK(to("file:/var/log/c.log").maxbytes == 0);
    CHECK(to("file:c.log, 2MB, 3").path == "/folder/c.log");
    CHECK(to("file:c.log, 2MB, 3").maxbytes == 2 << 20);
    CHECK(to("file:c.log, 2MB, 3").backups == 3);
}

TEST_CASE("what is told about connections in xinetd's words", "[config][load]")
{
    const ConnectionLines lines =
        *first(load_text(kStart + "connection_log_format=xinetd\nconnection_log_success=PID, host\nconnection_log_failure=attempt\n")).output->connections;
    CHECK(lines.format == LogFormat::Xinetd);
    CHECK(lines.success == (kLogPid | kLogHost));
    CHECK(lines.failure == kLogAttempt);
    CHECK(messages(load_text(kStart + "connection_log_success=pid,when\nconnection_log_to=syslog:tape\n").mistakes) ==
          Lines{"/etc/x.conf:6: [program:p] connection_log_to: expected kern, user, mail, daemon, auth, syslog, lpr, news, uucp, cron, "
                "authpriv, ftp, local0, local1, local2, local3, local4, local5, local6 or local7, got 'tape'",
                "/etc/x.conf:5: [program:p] connection_log_success: expected pid, host, userid, exit, duration or traffic, got 'when'"});
}
