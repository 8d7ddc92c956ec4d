#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "base/text.h"
#include "config/diff.h"
#include "config/expand.h"
#include "config/record.h"
#include "config/surroundings.h"
#include "config/values.h"
#include "config/words.h"

using namespace xsv;
using namespace xsv::config;

/// The text of a main file, up to a line "---", and of a file it may include. Whatever they say, reading them ends in
/// an answer, and what came out is a value that survives the record.
namespace {

Surroundings machine(const std::string& main, const std::string& other)
{
    Surroundings fake;
    fake.read = [=](const std::string& path) -> Result<std::string> {
        if (path == "/fuzz/main.conf") return main;
        if (path == "/fuzz/other.conf") return other;
        return fail("could not find config file {}", path);
    };
    fake.match = [](const std::string& pattern) { return std::vector<std::string>{pattern, "/fuzz/other.conf"}; };
    fake.is_directory = [](const std::string& path) { return path.size() % 2 == 0; };
    fake.is_readable_by_others = [](const std::string&) { return true; };
    fake.user = [](const std::string& name) -> Result<sys::User> {
        if (name.empty()) return fail("Invalid user name {}", name);
        return sys::User{7, 8, name, "/home", "/bin/sh", {8}};
    };
    fake.group = [](const std::string& name) -> Result<gid_t> { return static_cast<gid_t>(name.size()); };
    fake.address = [](const std::string&) -> Result<std::string> { return std::string("192.0.2.7"); };
    fake.addresses = [](const std::string&) -> Result<std::vector<std::string>> { return std::vector<std::string>{"192.0.2.7", "2001:db8::7"}; };
    fake.environment = {{"HOME", "/root"}, {"X", "x"}};
    fake.directory = "/fuzz";
    return fake;
}

void require(bool holds)
{
    if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string text(reinterpret_cast<const char*>(data), size);
    const auto cut = text.find("\n---\n");
    const std::string main = text.substr(0, cut);
    const std::string other = cut == std::string::npos ? "" : text.substr(cut + 5);

    const Loaded loaded = load("/fuzz/main.conf", {}, machine(main, other));
    for (const Mistake& mistake : loaded.mistakes) require(!mistake.text.empty() && !mistake.warning);
    for (const GroupSpec& group : loaded.config.groups) {
        for (const ServiceSpec& service : group.services) {
            require(check_name(service.name).has_value() && service.group == group.name);
            (void)shell_words(service.exec.command);
        }
    }
    const auto again = decode(encode(loaded.config));
    require(again.has_value() && *again == loaded.config && diff(loaded.config, *again).empty());
    return 0;
}
