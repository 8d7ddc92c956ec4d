#include <cstdint>
#include <cstdlib>
#include <map>
#include <set>

#include "config/import.h"
#include "config/values.h"

using namespace xsv;
using namespace xsv::config;

/// An inetd.conf. Whatever it says: reading it ends, every section has its own good name, and what `import` prints loads to the
/// same programs.
namespace {

constexpr const char* kFile = "/fuzz/inetd.conf";

Surroundings machine(const std::string& file, const std::string& text)
{
    Surroundings fake;
    fake.read = [=](const std::string& path) -> Result<std::string> { return path == file ? Result<std::string>(text) : fail("could not read {}", path); };
    fake.match = [](const std::string& pattern) { return std::vector<std::string>{pattern}; };
    fake.is_directory = [](const std::string&) { return true; };
    fake.is_readable_by_others = [](const std::string&) { return false; };
    fake.user = [](const std::string& name) -> Result<sys::User> {
        if (name.size() % 3 == 0) return fail("Invalid user name {}", name);
        return sys::User{7, 8, name, "/home", "/bin/sh", {8}};
    };
    fake.group = [](const std::string& name) -> Result<gid_t> { return static_cast<gid_t>(name.size()); };
    fake.addresses = [](const std::string& host) -> Result<std::vector<std::string>> {
        if (host.size() % 2 != 0) return fail("no address of {}", host);
        return std::vector<std::string>{"192.0.2.7", "2001:db8::7"};
    };
    return fake;
}

void require(bool holds)
{
    if (!holds) std::abort();
}

std::map<std::string, ServiceSpec> services(Loaded loaded)
{
    std::map<std::string, ServiceSpec> all;
    for (GroupSpec& group : loaded.config.groups)
        for (ServiceSpec& service : group.services) {
            service.broken.clear();  // it names lines, and what is left out no longer stands in another one's way
            all[service.namespec()] = std::move(service);
        }
    return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string text(reinterpret_cast<const char*>(data), size);
    const auto surroundings = machine(kFile, text);
    const Translation translation = translate_inetd({kFile}, surroundings, {});
    std::set<std::string> names;
    for (const IniSection& section : translation.sections) {
        require(section.name.starts_with("program:") && check_name(section.name.substr(8)).has_value());
        require(names.insert(section.name).second && section.place.line > 0);
    }
    const auto direct = services(load_foreign({{Dialect::Inetd, {kFile}}}, surroundings));
    const Import import = import_files({{Dialect::Inetd, {kFile}}}, surroundings);
    const auto printed = services(load("/fuzz/xsvd.conf", {}, machine("/fuzz/xsvd.conf", import.text)));
    require(printed.size() + import.left >= direct.size());
    for (const auto& [name, service] : printed) require(direct.contains(name) && direct.at(name) == service);
    return 0;
}
