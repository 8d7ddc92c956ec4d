#include "daemon/foreground.h"

#include <cstdio>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "config/import.h"
#include "config/words.h"
#include "engine/child_plan.h"
#include "sys/files.h"
#include "sys/processes.h"

namespace xsv::daemon {

extern const char kSampleConfig[];  // conf/xsvd.conf, from the build
namespace {

int check(const Options& options, const std::string& program)
{
    auto file = config_file_of(options, program);
    if (!file) return usage_error(program, file.error().message);
    const config::Loaded loaded = config::load_any(*file, options.overrides);
    for (const config::Mistake& mistake : loaded.mistakes) fmt::print("{}\n", mistake.message());
    for (const config::Mistake& warning : loaded.warnings) fmt::print("warning: {}\n", warning.message());
    for (const config::Mistake& note : loaded.notes) fmt::print("note: {}\n", note.message());
    if (!loaded.mistakes.empty()) {
        fmt::print("{}: {} mistake{}\n", *file, loaded.mistakes.size(), loaded.mistakes.size() == 1 ? "" : "s");
        return 1;
    }
    std::size_t programs = 0;
    for (const auto& group : loaded.config.groups) programs += group.services.size();
    fmt::print("{}: good, {} program{}\n", *file, programs, programs == 1 ? "" : "s");
    return 0;
}

int exit_code(pid_t pid)
{
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// As the daemon would start it, but on this terminal and without its sockets.
int run(const Options& options, const std::string& program)
{
    auto loaded = load_or_explain(options, program);
    if (!loaded) return 2;
    for (const config::GroupSpec& group : loaded->config.groups) {
        for (const config::ServiceSpec& found : group.services) {
            if (found.namespec() != options.program && found.name != options.program) continue;
            if (!found.broken.empty()) return usage_error(program, found.broken);
            if (config::builtin_name(found.exec.command)) return usage_error(program, found.exec.command + " serves callers, and here there are none");
            config::ServiceSpec spec = found;
            spec.sockets.endpoints.clear();
            engine::Surroundings surroundings;
            surroundings.inherited = engine::inheritable_environment(environ);
            surroundings.nofile_soft = RLIM_INFINITY;
            auto plan = engine::make_child_plan(spec, surroundings, {}, {0, 1, 2});
            if (!plan) return usage_error(program, plan.error().message);
            plan->new_session = false;
            plan->limits = spec.exec.limits;
            auto processes = sys::kernel_processes(false);
            sys::ChildReport report{};
            auto child = processes->spawn(*processes->prepare(std::move(*plan)), report);
            if (!child) return usage_error(program, child.error().message);
            const int code = exit_code(child->pid);
            if (report.step != 0)
                fmt::print(stderr, "{}: {}: {}\n", options.program, sys::step_text(static_cast<sys::ChildStep>(report.step)), errno_text(report.error));
            return code;
        }
    }
    std::vector<std::string> names;
    for (const config::GroupSpec& group : loaded->config.groups)
        for (const config::ServiceSpec& each : group.services) names.push_back(each.namespec());
    const auto meant = text::nearest(options.program, names);
    fmt::print(stderr, "Error: no program is named '{}' in {}{}\n", options.program, loaded->config.file, meant ? fmt::format("; did you mean {}?", *meant) : "");
    return 2;
}

int print_sample()
{
    const std::string_view sample(kSampleConfig);
    return std::fwrite(sample.data(), 1, sample.size(), stdout) == sample.size() ? 0 : 1;
}

}  // namespace

int usage_error(const std::string& program, std::string_view text)
{
    fmt::print(stderr, "Error: {}\nFor help, use {} -h\n", text, program);
    return 2;
}

Result<std::string> config_file_of(const Options& options, const std::string& program)
{
    if (!options.config_file.empty()) {
        if (::access(options.config_file.c_str(), F_OK) != 0) return fail("could not find config file {}", options.config_file);
        return options.config_file;
    }
    std::string found = config::find_config_file(program);
    if (!found.empty()) return found;
    std::string places;
    for (const std::string& place : config::default_config_places(program)) places += (places.empty() ? "" : ", ") + place;
    return fail("No config file found at default paths ({}); use the -c option to specify a config file at a different path", places);
}

std::optional<config::Loaded> load_or_explain(const Options& options, const std::string& program)
{
    auto file = config_file_of(options, program);
    if (!file) {
        usage_error(program, file.error().message);
        return std::nullopt;
    }
    config::Loaded loaded = config::load(*file, options.overrides);
    if (!loaded.fatal) return loaded;
    for (const config::Mistake& mistake : loaded.mistakes) fmt::print(stderr, "Error: {}\n", mistake.message());
    fmt::print(stderr, "For help, use {} -h\n", program);
    return std::nullopt;
}

int run_in_foreground(const Options& options, const std::string& program)
{
    switch (options.mode) {
        case Options::Mode::Help: fmt::print("{}", usage_text(program)); return 0;
        case Options::Mode::Version: fmt::print("{}\n", XSV_VERSION); return 0;
        case Options::Mode::PrintConfig: return print_sample();
        case Options::Mode::Check: return check(options, program);
        case Options::Mode::Run: return run(options, program);
        case Options::Mode::Serve: break;
    }
    return 2;
}

}  // namespace xsv::daemon
