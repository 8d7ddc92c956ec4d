#include "xsvctl/server_choice.h"

#include <algorithm>
#include <cerrno>

#include <unistd.h>

#include "config/load.h"
#include "sys/files.h"
#include "xsvctl/diagnosis.h"

namespace xsv::xsvctl {
namespace {

constexpr const char* kSupervisorDefault = "http://localhost:9001";

std::string base_name(const std::string& path)
{
    return path.substr(path.rfind('/') + 1);
}

// Where the daemon of this file puts its socket when the file names none. An ordinary user may ask for root's daemon.
std::vector<std::string> default_sockets(const std::string& config_file)
{
    const std::string own = sys::default_run_dir(config_file);
    std::vector<std::string> sockets{own + "/xsvd.sock"};
    if (!own.starts_with("/run/xsvd/")) sockets.push_back("/run/xsvd/" + base_name(own) + "/xsvd.sock");
    return sockets;
}

void take_login(Server& server, const config::ServerSpec& spec)
{
    if (spec.username.empty() || server.username || server.password) return;
    if (spec.password.starts_with("{") || spec.password.starts_with("$")) return;  // a hash is no password
    server.username = spec.username;
    server.password = spec.password;
}

std::string url_of(const config::ServerSpec& spec)
{
    if (spec.kind == config::ServerSpec::Kind::Unix) return "unix://" + spec.path;
    const std::string host = spec.host.empty() || spec.host == "0.0.0.0" || spec.host == "*" ? "127.0.0.1" : spec.host;
    const bool is_v6 = host.find(':') != std::string::npos && !host.starts_with('[');
    const std::string scheme = spec.certificate.empty() ? "http" : "https";
    return fmt::format("{}://{}:{}", scheme, is_v6 ? "[" + host + "]" : host, spec.port);
}

// The daemon listens in its run-time folder only when its file has no server section, so a living socket there saves
// reading the whole configuration.
void find_server(Server& server, const std::string& config_file)
{
    const auto sockets = default_sockets(config_file);
    const auto living = std::find_if(sockets.begin(), sockets.end(), is_answering);
    if (living != sockets.end()) {
        server.url = "unix://" + *living;
        return;
    }
    const config::Config config = config::load(config_file).config;
    const config::ServerSpec* best = nullptr;
    for (const auto& spec : config.servers) {
        const bool is_unix = spec.kind == config::ServerSpec::Kind::Unix;
        if (!best || (is_unix && best->kind != config::ServerSpec::Kind::Unix)) best = &spec;
    }
    if (best) {
        server.url = url_of(*best);
        take_login(server, *best);
        return;
    }
    if (!config.daemon.rundir.empty()) {
        server.url = "unix://" + config.daemon.rundir + "/xsvd.sock";
        return;
    }
    const auto visible = std::find_if(sockets.begin(), sockets.end(),
                                      [](const std::string& path) { return ::access(path.c_str(), F_OK) == 0; });
    server.url = "unix://" + (visible == sockets.end() ? sockets.front() : *visible);
}

// Without any file there may still be exactly one daemon to talk to.
std::string only_daemon()
{
    const auto instances = living_instances(run_roots());
    if (instances.size() == 1 && is_answering(instances[0].socket())) return "unix://" + instances[0].socket();
    return kSupervisorDefault;
}

Status read_client_section(Choice& choice, const Options& options)
{
    auto client = config::load_client(choice.config_file);
    if (!client) {
        // A file that cannot be read does not matter to somebody who says which server.
        if (options.serverurl && !options.as_supervisorctl && !options.configuration) return {};
        if (client.error().code == ENOENT) return fail("could not find config file {}", choice.config_file);
        if (options.as_supervisorctl && client.error().code != 0) {
            return fail("could not read config file {}", choice.config_file);
        }
        return tl::unexpected<Error>(client.error());
    }
    if (options.as_supervisorctl && !client->has_section) {
        return fail(".ini file does not include supervisorctl section");
    }
    choice.prompt = client->prompt;
    if (!client->history_file.empty()) choice.history_file = client->history_file;
    if (choice.server.url.empty()) choice.server.url = client->serverurl;
    if (!choice.server.username && !client->username.empty()) choice.server.username = client->username;
    if (!choice.server.password && !client->password.empty()) choice.server.password = client->password;
    choice.server.ca_certificate = client->ca_certificate;
    choice.server.certificate = client->certificate;
    choice.server.certificate_key = client->certificate_key;
    return {};
}

}  // namespace

Result<Choice> choose_server(const Options& options)
{
    Choice choice;
    choice.config_file = options.configuration ? *options.configuration : config::find_config_file(options.program);
    choice.server = {options.serverurl.value_or(""), options.username, options.password};
    if (!choice.config_file.empty()) {
        if (auto status = read_client_section(choice, options); !status) return tl::unexpected<Error>(status.error());
    }
    // Supervisor's option for the history has no effect; ours has.
    if (!options.as_supervisorctl && !options.history_file.empty()) choice.history_file = options.history_file;
    if (!choice.server.url.empty()) return choice;
    if (options.as_supervisorctl) {
        choice.server.url = kSupervisorDefault;
    } else if (choice.config_file.empty()) {
        choice.server.url = only_daemon();
    } else {
        find_server(choice.server, choice.config_file);
    }
    return choice;
}

}  // namespace xsv::xsvctl
