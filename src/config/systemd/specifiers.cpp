#include "config/systemd/specifiers.h"

#include "base/text.h"
#include "config/systemd/text.h"

namespace xsv::config::systemd {

Result<std::string> Specifiers::expand(std::string_view text) const
{
    std::string expanded;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == kConnection) return fail("unexpected control character in '{}'", text::escape_control(text));
        if (text[i] != '%') {
            expanded += text[i];
            continue;
        }
        if (++i == text.size()) return fail("'%' at the end: a percent sign is written '%%'");
        auto value = this->value(text[i]);
        if (!value) return value;
        expanded += *value;
    }
    return expanded;
}

Result<std::string> Specifiers::value(char letter) const
{
    const UnitName& name = unit_.name;
    const std::string instance = per_connection_ ? std::string(1, kConnection) : name.instance;
    const std::string stem = per_connection_ ? name.prefix + "@" + instance : name.stem();
    const auto last_part = name.prefix.substr(name.prefix.rfind('-') + 1);
    switch (letter) {
        case '%': return std::string("%");
        case 'n': return stem + "." + name.suffix;
        case 'N': return stem;
        case 'p': return name.prefix;
        case 'P': return unescape_name(name.prefix);
        case 'i': return instance;
        case 'I': return unescape_name(instance);
        case 'j': return last_part;
        case 'J': return unescape_name(last_part);
        case 'f': return "/" + unescape_name(instance.empty() ? name.prefix : instance);
        case 't': return folder("/run", "XDG_RUNTIME_DIR", "");
        case 'S': return folder("/var/lib", "XDG_STATE_HOME", "/.local/state");
        case 'C': return folder("/var/cache", "XDG_CACHE_HOME", "/.cache");
        case 'L': return folder("/var/log", "XDG_STATE_HOME", "/.local/state/log");
        case 'E': return folder("/etc", "XDG_CONFIG_HOME", "/.config");
        case 'T': return std::string("/tmp");
        case 'V': return std::string("/var/tmp");
        case 'y': return unit_.place.file;
        case 'Y': return Surroundings::folder_of(unit_.place.file);
        case 'U': return std::to_string(surroundings_.uid);
        case 'H': return surroundings_.host;
        case 'l': return surroundings_.host.substr(0, surroundings_.host.find('.'));
        case 'm': return first_line("/etc/machine-id");
        case 'v': return first_line("/proc/sys/kernel/osrelease");
        case 'o': return of_release("ID");
        case 'w': return of_release("VERSION_ID");
        case 'W': return of_release("VARIANT_ID");
        case 'B': return of_release("BUILD_ID");
        default: break;
    }
    if (letter == 'b') {
        auto id = first_line("/proc/sys/kernel/random/boot_id");
        return id ? Result<std::string>(text::replace_all(*id, "-", "")) : id;
    }
    if (letter == 'u' || letter == 'h' || letter == 's') {
        const auto user = surroundings_.user(std::to_string(surroundings_.uid));
        if (!user) return tl::unexpected<Error>(user.error());
        return letter == 'u' ? user->name : letter == 'h' ? user->home : user->shell;
    }
    return fail("the specifier '%{}' is not known here", text::escape_control({&letter, 1}));
}

/// The system's folder, or for an ordinary user his own.
std::string Specifiers::folder(std::string_view system, std::string_view variable, std::string_view below_home) const
{
    if (surroundings_.uid == 0) return std::string(system);
    const std::string own = surroundings_.variable(variable);
    if (!own.empty()) return own;
    return below_home.empty() ? fmt::format("/run/user/{}", surroundings_.uid) : surroundings_.variable("HOME") + std::string(below_home);
}

Result<std::string> Specifiers::first_line(const std::string& file) const
{
    auto text = surroundings_.read(file);
    if (!text) return text;
    return std::string(text::trim(text->substr(0, text->find('\n'))));
}

Result<std::string> Specifiers::of_release(std::string_view key) const
{
    const auto text = surroundings_.read("/etc/os-release");
    if (!text) return tl::unexpected<Error>(text.error());
    for (const std::string& line : text::split(*text, '\n')) {
        if (!line.starts_with(std::string(key) + "=")) continue;
        const auto words = split_words(line.substr(key.size() + 1));
        return words && !words->empty() ? words->front() : std::string();
    }
    return std::string();
}

}  // namespace xsv::config::systemd
