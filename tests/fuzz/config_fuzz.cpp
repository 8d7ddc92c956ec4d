#include <algorithm>
#include <cstdint>

#include "base/text.h"
#include "config/diff.h"
#include "config/expand.h"
#include "config/record.h"
#include "config/values.h"
#include "config/words.h"
#include "machine.h"

using namespace xsv;
using namespace xsv::config;
using test::require;

/// The text of a main file, up to a line "---", and of a file it may include. Whatever they say, reading them ends in
/// an answer, and what came out is a value that survives the record.
namespace {

Surroundings machine(const std::string& main, const std::string& other)
{
    Surroundings fake = test::machine({{"/fuzz/main.conf", main}, {"/fuzz/other.conf", other}}, "/fuzz");
    fake.match = [](const std::string& pattern) { return std::vector<std::string>{pattern, "/fuzz/other.conf"}; };
    return fake;
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
