#include <cstdint>
#include <cstdlib>
#include <string>

#include "config/dialect.h"
#include "config/load.h"

/// Files of xinetd and of tcp wrappers, as hostile text: /etc/xinetd.conf, a line "---", a file that it may include, a line
/// "---", hosts.allow. Reading them ends in sections whose names are there once and whose keys all have a place, and
/// load() takes them.
namespace {

using namespace xsv;
using namespace xsv::config;

constexpr std::string_view kBreak = "\n---\n";

std::string take(std::string_view& rest)
{
    const auto end = std::min(rest.find(kBreak), rest.size());
    const std::string part(rest.substr(0, end));
    rest.remove_prefix(std::min(rest.size(), end + kBreak.size()));
    return part;
}

Surroundings machine(std::string_view text)
{
    const std::string main = take(text), other = take(text), allow = take(text);
    Surroundings fake;
    fake.read = [=](const std::string& path) -> Result<std::string> {
        if (path == "/fuzz/main.conf") return "[supervisord]\n[include]\nxinetd=/etc/xinetd.conf\n";
        if (path == "/etc/xinetd.conf") return main;
        if (path == "/etc/services") return "echo 7/tcp\necho 7/udp\nftp 21/tcp\n";
        if (path == "/etc/rpc") return "rstatd 100001\n";
        if (path == "/etc/hosts.allow") return allow;
        if (path == "/etc/hosts.deny") return "ALL: ALL\n";
        return path.ends_with("x") ? Result<std::string>(other) : fail("could not find config file {}", path);
    };
    fake.match = [](const std::string& pattern) {
        if (pattern.find('*') == std::string::npos) return std::vector<std::string>{pattern};
        const std::string folder = pattern.substr(0, pattern.size() - 1);
        return std::vector<std::string>{folder + "#x", folder + "a.x", folder + "x"};
    };
    fake.is_directory = [](const std::string& path) { return path.size() % 2 == 0; };
    fake.is_readable_by_others = [](const std::string&) { return true; };
    fake.user = [](const std::string& name) -> Result<sys::User> { return sys::User{7, 8, name, "/home", "/bin/sh", {8}}; };
    fake.group = [](const std::string& name) -> Result<gid_t> { return static_cast<gid_t>(name.size()); };
    fake.address = [](const std::string&) -> Result<std::string> { return std::string("192.0.2.7"); };
    fake.addresses = [](const std::string& host) -> Result<std::vector<std::string>> {
        if (host.size() > 20) return fail("no address");
        return std::vector<std::string>{"192.0.2.7", "2001:db8::7"};
    };
    fake.environment = {{"HOME", "/root"}, {"X", "x"}};
    fake.directory = "/fuzz";
    return fake;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const Surroundings fake = machine({reinterpret_cast<const char*>(data), size});
    const Translation done = translate_xinetd({"/etc/xinetd.conf"}, fake, {});
    for (std::size_t i = 0; i < done.sections.size(); ++i) {
        for (const IniKey& key : done.sections[i].keys)
            if (key.place.file.empty() || key.place.line == 0) std::abort();
        if (i > 0 && done.sections[i].name == done.sections[i - 1].name) std::abort();
    }
    const Loaded loaded = load("/fuzz/main.conf", {}, fake);
    std::size_t count = 0;
    for (const GroupSpec& group : loaded.config.groups) count += group.services.size();
    if (count > done.sections.size()) std::abort();
    return 0;
}
