#include "config/load.h"

#include <algorithm>

#include "base/text.h"
#include "config/directives.h"
#include "config/groups.h"

namespace xsv::config {
namespace {

/// Sections that are written [kind:NAME].
bool is_named(std::string_view kind)
{
    return kind == "program" || kind == "fcgi-program" || kind == "eventlistener" || kind == "group";
}

const std::vector<std::string> kKinds = {
    "supervisord", "supervisorctl", "unix_http_server", "inet_http_server", "include",  "program",
    "group",       "eventlistener", "fcgi-program",     "rpcinterface",     "ctlplugin"};

class Loader {
public:
    Loader(const std::string& file, const Overrides& overrides, const Surroundings& surroundings)
        : overrides_(overrides),
          surroundings_(surroundings)
    {
        config_.file = surroundings.absolute(file);
        add_environment(names_, surroundings.environment);
    }

    Loaded run()
    {
        const Sections sections = read_files(config_.file, names_, surroundings_, report_);
        if (!sections.all().empty() || !report_.is_fatal()) {
            read_daemon(sections);
            add_environment(names_, config_.daemon.environment);
            // In the background the daemon works in `directory`, and relative logs of programs lie there.
            Surroundings at_work = surroundings_;
            if (!config_.daemon.nodaemon && !config_.daemon.directory.empty()) at_work.directory = config_.daemon.directory;
            ProgramReader programs(config_.daemon, names_, at_work, report_);
            config_.groups = GroupReader(sections, names_, at_work, report_, programs).read();
            read_servers(sections, "inet_http_server", ServerSpec::Kind::Inet, inet_server_keys());
            read_servers(sections, "unix_http_server", ServerSpec::Kind::Unix, unix_server_keys());
            for (const Section& section : sections.all()) check_words(section);
        }
        const bool fatal = report_.is_fatal();
        return {std::move(config_), report_.take_mistakes(), report_.take_warnings(), report_.take_notes(), report_.take_included(), fatal, report_.take_imported()};
    }

private:
    /// [supervisord] may be missing: every key of it has a default.
    void read_daemon(const Sections& sections)
    {
        DaemonSpec& daemon = config_.daemon;
        daemon.logfile = surroundings_.absolute(daemon.logfile);
        daemon.pidfile = surroundings_.absolute(daemon.pidfile);
        daemon.childlogdir = surroundings_.variable("TMPDIR");
        if (daemon.childlogdir.empty() || !surroundings_.is_directory(daemon.childlogdir)) daemon.childlogdir = "/tmp";

        Section none;
        none.name = "supervisord";
        const Section* section = sections.find("supervisord");
        const NameScopes names{
            names_, {{"host_node_name", surroundings_.host}}, {{"host_node_name", surroundings_.host}}};
        SectionReader reader(section != nullptr ? *section : none, names, surroundings_, report_);
        reader.read(daemon_keys(), daemon);
        for (const auto& [key, value] : overrides_.values) override_key(reader, key, value);
    }

    /// What the command line says wins over the file; it is taken as it stands, without "%(name)s".
    void override_key(SectionReader& reader, const std::string& key, const std::string& value)
    {
        // The other options were checked when they were read; a user is looked up now, and refused in Supervisor's words.
        if (key == "user")
            if (auto user = surroundings_.user(value); !user) return report_.fatal({}, "", "", user.error().message);
        for (const auto& directive : daemon_keys())
            if (directive.key == key) return reader.store(directive, value, Place{"command line", 0}, config_.daemon);
        report_.mistake({"command line", 0}, "supervisord", key, "unknown key");
    }

    void read_servers(const Sections& sections, std::string_view prefix, ServerSpec::Kind kind,
                      std::span<const Directive<ServerSpec>> table)
    {
        const NameScopes names{names_, {}, {}};
        for (const Section& section : sections.all()) {
            if (!section.name.starts_with(prefix)) continue;
            ServerSpec server;
            server.kind = kind;
            server.section = section.name;
            SectionReader(section, names, surroundings_, report_).read(table, server);
            complete_server(server, section);
            config_.servers.push_back(std::move(server));
        }
    }

    void complete_server(ServerSpec& server, const Section& section)
    {
        constexpr std::size_t kLongestPath = 107;  // sun_path, with its zero byte
        const std::string key = server.kind == ServerSpec::Kind::Unix ? "file" : "port";
        if (!section.has(key) || section.find(key)->value.empty())
            report_.mistake(section.place, section.name, "",
                            fmt::format("section [{}] has no {} value", section.name, key));
        else if (server.path.size() > kLongestPath)
            report_.mistake(
                section.find(key)->place, section.name, key,
                fmt::format("expected a path of at most {} bytes, got {}", kLongestPath, server.path.size()));
        if (section.has("username") != section.has("password"))
            report_.mistake(
                section.place, section.name, "",
                fmt::format(
                    "Section [{}] contains incomplete authentication: If a username or a password is specified, "
                    "both the username and password must be specified",
                    section.name));
        if (server.username.empty()) server.password.clear();  // an empty name switches authentication off
        for (const std::string_view tls : {"certificate_key", "client_certificates"})
            if (section.has(tls) && server.certificate.empty())
                report_.mistake(section.find(tls)->place, section.name, std::string(tls), "needs a 'certificate'");
        if (server.certificate_key.empty()) server.certificate_key = server.certificate;
        warn_of_password(server, section);
        warn_of_exposure(server, section);
    }

    /// Rules A1 and A2. As Supervisor's, a server for this machine alone needs no password.
    void warn_of_exposure(const ServerSpec& server, const Section& section)
    {
        const IniKey* port = section.find("port");
        if (server.kind == ServerSpec::Kind::Unix || port == nullptr) return;
        const auto warn = [&](std::string text) { report_.warning(port->place, section.name, "port", std::move(text)); };
        if (server.is_open_to_all()) return warn("not opened: others can reach it and it has no password; set username and password, or allow_unauthenticated = yes");
        if (server.username.empty() && !server.allow_unauthenticated) return warn("no password: whoever can connect may do everything that 'role' allows");
        if (!server.is_for_this_machine() && server.certificate.empty())
            warn("calls and passwords cross the network as they are: set certificate, or put something with TLS in front");
    }

    void warn_of_password(const ServerSpec& server, const Section& section)
    {
        if (server.password.empty() || server.password.starts_with("{SHA}") || server.password.starts_with('$')) return;
        const Place& place = section.find("password")->place;
        if (surroundings_.is_readable_by_others(place.file))
            report_.warning(place, section.name, "password",
                            "a password in a file that everybody can read; chmod 600 the file");
    }

    void check_words(const Section& section)
    {
        const auto colon = section.name.find(':');
        const std::string kind = section.name.substr(0, colon);
        if (section.name == "DEFAULT" || section.name == "include") return;
        if (colon != std::string::npos && (kind == "rpcinterface" || kind == "ctlplugin")) return check_plugin(section, kind == "ctlplugin");
        const auto [cached, added] = known_keys_.try_emplace(kind);
        if (added) cached->second = keys_of(section.name);
        const std::vector<std::string>& known = cached->second;
        const bool needs_name = is_named(kind);
        if (known.empty() || needs_name == (colon == std::string::npos)) return unknown_section(section, kind, colon);
        for (const auto& [name, key] : section.keys) {
            if (std::find(known.begin(), known.end(), name) == known.end())
                report_.warning(key.place, section.name, text::escape_control(name.substr(0, 64)),
                                "unknown key" + suggestion(name, known));
        }
    }

    /// Supervisor loads Python here. Its own interface is always there, and there is something for most of the others.
    void check_plugin(const Section& section, bool of_client)
    {
        const std::string key = of_client ? "supervisor.ctl_factory" : "supervisor.rpcinterface_factory";
        const IniKey* factory = section.find(key);
        if (factory == nullptr)
            return report_.mistake(section.place, section.name, "", fmt::format("section [{}] does not specify a {}", section.name, key));
        if (factory->value == "supervisor.rpcinterface:make_main_rpcinterface") return;
        report_.warning(factory->place, section.name, key,
                        of_client ? "a Python plug-in cannot be loaded; xsvctl has commands of its own for this: show, why, wait, run, diff, reload"
                                  : "a Python plug-in cannot be loaded; the methods xsv.* take its place: xsv.reload adds, changes and removes "
                                    "programs, xsv.show and xsv.why tell about them");
    }

    void unknown_section(const Section& section, const std::string& kind, std::size_t colon)
    {
        // Servers may carry any text behind their name.
        if (concerns_everything(section.name) && section.name != kind) return;
        const std::string rest = colon == std::string::npos ? "" : section.name.substr(colon);
        std::string hint = suggestion(kind, kKinds, "[", rest + "]");
        if (colon == std::string::npos && is_named(kind))
            hint = fmt::format("; expected [{}:NAME]", kind);
        report_.warning(section.place, text::escape_control(section.name.substr(0, 128)), "", "unknown section" + hint);
    }

    const Overrides& overrides_;
    const Surroundings& surroundings_;
    Config config_;
    Names names_;
    Report report_;
    std::map<std::string, std::vector<std::string>> known_keys_;  // by kind of section
};

}  // namespace

std::vector<Mistake> Loaded::refusals() const
{
    std::vector<Mistake> refusals;
    for (const Mistake& mistake : mistakes)
        if (std::find(imported.begin(), imported.end(), mistake.place.file) == imported.end()) refusals.push_back(mistake);
    return refusals;
}

Loaded load(const std::string& file, const Overrides& overrides, const Surroundings& surroundings)
{
    return Loader(file, overrides, surroundings).run();
}

Loaded load(const std::string& file, const Overrides& overrides)
{
    Surroundings machine = Surroundings::real();
    // Each look-up runs a helper process: fifty programs of one user need one.
    machine.user = [known = std::map<std::string, Result<sys::User>>(),
                    find = machine.user](const std::string& name) mutable {
        const auto found = known.find(name);
        return found != known.end() ? found->second : known.emplace(name, find(name)).first->second;
    };
    if (!overrides.directory.empty()) machine.directory = overrides.directory;
    return load(file, overrides, machine);
}

Status check_setting(const std::string& key, const std::string& value)
{
    const Surroundings machine = Surroundings::real();
    DaemonSpec daemon;
    std::vector<std::string> warnings;
    const std::string section = "supervisord";
    for (const auto& directive : daemon_keys())
        if (directive.key == key) return directive.set(daemon, value, Setting{machine, warnings, section, key});
    return fail("unknown key");
}

}  // namespace xsv::config
