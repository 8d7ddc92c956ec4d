#include <cstdint>
#include <map>

#include "base/text.h"
#include "config/dialect.h"
#include "machine.h"

using namespace xsv;
using namespace xsv::config;
using test::require;

/// Units divided by lines "--- name": whatever they say, the translation ends in sections that can be read, no name twice.
namespace {

std::map<std::string, std::string> files_in(const std::string& text)
{
    constexpr std::string_view kMark = "--- ";
    std::map<std::string, std::string> files;
    std::string* current = &files["/u/x.service"];
    for (std::size_t at = 0; at < text.size();) {
        const auto end = std::min(text.find('\n', at), text.size());
        const std::string line = text.substr(at, end - at);
        if (line.starts_with(kMark) && line.size() < 200) current = &files["/u/" + line.substr(kMark.size())];
        else *current += line + "\n";
        at = end + 1;
    }
    return files;
}

Surroundings machine(const std::map<std::string, std::string>& files)
{
    Surroundings fake = test::machine(files, "/u");
    fake.match = [files](const std::string& pattern) {
        std::vector<std::string> found;
        const auto star = pattern.find('*');
        for (const auto& [name, text] : files)
            if (star == std::string::npos ? name == pattern : name.starts_with(pattern.substr(0, star))) found.push_back(name);
        return found;
    };
    return fake;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    auto files = files_in(std::string(reinterpret_cast<const char*>(data), size));
    std::vector<std::string> names;
    for (const auto& [name, text] : files) names.push_back(name);
    for (const bool unsafe : {false, true}) {
        const Translation translation = translate_systemd(names, machine(files), {unsafe});
        std::map<std::string, int> seen;
        for (const IniSection& section : translation.sections) require(section.name.starts_with("program:") && ++seen[section.name] == 1);
        for (const Remark& remark : translation.remarks) require(!remark.text.empty());
    }
    files["/u/main.conf"] = "[include]\nsystemd=" + text::join(names, " ") + "\n";
    const Loaded loaded = load("/u/main.conf", {}, machine(files));
    for (const Mistake& mistake : loaded.mistakes) require(!mistake.text.empty());
    return 0;
}
