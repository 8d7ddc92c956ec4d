#include "daemon/limits.h"

#include <cerrno>
#include <map>
#include <tuple>
#include <vector>

#include <catch2/catch.hpp>

using namespace xsv;

namespace {

/// Hard limits can be raised with CAP_SYS_RESOURCE alone, which tests hardly ever have.
class FakeLimits final : public daemon::Limits {
public:
    explicit FakeLimits(bool privileged) : privileged_(privileged) {}
    rlimit get(int resource) const override { return now.at(resource); }
    int set(int resource, const rlimit& limit) override
    {
        calls.emplace_back(resource, limit.rlim_cur, limit.rlim_max);
        if (limit.rlim_cur > limit.rlim_max) return EINVAL;
        if (limit.rlim_max > now[resource].rlim_max && !privileged_) return EPERM;
        now[resource] = limit;
        return 0;
    }

    using Call = std::tuple<int, rlim_t, rlim_t>;
    std::map<int, rlimit> now{{RLIMIT_NOFILE, {1024, 4096}}, {RLIMIT_NPROC, {100, 300}}};
    std::vector<Call> calls;

private:
    bool privileged_;
};

}  // namespace

TEST_CASE("hard limits that are too low are raised where we may", "[daemon][limits]")
{
    FakeLimits limits(true);
    config::DaemonSpec spec;
    spec.minfds = 9000;
    spec.minprocs = 500;
    REQUIRE(daemon::check_limits(spec, limits));
    CHECK(limits.calls == std::vector<FakeLimits::Call>{{RLIMIT_NOFILE, 1024, 9000}, {RLIMIT_NPROC, 100, 500}});
    limits.calls.clear();
    CHECK(daemon::raise_process_limit(spec, limits));   // its line in the log is Supervisor's
    CHECK(limits.calls == std::vector<FakeLimits::Call>{{RLIMIT_NPROC, 500, 500}});
    limits.calls.clear();
    CHECK_FALSE(daemon::raise_process_limit(spec, limits));
    REQUIRE(daemon::check_limits(spec, limits));
    CHECK(limits.calls.empty());
}

TEST_CASE("limits that cannot be had are a refusal in Supervisor's words, if somebody asked for them", "[daemon][limits]")
{
    FakeLimits limits(false);
    config::DaemonSpec spec;
    spec.minfds = 9000;
    const auto files = daemon::check_limits(spec, limits);
    REQUIRE_FALSE(files);
    CHECK(files.error().message == "The minimum number of file descriptors required to run this process is 9000 as per the \"minfds\" command-line "
                                   "argument or config file setting. The current environment will only allow you to open 4096 file "
                                   "descriptors.  Either raise the number of usable file descriptors in your environment (see README.rst) or "
                                   "lower the minfds setting in the config file to allow the process to start.");
    spec.minfds = 1024;
    spec.minprocs = 500;
    const auto processes = daemon::check_limits(spec, limits);
    REQUIRE_FALSE(processes);
    CHECK(processes.error().message == "The minimum number of available processes required to run this program is 500 as per the \"minprocs\" command-line "
                                       "argument or config file setting. The current environment will only allow you to open 300 processes.  "
                                       "Either raise the number of usable processes in your environment (see README.rst) or lower the minprocs "
                                       "setting in the config file to allow the program to start.");
    CHECK_FALSE(daemon::raise_process_limit(spec, limits));
    limits.now[RLIMIT_NPROC] = {50, 100};
    CHECK(daemon::check_limits({}, limits));   // nobody asked for 200
    CHECK_FALSE(daemon::raise_process_limit({}, limits));
}

TEST_CASE("no limit is high enough for everybody", "[daemon][limits]")
{
    FakeLimits limits(false);
    limits.now[RLIMIT_NOFILE] = limits.now[RLIMIT_NPROC] = {RLIM_INFINITY, RLIM_INFINITY};
    config::DaemonSpec spec;
    spec.minfds = spec.minprocs = 1'000'000;
    CHECK(daemon::check_limits(spec, limits));
    CHECK_FALSE(daemon::raise_process_limit(spec, limits));
    CHECK(limits.calls.empty());
}
