// xsvd-engine: configuration, decisions, spawning. Started by the guardian (xsvd), which hands it everything that was held.
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "config/load.h"
#include "daemon/daemon.h"
#include "daemon/foreground.h"
#include "engine/helper.h"
#include "sys/files.h"
#include "wire/guardian.h"

namespace {

/// The terminal's Ctrl-C reaches every process in the foreground; only the guardian decides what it means.
void ignore_signals()
{
    for (const int signal : {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE, SIGXFSZ}) std::signal(signal, SIG_IGN);
}

/// The guardian's protection from the memory killer is its own: the engine can be replaced, and programs inherit ours.
void reset_oom_score()
{
    const int fd = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return;
    if (::write(fd, "0", 1) < 0) xsv::log::debug("oom_score_adj: {}", xsv::errno_text(errno));
    ::close(fd);
}

bool has_guardian()
{
    struct stat info{};
    return ::getenv("XSVD_ENGINE_START") != nullptr && ::fstat(xsv::wire::kGuardianFd, &info) == 0 && S_ISSOCK(info.st_mode);
}

/// What is held stays held: no destructor may give it up.
[[noreturn]] void leave(int code)
{
    std::fflush(nullptr);
    std::_Exit(code);
}

}  // namespace

int main(int argc, char** argv)
{
    using namespace xsv;
    std::error_code ignored;
    const std::vector<std::string> arguments(argv, argv + argc);
    const std::string folder = std::filesystem::current_path(ignored).string();
    const std::string program = config::full_program_path(argc > 0 ? argv[0] : "xsvd");
    const std::string name = program.substr(program.rfind('/') + 1);
    if (name == "echo_supervisord_conf") return daemon::run_in_foreground({daemon::Options::Mode::PrintConfig}, program);
    auto options = daemon::parse_options(argc, argv);
    if (!options) return daemon::usage_error(program, options.error().message);
    if (options->mode != daemon::Options::Mode::Serve) return daemon::run_in_foreground(*options, program);
    if (!has_guardian()) return daemon::usage_error(program, "this is the engine of xsvd; start xsvd, which starts it");

    ignore_signals();
#ifndef __SANITIZE_ADDRESS__  // which has handlers of its own, and much to tell
    engine::Helper::count_crashes();
#endif
    reset_oom_score();
    ::fcntl(wire::kGuardianFd, F_SETFD, FD_CLOEXEC);
    const bool as_supervisord = name == "supervisord";
    engine::GuardianLink guardian{sys::UniqueFd(wire::kGuardianFd), sys::ServiceManager::from_environment(::getppid())};
    daemon::Daemon daemon(std::move(*options), program, as_supervisord, guardian);
    auto inheritance = guardian.receive([&](auto& so_far, const engine::ChildExit& exit) { daemon.record_unread(so_far, exit); });
    if (!inheritance) leave(daemon::usage_error(program, inheritance.error().message));

    const bool recovers = inheritance->descriptors.contains("table") && inheritance->descriptors.contains("record");
    const std::vector<int> signals = inheritance->signals;
    sys::set_process_title(argc, argv, as_supervisord ? "supervisord: engine" : "xsvd: engine");
    if (recovers) {
        if (auto prepared = daemon.prepare_recovery(*inheritance); !prepared) {
            log::critical("taking over failed: {}", prepared.error().message);
            leave(1);
        }
    } else if (const auto code = daemon.prepare_first_start(*inheritance)) {
        leave(*code);
    }
    const int code = daemon.serve(signals);
    if (daemon.is_orphaned()) daemon.take_guardians_place(arguments, folder);
    leave(code);
}
