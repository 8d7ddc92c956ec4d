#pragma once

#include "config/dialect.h"
#include "support.h"

/// Files of xinetd, translated on a machine that has these services and no rules of tcp wrappers.
namespace xsv::config::test {

using Files = std::map<std::string, std::string>;

inline const std::string kServices = "ftp 21/tcp\nrsync 873/tcp\nrsync 873/udp\ntftp\t69/udp\necho 7/tcp\necho 7/udp\ntime 37/tcp timserver # old\nident 113/tcp auth\n";

inline Surroundings machine_with(Files files)
{
    files.try_emplace("/etc/services", kServices);
    files.try_emplace("/etc/rpc", "rstatd 100001 rstat rup\n");
    Surroundings fake = machine(std::move(files));
    fake.is_directory = [](const std::string& path) { return path.ends_with(".d"); };
    fake.most_descriptors = 4096;
    return fake;
}

inline Translation read(const Files& files)
{
    return translate_xinetd({"/etc/xinetd.conf"}, machine_with(files), {});
}

inline Translation read(const std::string& text)
{
    return read(Files{{"/etc/xinetd.conf", text}});
}

using Keys = std::map<std::string, std::string>;

/// The section's keys; empty: there is none.
inline Keys keys_of(const Translation& translation, const std::string& name)
{
    Keys keys;
    for (const IniSection& section : translation.sections)
        if (section.name == "program:" + name)
            for (const IniKey& key : section.keys) keys[key.name] = key.value;
    return keys;
}

inline Lines names_of(const Translation& translation)
{
    Lines names;
    for (const IniSection& section : translation.sections) names.push_back(section.name.substr(8));
    return names;
}

/// "warning xinetd.conf:7 [program:x] flags: REUSE is ignored"
inline Lines remarks_of(const Translation& translation)
{
    Lines lines;
    for (const Remark& remark : translation.remarks) {
        const char* const weight = remark.weight == Remark::Weight::Note ? "note" : remark.weight == Remark::Weight::Warning ? "warning" : "mistake";
        std::string line = fmt::format("{} {}:{}", weight, remark.place.file.substr(remark.place.file.rfind('/') + 1), remark.place.line);
        if (!remark.section.empty()) line += " " + remark.section.substr(8);
        if (!remark.key.empty()) line += " " + remark.key;
        lines.push_back(line + ": " + remark.text);
    }
    return lines;
}

/// A service of an external server, with more lines; the first of them is line 9.
inline std::string service(const std::string& name, const std::string& lines, const std::string& kind = "stream")
{
    const bool is_stream = kind == "stream";
    return fmt::format("service {}\n{{\n type = UNLISTED\n port = 4000\n socket_type = {}\n wait = {}\n user = git\n server = /bin/cat\n{}}}\n", name, kind, is_stream ? "no" : "yes", lines);
}

inline Keys with(const std::string& lines, const std::string& kind = "stream")
{
    return keys_of(read(service("x", lines, kind)), "x");
}

inline Lines remarks_with(const std::string& lines, const std::string& kind = "stream")
{
    return remarks_of(read(service("x", lines, kind)));
}

}  // namespace xsv::config::test
