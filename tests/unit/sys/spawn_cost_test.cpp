// Prints what a spawn costs; not part of the suite: unit_sys "[measure]".

#include <algorithm>
#include <iostream>

#include "base/time.h"
#include "unit/sys/spawn_help.h"

using namespace test;

namespace {

double median_of(sys::Processes& processes, const sys::ChildPlan& plan, bool to_the_end)
{
    auto prepared = processes.prepare(plan);
    SharedReport report;
    std::vector<double> times;
    for (int i = 0; i < 500; ++i) {
        const Time before = BootClock::now();
        auto child = processes.spawn(*prepared, *report);
        REQUIRE(child);
        if (!to_the_end) times.push_back(to_seconds(BootClock::now() - before) * 1e6);
        status_of(*child);
        if (to_the_end) times.push_back(to_seconds(BootClock::now() - before) * 1e6);
    }
    std::nth_element(times.begin(), times.begin() + 250, times.end());
    return times[250];
}

}  // namespace

TEST_CASE("cost of a spawn", "[.][measure]")
{
    auto processes = sys::kernel_processes(false);
    sys::ChildPlan plan;
    plan.path = XSV_HELLO;
    plan.environment = {"PATH=/usr/bin:/bin"};
    for (const int descriptors : {0, 1000}) {
        std::vector<sys::UniqueFd> open;
        for (int i = 0; i < descriptors; ++i) open.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        for (const bool copies : {false, true}) {
            sys::ChildPlan form = plan;
            if (copies && ::geteuid() == 0) form.uid = form.gid = 4711;
            std::cout << (copies ? "copying" : "sharing") << ", " << descriptors << " more descriptors: the caller is busy for "
                      << median_of(*processes, form, false) << " us, to the end of the program " << median_of(*processes, form, true) << " us\n";
        }
    }
}
