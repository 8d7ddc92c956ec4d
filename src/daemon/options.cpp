#include "daemon/options.h"

#include <array>
#include <filesystem>

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

/// "-l" or "--logfile", whatever was written behind it or left out of it.
std::string option_text(const Known& known, std::string_view written)
{
    return written.starts_with("--") ? fmt::format("--{}", known.name) : fmt::format("-{}", static_cast<char>(known.letter));
}

Status override_key(Options& options, const Known& known, const std::string& option, const std::string& written)
{
    const std::string value = known.argument == no_argument ? "true" : written;
    for (const auto& [key, earlier] : options.overrides.values)
        if (key == known.key) return fail("conflicting command line option {}", text::repr(option));
    // As in Supervisor, a user is looked up later.
    const bool later = known.letter == 'u';
    if (auto good = later ? Status{} : config::check_setting(known.key, value); !good)
        return fail("invalid value for {} {}: {}", option, text::repr(written), good.error().message);
    options.overrides.values.emplace_back(known.key, value);
    return {};
}

/// What getopt(3) did not take, in the words of Python's.
std::string unknown_option(std::string_view written, int letter)
{
    if (!written.starts_with("--")) return fmt::format("option -{} not recognized", static_cast<char>(letter));
    const std::string_view name = written.substr(0, written.find('='));
    std::vector<std::string_view> meant;
    for (const Known& known : kOptions)
        if (std::string_view(known.name).starts_with(name.substr(2))) meant.push_back(known.name);
    if (meant.size() > 1) return fmt::format("option {} not a unique prefix", name);
    if (meant.size() == 1) return fmt::format("option --{} must not have an argument", meant.front());
    return fmt::format("option {} not recognized", name);
}

std::string missing_argument(std::string_view written, int letter)
{
    for (const Known& known : kOptions)
        if (known.letter == letter && written.starts_with("--")) return fmt::format("option --{} requires argument", known.name);
    return fmt::format("option -{} requires argument", static_cast<char>(letter));
}

}  // namespace

std::string usage_text(const std::string& program)
{
    std::string text = program + " -- hold sockets, start programs on demand and keep them running.\n\nUsage: " + program + " [options]\n\nOptions:\n";
    for (const Known& known : kOptions) {
        if (known.letter < 256) text += fmt::format("-{}/", static_cast<char>(known.letter));
        // "FILE  what it is for": the value's name belongs to the option.
        const std::string_view help = known.help;
        const auto gap = known.argument == no_argument ? std::string_view::npos : help.find("  ");
        if (gap == std::string_view::npos) text += fmt::format("--{} -- {}\n", known.name, help);
        else text += fmt::format("--{}{}{} -- {}\n", known.name, help.starts_with('[') ? "" : " ", help.substr(0, gap), help.substr(gap + 2));
    }
    return text;
}

Result<Options> parse_options(int argc, char** argv)
{
    std::string letters = "+:";  // errors are ours to word, and the first word that is no option ends the options
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
    std::error_code error;
    options.overrides.directory = std::filesystem::current_path(error).string();
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
                return fail("{}", unknown_option(argv[at], ::optopt));
            case ':': return fail("{}", missing_argument(argv[at], ::optopt));
            case 'c':
                if (!options.config_file.empty()) return fail("conflicting command line option {}", text::repr(option_text(kOptions[0], argv[at])));
                options.config_file = value;
                continue;
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
            if (auto taken = override_key(options, known, option_text(known, argv[at]), value); !taken) return tl::unexpected(std::move(taken).error());
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
