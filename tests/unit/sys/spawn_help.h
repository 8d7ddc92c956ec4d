#pragma once

#include <memory>
#include <new>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "sys/files.h"
#include "sys/processes.h"

namespace test {

using nlohmann::json;
using namespace xsv;

/// A report in memory that a copying child shares with us, as the state table is.
class SharedReport {
public:
    SharedReport()
        : memory_(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)), report_(new (memory_) sys::ChildReport{})
    {
    }
    ~SharedReport() { ::munmap(memory_, 4096); }
    SharedReport(const SharedReport&) = delete;
    SharedReport& operator=(const SharedReport&) = delete;

    sys::ChildReport& operator*() { return *report_; }
    sys::ChildReport* operator->() { return report_; }
    sys::ChildStage stage() const { return static_cast<sys::ChildStage>(report_->stage.load()); }
    sys::ChildStep step() const { return static_cast<sys::ChildStep>(report_->step); }

private:
    void* memory_;
    sys::ChildReport* report_;
};

class TemporaryFolder {
public:
    TemporaryFolder()
    {
        char name[] = "/tmp/xsv-sys-XXXXXX";
        path_ = ::mkdtemp(name);
    }
    ~TemporaryFolder()
    {
        if (::system(("rm -rf " + path_).c_str()) != 0) WARN("could not remove " << path_);
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

inline int status_of(const sys::Spawned& child)
{
    int status = -1;
    ::waitpid(child.pid, &status, 0);
    return status;
}

inline std::string read_all(int fd)
{
    std::string text;
    char buffer[4096];
    for (ssize_t count; (count = ::read(fd, buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<std::size_t>(count));
    return text;
}

/// A pipe with two ends of its own.
struct Pipe {
    Pipe()
    {
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        reader.reset(ends[0]);
        writer.reset(ends[1]);
    }
    sys::UniqueFd reader, writer;
};

inline sys::ChildPlan probe_plan(int out)
{
    sys::ChildPlan plan;
    plan.path = XSV_PROBE;
    plan.argv = {"probe"};
    plan.environment = {"A=1", "PATH=/usr/bin:/bin"};
    plan.moves = {{out, 1}};
    return plan;
}

/// Everything the probe saw; empty when it was never executed.
struct ProbeRun {
    json seen;
    int status = -1;
    sys::Spawned child;
};

inline ProbeRun run_probe(sys::Processes& processes, sys::ChildPlan plan, Pipe& out, SharedReport& report)
{
    ProbeRun run;
    auto prepared = processes.prepare(std::move(plan));
    auto child = processes.spawn(*prepared, *report);
    REQUIRE(child);
    out.writer.reset();
    const std::string text = read_all(out.reader.get());
    run.status = status_of(*child);
    run.child = std::move(*child);
    if (!text.empty()) run.seen = json::parse(text);
    return run;
}

}  // namespace test
