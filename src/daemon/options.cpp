#include "daemon/options.h"

#include <array>

#include <getopt.h>

#include "base/text.h"

namespace xsv::daemon {
namespace {

enum Long { kMinprocs = 256, kCheck, kRun, kPrintConfig, kProfile };

struct Known {
    const char* name;
    int letter;
    int argument;
    const char* key;    ///< of [supervisord] that it overrides, or nullptr
    const char* help;
};

constexpr auto kOptions = std::to_array<Known>({
    {"configuration", 'c', required_argument, nullptr, "FILE  configuration file (else the usual places are searched)"},
    {"nodaemon", 'n', no_argument, "nodaemon", "stay in the foreground"},
    {"silent", 's', no_argument, "silent", "no log on stdout in the foreground"},
    {"user", 'u', required_argument, "user", "USER  run as this user"},
    {"umask", 'm', required_argument, "umask", "UMASK  the daemon's, in octal"},
    {"directory", 'd', required_argument, "directory", "DIR  change to it when going to the background"},
    {"logfile", 'l', required_argument, "logfile", "FILE  the daemon's own log"},
    {"logfile_maxbytes", 'y', required_argument, "logfile_maxbytes", "BYTES  size at which the log is rotated"},
    {"logfile_backups", 'z', required_argument, "logfile_backups", "N  rotated logs to keep"},
    {"loglevel", 'e', required_argument, "loglevel", "LEVEL  of the log: critical, error, warn, info, debug, trace or blather"},
    {"pidfile", 'j', required_argument, "pidfile", "FILE  where the daemon's pid is written"},
    {"identifier", 'i', required_argument, "identifier", "TEXT  name of this daemon for its clients"},
    {"childlogdir", 'q', required_argument, "childlogdir", "DIR  where AUTO logs lie"},
    {"nocleanup", 'k', no_argument, "nocleanup", "keep old AUTO logs at start"},
    {"minfds", 'a', required_argument, "minfds", "N  open files that must be possible"},
    {"minprocs", kMinprocs, required_argument, "minprocs", "N  processes that must be possible"},
    {"strip_ansi", 't', no_argument, "strip_ansi", "take escape sequences out of the programs' logs"},
    {"profile_options", kProfile, required_argument, nullptr, "LIST  accepted, without effect"},
    {"check", kCheck, optional_argument, nullptr, "[=FILE]  report every mistake of the configuration and end"},
    {"run", kRun, required_argument, nullptr, "NAME  run a program here, in its exact environment"},
    {"print-config", kPrintConfig, no_argument, nullptr, "print a commented sample configuration"},
    {"version", 'v', no_argument, nullptr, "print the version"},
    {"help", 'h', no_argument, nullptr, "print this text"},
});

}  // namespace

std::string usage_text(const std::string& program)
{
    std::string text = "usage: " + program + " [options]\n\nHolds sockets, starts programs on demand and keeps them running.\n\n";
    for (const Known& known : kOptions) {
        const std::string letter = known.letter < 256 ? fmt::format("-{}, ", static_cast<char>(known.letter)) : "    ";
        text += fmt::format("  {}--{:<17} {}\n", letter, known.name, known.help);
    }
    return text;
}

Result<Options> parse_options(int argc, char** argv)
{
    std::string letters = ":";  // errors are ours to word
    std::vector<option> longs;
    for (const Known& known : kOptions) {
        longs.push_back({known.name, known.argument, nullptr, known.letter});
        if (known.letter >= 256) continue;
        letters += static_cast<char>(known.letter);
        if (known.argument == required_argument) letters += ':';
    }
    longs.push_back({});
    letters += '?';

    Options options;
    ::optind = 1;
    ::opterr = 0;
    for (;;) {
        const int at = ::optind;
        const int letter = ::getopt_long(argc, argv, letters.c_str(), longs.data(), nullptr);
        if (letter < 0) break;
        const std::string value = ::optarg != nullptr ? ::optarg : "";
        switch (letter) {
            case '?':
                if (std::string_view(argv[at]) == "-?") {
                    options.mode = Options::Mode::Help;
                    return options;
                }
                return fail("option {} not recognized", argv[at]);
            case ':': return fail("option {} requires argument", argv[at]);
            case 'c': options.config_file = value; continue;
            case 'h': options.mode = Options::Mode::Help; return options;
            case 'v': options.mode = Options::Mode::Version; return options;
            case kPrintConfig: options.mode = Options::Mode::PrintConfig; return options;
            case kProfile: continue;
            case kCheck:
                options.mode = Options::Mode::Check;
                if (!value.empty()) options.config_file = value;
                continue;
            case kRun:
                options.mode = Options::Mode::Run;
                options.program = value;
                continue;
            default: break;
        }
        for (const Known& known : kOptions) {
            if (known.letter != letter) continue;
            for (const auto& [key, earlier] : options.overrides.values)
                if (key == known.key && earlier != value) return fail("conflicting command line option '{}'", argv[at]);
            options.overrides.values.emplace_back(known.key, known.argument == no_argument ? "true" : value);
        }
        if (letter == 'n') options.nodaemon = true;
    }
    if (options.mode == Options::Mode::Check && options.config_file.empty() && ::optind < argc) options.config_file = argv[::optind++];
    if (::optind < argc) {
        std::vector<std::string> rest;
        for (int i = ::optind; i < argc; ++i) rest.push_back(text::repr(argv[i]));
        return fail("positional arguments are not supported: [{}]", text::join(rest, ", "));
    }
    return options;
}

}  // namespace xsv::daemon
