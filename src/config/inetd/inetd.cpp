#include <algorithm>
#include <set>

#include "base/text.h"
#include "config/inetd/entry.h"
#include "config/values.h"
#include "config/words.h"

namespace xsv::config {
namespace {

using inetd::Entry;
using Weight = Remark::Weight;

constexpr std::size_t kDeepestInclude = 16, kMostFiles = 1000;
constexpr std::string_view kPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr std::size_t kLongestName = 64;
constexpr std::size_t kMostStrangeLines = 100;  // per file; one of another kind would otherwise fill the log

struct Builtin {
    std::string_view name, service;
};
constexpr Builtin kBuiltins[] = {{"echo", "echo"},       {"discard", "discard"}, {"sink", "discard"}, {"null", "discard"},
                                 {"chargen", "chargen"}, {"ttytst", "chargen"},  {"source", "chargen"}, {"daytime", "daytime"},
                                 {"time", "time"},       {"timserver", "time"},  {"tcpmux", "tcpmux"}};

std::string_view builtin_of(const Entry& entry)
{
    for (const Builtin& builtin : kBuiltins)
        if (builtin.name == entry.service && (entry.type == "stream" || builtin.service != "tcpmux")) return builtin.service;
    return {};
}

class InetdReader {
public:
    explicit InetdReader(const Surroundings& surroundings) : surroundings_(surroundings) {}

    Translation run(const std::vector<std::string>& files)
    {
        for (const std::string& file : files) {
            default_hosts_ = "*";
            read_file(file);
        }
        if (tcpmux_ && !has_tcpmux_) add_tcpmux();
        return std::move(translation_);
    }

private:
    void read_file(const std::string& file)
    {
        translation_.files.push_back(file);
        const auto text = surroundings_.read(file);
        if (!text) return translation_.mistake({file, 0}, "", "", text.error().message);
        told_.clear();
        std::size_t strange = 0;
        open_.push_back(file);
        const Closing closing{open_};
        for (const inetd::Line& line : inetd::read_lines(*text, file, translation_)) {
            if (const auto host = inetd::default_host(line)) {
                default_hosts_ = *host;
                continue;
            }
            if (line.words[0].starts_with('.') && !line.is_definition) {
                directive(line, file);
                continue;
            }
            const Entry entry = inetd::read_entry(line);
            if (entry.service.empty() && ++strange > kMostStrangeLines)
                return translation_.mistake(line.place, "", "", "too many mistakes, the rest of the file is not read");
            add(entry);
        }
    }

    /// NetBSD's ".include PATTERN". The file's default host counts there too, and what is set there ends with it.
    void directive(const inetd::Line& line, const std::string& file)
    {
        if (line.words[0] != ".include" || line.words.size() < 2)
            return translation_.mistake(line.place, "", "", fmt::format("expected .include PATTERN, got '{}'", text::escape_control(line.words[0].substr(0, 128))));
        std::string pattern = line.words[1];
        if (pattern.size() >= 2 && (pattern[0] == '"' || pattern[0] == '\'') && pattern.ends_with(pattern[0])) pattern = pattern.substr(1, pattern.size() - 2);
        if (!pattern.starts_with('/')) pattern = Surroundings::folder_of(file) + "/" + pattern;
        const auto found = surroundings_.match(pattern);
        if (found.empty() && pattern.find_first_of("*?[") == std::string::npos)
            translation_.warning(line.place, "", "", fmt::format("there is no file '{}'", text::escape_control(pattern)));
        for (const std::string& name : found) {
            if (std::find(open_.begin(), open_.end(), name) != open_.end()) {
                translation_.mistake(line.place, "", "", fmt::format("'{}' includes itself", text::escape_control(name)));
                continue;
            }
            if (open_.size() >= kDeepestInclude || translation_.files.size() >= kMostFiles)
                return translation_.mistake(line.place, "", "", fmt::format("'{}' is not read: too many files include each other", text::escape_control(name)));
            const std::string host = default_hosts_;
            read_file(name);
            default_hosts_ = host;
        }
    }

    void add(const Entry& entry)
    {
        if (entry.service.empty()) {
            for (const auto& [weight, field, text] : entry.complaints) remark(entry, "", weight, field, text);
            return;
        }
        std::vector<std::string> endpoints = sockets(entry);
        const bool split = entry.wait && !entry.is_internal() && endpoints.size() > 1;
        // A program that accepts by itself gets one socket; inetd starts one for each address.
        if (!split) return add(entry, text::join(endpoints, ", "));
        for (const std::string& endpoint : endpoints) add(entry, endpoint);
    }

    void add(const Entry& entry, const std::string& endpoints)
    {
        NativeSection section(name_for(entry), entry.place);
        mistakes_ = 0;
        for (const auto& [weight, field, text] : entry.complaints) remark(entry, section.name(), weight, field, text);
        for (const std::string& problem : std::exchange(host_problems_, {})) remark(entry, section.name(), Weight::Mistake, "service", problem);
        if (entry.off) section.set("autostart", "false");
        socket(section, entry, endpoints);
        if (entry.is_internal()) internal(section, entry);
        else program(section, entry);
        if (entry.off && !is_usable(entry, endpoints, section.name())) return;
        if (section.name() == "program:tcpmux") has_tcpmux_ = true;
        translation_.sections.push_back(section.take());
    }

    /// A switched-off entry is somebody's reminder: what is wrong with it hinders nothing.
    void remark(const Entry& entry, const std::string& section, Weight weight, const std::string& field, std::string text)
    {
        if (weight == Weight::Mistake) ++mistakes_;
        if (entry.off && weight == Weight::Mistake) {
            weight = Weight::Warning;
            text += " (the entry is switched off)";
        }
        translation_.remarks.push_back({weight, entry.place, section, field, std::move(text)});
    }

    /// Once a file, at an entry that runs: it is true of every one like it.
    void note_once(const Entry& entry, const std::string& section, const std::string& field, const std::string& text)
    {
        if (mistakes_ == 0 && !entry.off && told_.insert(text).second) remark(entry, section, Weight::Note, field, text);
    }

    bool is_usable(const Entry& entry, const std::string& endpoints, const std::string& section)
    {
        if (mistakes_ > 0) return false;
        const auto problem = [&]() -> std::string {
            for (const std::string& endpoint : parse_list(endpoints))
                if (auto parsed = sys::Endpoint::parse(endpoint); !parsed && !entry.is_rpc() && !entry.tcpmux) return parsed.error().message;
            if (entry.is_internal()) return {};
            if (auto user = surroundings_.user(entry.user); !user) return user.error().message;
            if (entry.group.empty()) return {};
            auto group = surroundings_.group(entry.group);
            return group ? std::string() : group.error().message;
        }();
        if (!problem.empty()) remark(entry, section, Weight::Warning, "", "switched off, and left out: " + problem);
        return problem.empty();
    }

    // ---- names ---------------------------------------------------------------------------------------------------

    /// inetd tells entries apart by service and protocol; a name has to do it here.
    std::string name_for(const Entry& entry)
    {
        std::string base = entry.service.substr(entry.service.rfind('/') + 1);
        if (entry.tcpmux) base = "tcpmux_" + base;
        for (char& c : base)
            if (!check_name({&c, 1})) c = '_';
        if (base.empty()) base = "_";
        base.resize(std::min(base.size(), kLongestName - 8));  // room for what follows
        if (!check_name(base)) base = "service";
        if (names_.insert(base).second) return base;
        std::string name = fmt::format("{}-{}", base, entry.protocol());
        if (entry.protocol() != "tcp" && names_.insert(name).second) return name;
        for (int number = 2;; ++number) {
            name = fmt::format("{}-{}", base, number);
            if (names_.insert(name).second) return name;
        }
    }

    // ---- sockets -------------------------------------------------------------------------------------------------

    std::vector<std::string> sockets(const Entry& entry)
    {
        if (entry.transport == Entry::Transport::Unix) {
            const std::string_view kind = entry.type == "dgram" ? "unix-dgram:" : entry.type == "seqpacket" ? "unix-seqpacket:" : "unix:";
            return {fmt::format("{}{}", kind, entry.service)};
        }
        if (entry.tcpmux) return {fmt::format("tcpmux:{}{}", entry.tcpmux_greets ? "+" : "", entry.service)};
        std::vector<std::string> endpoints;
        const std::string port = entry.is_rpc() ? "0" : entry.service;
        for (const std::string& host : text::split(entry.hosts.value_or(default_hosts_), ',')) {
            for (const std::string& address : addresses(entry, host)) {
                std::string endpoint = fmt::format("{}:{}{}", scheme(entry, host), address, port);
                if (std::find(endpoints.begin(), endpoints.end(), endpoint) == endpoints.end()) endpoints.push_back(std::move(endpoint));
            }
        }
        return endpoints;
    }

    static std::string scheme(const Entry& entry, std::string_view host)
    {
        std::string word(entry.protocol());
        switch (entry.address) {
            case Entry::Address::Both: return entry.is_rpc() && (host.empty() || host == "*") ? word + "4" : word;
            case Entry::Address::Four: return word + "4";
            case Entry::Address::Six: return word + "6";
            // One socket for both families, which socket() makes of it; an address has but one family.
            case Entry::Address::OneForBoth: return host.empty() || host == "*" ? word + "6" : word;
        }
        return word;
    }

    /// "192.0.2.1:", "[::1]:", or "" for all addresses; a name may have several.
    std::vector<std::string> addresses(const Entry& entry, std::string host)
    {
        if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
        if (host.empty() || host == "*") return {""};
        if (host.find(':') != std::string::npos) return {"[" + host + "]:"};
        if (host.find_first_not_of("0123456789.") == std::string::npos) return {host + ":"};
        std::vector<std::string> found;
        const auto all = surroundings_.addresses(host);
        for (const std::string& address : all.value_or(std::vector<std::string>())) {
            const bool six = address.find(':') != std::string::npos;
            if (entry.address == (six ? Entry::Address::Four : Entry::Address::Six)) continue;
            found.push_back(six ? "[" + address + "]:" : address + ":");
        }
        if (!found.empty()) return found;
        host_problems_.push_back(all ? fmt::format("the host name '{}' has no address of this family", text::escape_control(host)) : all.error().message);
        return {host + ":"};  // never nothing: that would be all addresses
    }

    void socket(NativeSection& section, const Entry& entry, const std::string& endpoints)
    {
        section.set("socket", endpoints);
        std::vector<std::string> options = entry.socket_options;
        if (entry.address == Entry::Address::OneForBoth && endpoints.find("6:") != std::string::npos) options.emplace_back("v6only=no");
        if (!options.empty()) section.set("socket_options", text::join(options, ", "));
        if (entry.transport == Entry::Transport::Unix) section.set("socket_mode", "0666");
        if (entry.is_rpc()) section.set("rpc", entry.service + "/" + entry.versions);
        if (entry.transport != Entry::Transport::Unix && entry.address == Entry::Address::Both && !entry.is_rpc() && !entry.tcpmux)
            note_once(entry, section.name(), "protocol",
                      fmt::format("'{}' means IPv4 and IPv6, as with Debian's inetd; others serve IPv4 only: write {}4 for that", entry.protocol(),
                                  entry.protocol()));
        if (tcpmux_ == nullptr && entry.tcpmux && !entry.off) tcpmux_ = std::make_unique<Entry>(entry);
    }

    /// inetutils listens on port 1 as soon as there is a service of tcpmux.
    void add_tcpmux()
    {
        Entry entry = *tcpmux_;
        entry.service = "tcpmux";
        entry.tcpmux = false;
        NativeSection section(name_for(entry), entry.place);
        section.set("command", "builtin:tcpmux");
        section.set("socket", "tcp:1");
        remark(entry, section.name(), Weight::Note, "", "listens on port 1 for the services of tcpmux, as inetutils does without an entry of its own");
        translation_.sections.push_back(section.take());
    }

    // ---- what runs -----------------------------------------------------------------------------------------------

    void internal(NativeSection& section, const Entry& entry)
    {
        const std::string_view service = builtin_of(entry);
        if (service.empty())
            return remark(entry, section.name(), Weight::Mistake, "server",
                          fmt::format("there is no internal {} service '{}': expected echo, discard, chargen, daytime, time, or tcpmux with stream",
                                      entry.type, text::escape_control(entry.service)));
        section.set("command", fmt::format("builtin:{}", service));
        if (entry.user != "root")
            note_once(entry, section.name(), "user", "internal services are served by a process without any rights, whatever the entry says");
    }

    void program(NativeSection& section, const Entry& entry)
    {
        std::vector<std::string> words = entry.arguments;
        words[0] = entry.server;
        section.set("command", command_line(words));
        if (entry.arguments[0] != entry.server) section.set("argv0", entry.arguments[0]);
        section.set("activation", entry.wait ? "on_demand" : "per_connection");
        section.set("socket_pass", "stdio_all");
        identity(section, entry);
        section.set("directory", "/");
        section.set("umask", "022");
        section.set("inherit_env", "no");
        section.set("environment", fmt::format("PATH=\"{}\"", kPath));
        note_once(entry, section.name(), "", "programs get PATH and what belongs to the connection as their environment, nothing of the daemon's");
        if (entry.wait) waits(section, entry);
        else limits(section, entry);
    }

    void identity(NativeSection& section, const Entry& entry)
    {
        std::string user = entry.user, group = entry.group;
        // Splitting at the dot comes first, as with inetd.
        if (const std::string whole = user + "." + group; entry.group_by_dot && !surroundings_.user(user) && surroundings_.user(whole)) {
            user = whole;
            group.clear();
        }
        section.set("user", user);
        if (!group.empty()) section.set("group", group);
        if (!entry.login_class.empty())
            remark(entry, section.name(), Weight::Warning, "user",
                   fmt::format("the login class '{}' is ignored: write its limits with limits = …", text::escape_control(entry.login_class)));
    }

    void waits(NativeSection& section, const Entry& entry)
    {
        if (entry.starts_per_minute || entry.children > 0 || entry.source_rate > 0 || entry.source_children > 0)
            remark(entry, section.name(), Weight::Note, "wait",
                   "the number is not needed: a program that ends at once is started again after longer and longer pauses (backoff_max), callers wait");
        note_once(entry, section.name(), "wait", "a program that ends too often is started less often; it is never switched off for ten minutes");
    }

    void limits(NativeSection& section, const Entry& entry)
    {
        section.set("max_instances", std::to_string(entry.children));
        if (entry.source_children > 0) section.set("max_per_source", std::to_string(entry.source_children));
        if (entry.source_rate > 0) return section.set("max_rate", fmt::format("{}/60s per source", entry.source_rate));
        section.set("max_rate", fmt::format("{}/60s", entry.starts_per_minute.value_or(entry.default_rate)));
        if (entry.starts_per_minute)
            remark(entry, section.name(), Weight::Note, "wait",
                   fmt::format("{} calls a minute are served and more of them wait; openbsd-inetd serves {} and then refuses for ten minutes",
                               *entry.starts_per_minute, *entry.starts_per_minute - 1));
        else
            note_once(entry, section.name(), "wait",
                      fmt::format("{} calls a minute are served, the default of {}, and more of them wait; inetd refuses for ten minutes", entry.default_rate,
                                  entry.default_rate == 40 ? "NetBSD's inetd" : "openbsd-inetd"));
    }

    struct Closing {
        std::vector<std::string>& open;
        ~Closing() { open.pop_back(); }
    };

    const Surroundings& surroundings_;
    Translation translation_;
    std::vector<std::string> open_;            // files that include each other
    std::string default_hosts_;
    std::vector<std::string> host_problems_;   // of the entry being read
    std::set<std::string> names_, told_;
    std::unique_ptr<Entry> tcpmux_;            // the first one that needs it
    bool has_tcpmux_ = false;
    int mistakes_ = 0;                         // of the entry being read
};

}  // namespace

Translation translate_inetd(const std::vector<std::string>& files, const Surroundings& surroundings, const TranslationRules&)
{
    return InetdReader(surroundings).run(files);
}

}  // namespace xsv::config
