#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/systemd/directives.h"
#include "config/systemd/order.h"
#include "config/systemd/specifiers.h"
#include "config/systemd/unit.h"
#include "config/values.h"

namespace xsv::config::systemd {

/// One socket unit on its way into a section.
struct SocketPart {
    const Unit* unit = nullptr;
    std::vector<std::pair<const Assignment*, std::string>> endpoints;   ///< in the order of the file in the end
    std::vector<std::string> words;        ///< of socket_options
    std::string mode = "0666", user, group, backlog;
    bool accept = false, v6only = false, keepalive = false;
    std::string name, protocol;
    std::string keepalive_times[3] = {"7200", "75", "9"};
    bool keepalive_timed = false;
    bool has_path = false;
};

/// One command line of a service, its prefixes taken off.
struct Command {
    std::vector<std::string> words;
    bool may_fail = false, privileged = false, literal = false;
    std::string argv0;
    Place place;
    std::string key;               ///< "ExecStart"
};

/// Socket units and their service, or a service alone, as one native section.
class ProgramBuilder {
public:
    ProgramBuilder(std::string program, const Place& place, Translation& translation, const Surroundings& surroundings, const TranslationRules& rules,
                   StartOrder& order);

    void add_socket(const Unit& unit);
    /// After the sockets. `per_connection`: a template whose instances are connections.
    void set_service(const Unit& unit, bool per_connection);
    void mistake(const Place& place, const std::string& key, std::string text);
    IniSection finish();

    // Readers of the table.
    void sandbox(const Directive&, const Values&);
    void dependency(const Directive&, const Values&);
    void conflict(const Directive&, const Values&);
    void condition(const Directive&, const Values&);
    void condition_path(const Directive&, const Values&);
    void start_limit_burst(const Directive&, const Values&);

    void accept(const Directive&, const Values&);
    void socket_text(const Directive&, const Values&);     ///< word: which field
    void ipv6_only(const Directive&, const Values&);
    void socket_protocol(const Directive&, const Values&);
    void listen(const Directive&, const Values&);          ///< word: stream, datagram …
    void option_flag(const Directive&, const Values&);     ///< word: of socket_options
    void option_no(const Directive&, const Values&);       ///< set by "no"
    void option_number(const Directive&, const Values&);
    void option_bytes(const Directive&, const Values&);
    void option_time(const Directive&, const Values&);
    void option_text(const Directive&, const Values&);
    void option_symlinks(const Directive&, const Values&);
    void option_tos(const Directive&, const Values&);
    void option_timestamps(const Directive&, const Values&);
    void keep_alive(const Directive&, const Values&);
    void keep_alive_time(const Directive&, const Values&);  ///< word: 0, 1, 2
    void backlog(const Directive&, const Values&);
    void socket_limit(const Directive&, const Values&);     ///< word: the native key
    void limit_rate(const Directive&, const Values&);       ///< word: poll_time, trigger_burst …

    void text(const Directive&, const Values&);             ///< word: the native key
    void flag(const Directive&, const Values&);
    void time(const Directive&, const Values&);
    void number(const Directive&, const Values&);
    void type(const Directive&, const Values&);
    void pid_file(const Directive&, const Values&);
    void commands(const Directive&, const Values&);         ///< word: start, start_pre …
    void start_condition(const Directive&, const Values&);
    void environment(const Directive&, const Values&);
    void environment_files(const Directive&, const Values&);
    void pass_environment(const Directive&, const Values&);
    void user(const Directive&, const Values&);
    void group(const Directive&, const Values&);
    void supplementary_groups(const Directive&, const Values&);
    void working_directory(const Directive&, const Values&);
    void umask(const Directive&, const Values&);
    void limit(const Directive&, const Values&);            ///< word: nofile, core …
    void stream(const Directive&, const Values&);           ///< word: in, out, err
    void restart(const Directive&, const Values&);
    void exit_statuses(const Directive&, const Values&);    ///< word: exitcodes, restart_prevent …
    void kill_mode(const Directive&, const Values&);
    void send_kill(const Directive&, const Values&);
    void notify_access(const Directive&, const Values&);
    void watchdog(const Directive&, const Values&);
    void store_preserve(const Directive&, const Values&);
    void made_folders(const Directive&, const Values&);     ///< word: RUNTIME, STATE …
    void folder_mode(const Directive&, const Values&);
    void preserve_folders(const Directive&, const Values&);
    void addresses(const Directive&, const Values&);        ///< word: allow_from, deny_from
    void nonblocking(const Directive&, const Values&);

private:
    void read(const Unit& unit, std::string_view own_section);
    void report_unknown(const Unit& unit, std::string_view own_section);
    Values values_of(const Unit& unit, const Directive& directive) const;

    /// The value with its specifiers; a mistake and nothing when it has a bad one, or one that only the connection tells.
    std::optional<std::string> plain(const Assignment& line);
    std::optional<std::vector<std::string>> plain_words(const Values& values);
    void warn(const Place& place, const std::string& key, std::string text);
    void note(const Place& place, const std::string& key, std::string text);
    void add_option(std::string word, const Values& values);
    std::string endpoint_of(std::string_view kind, const std::string& address) const;

    void parse_commands(const Assignment& line, std::vector<Command>& to);
    std::string rendered(const Command& command, bool main);
    std::string shell_words(const Command& command);
    std::string preparations();
    void finish_sockets();
    void finish_options();
    void finish_own_options();
    std::pair<std::string, std::string> owner_of(const SocketPart& part) const;
    void finish_command();
    void finish_identity();
    void finish_environment();
    void finish_streams();
    void set_stream(const std::string& name, const std::string& to, const Place& written);
    void finish_stops();
    void finish_folders();
    void finish_hooks();
    void finish_addresses();
    bool has_sockets() const { return !parts_.empty(); }
    bool serves_one_caller() const { return has_sockets() && parts_.front().accept; }

    const Place& section_place() const { return place_; }

    NativeSection section_;
    Place place_;
    Translation& translation_;
    const Surroundings& surroundings_;
    const TranslationRules& rules_;
    StartOrder& order_;

    const Unit* unit_ = nullptr;               ///< the one that is being read
    std::optional<Specifiers> specifiers_;
    std::vector<SocketPart> parts_;
    const Unit* service_ = nullptr;
    Place exec_place_;

    std::string type_;
    bool remains_ = false;
    std::map<std::string, std::vector<Command>, std::less<>> commands_;
    Environment environment_;
    std::vector<std::string> environment_files_, environment_pass_;
    Place environment_place_;
    std::string user_, group_;
    std::vector<std::string> groups_;
    Place identity_place_;
    std::string streams_[3];                   ///< StandardInput, -Output, -Error as written
    Place stream_places_[3];
    bool streams_to_caller_ = false;           ///< all of them
    bool is_sandboxed_ = false;                ///< what that means has been said
    std::string restart_ = "no";
    std::string kill_mode_ = "control-group";
    bool kills_ = true;
    std::vector<std::string> clean_exits_;
    std::vector<std::string> limits_;
    struct MadeFolders {
        std::vector<std::string> names;
        std::string mode = "0755";
        bool preserved = true;
        Place place;
        std::string key;
    };
    std::map<std::string, MadeFolders, std::less<>> folders_;
    std::map<std::string, std::vector<std::string>, std::less<>> addresses_;
    std::map<std::string, std::int64_t, std::less<>> rates_;
    Place rate_place_, addresses_place_;
};

}  // namespace xsv::config::systemd
