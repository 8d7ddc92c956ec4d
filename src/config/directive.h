#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/expand.h"
#include "config/report.h"
#include "config/sections.h"
#include "config/surroundings.h"
#include "config/values.h"

/// The tables from a user's key to a field, and what walks along them.
namespace xsv::config {

/// Which names "%(name)s" knows in a value.
enum class Scope : std::uint8_t {
    Plain,    ///< ENV_* and here
    Program,  ///< and host_node_name, program_name, group_name
    Process   ///< and process_num, numprocs, the program's own variables as ENV_*
};

/// What a setter may need besides the text.
struct Setting {
    const Surroundings& surroundings;
    std::vector<std::string>& warnings;
    const std::string& section;
    const std::string& key;
};

/// One key: `set` stores the value in T or says what was expected.
template <class T>
struct Directive {
    std::string_view key;
    Status (*set)(T& target, const std::string& value, const Setting& setting);
    std::string_view expected;  ///< the form of a value, for people
    std::string_view initial;   ///< the value when the key is absent, for people
    std::string_view help;
    Scope scope = Scope::Process;
};

/// "user" or "user:group".
struct Owner {
    uid_t uid = 0;
    std::optional<gid_t> gid;
};
Result<Owner> parse_owner(const std::string& text, const Surroundings& surroundings);

/// The forms of values that many keys share.
namespace form {
inline constexpr std::string_view kYesNo = "yes or no";
inline constexpr std::string_view kNumber = "a whole number";
inline constexpr std::string_view kTime = "a time such as 5, 500ms, 5m or 2h";
inline constexpr std::string_view kBytes = "a number of bytes, optionally with KB, MB or GB";
}  // namespace form

// How a type is read when the table names no parser.
template <class T>
Result<T> parse_as(const std::string& text);
template <>
inline Result<bool> parse_as(const std::string& text)
{
    return parse_boolean(text);
}
template <>
inline Result<int> parse_as(const std::string& text)
{
    return parse_number<int>(text);
}
template <>
inline Result<std::int64_t> parse_as(const std::string& text)
{
    return parse_integer(text);
}
template <>
inline Result<double> parse_as(const std::string& text)
{
    return parse_real(text);
}
template <>
inline Result<Duration> parse_as(const std::string& text)
{
    return parse_time(text);
}
template <>
inline Result<std::string> parse_as(const std::string& text)
{
    return text;
}
template <>
inline Result<std::vector<std::string>> parse_as(const std::string& text)
{
    return parse_list(text);
}

template <class T>
struct Unwrap {
    using Type = T;
};
template <class T>
struct Unwrap<std::optional<T>> {
    using Type = T;
};

template <class M>
struct MemberOf;
template <class C, class F>
struct MemberOf<F C::*> {
    using Class = C;
};

template <class T>
T& writable(T& settings)
{
    return settings;
}
template <class T>
T& writable(Shared<T>& settings)
{
    return settings.change();
}

template <auto First, auto... Rest>
auto& reach(auto& object)
{
    if constexpr (sizeof...(Rest) == 0)
        return object.*First;
    else
        return reach<Rest...>(writable(object.*First));
}

/// set_by<parse_octal, &ServiceSpec::exec, &Exec::umask>: this parser, that field.
template <auto Parse, auto First, auto... Rest>
Status set_by(typename MemberOf<decltype(First)>::Class& target, const std::string& text, const Setting&)
{
    auto value = Parse(text);
    if (!value) return tl::unexpected<Error>(std::move(value).error());
    reach<First, Rest...>(target) = *std::move(value);
    return {};
}

/// set<&ServiceSpec::policy, &Policy::autostart>: the field's type picks the parser.
template <auto First, auto... Rest>
Status set(typename MemberOf<decltype(First)>::Class& target, const std::string& text, const Setting& setting)
{
    using Field = std::remove_reference_t<decltype(reach<First, Rest...>(target))>;
    return set_by<parse_as<typename Unwrap<Field>::Type>, First, Rest...>(target, text, setting);
}

/// A path, made absolute.
template <auto First, auto... Rest>
Status set_path(typename MemberOf<decltype(First)>::Class& target, const std::string& text, const Setting& setting)
{
    reach<First, Rest...>(target) = setting.surroundings.absolute(text);
    return {};
}

/// Several of them.
template <auto First, auto... Rest>
Status set_paths(typename MemberOf<decltype(First)>::Class& target, const std::string& text, const Setting& setting)
{
    auto& paths = reach<First, Rest...>(target);
    paths.clear();
    for (const std::string& path : parse_list(text)) paths.push_back(setting.surroundings.absolute(path));
    return {};
}

/// set_word<kOverloads, &…>: one of a table of words.
template <const auto& Words, auto First, auto... Rest>
Status set_word(typename MemberOf<decltype(First)>::Class& target, const std::string& text, const Setting&)
{
    auto value = parse_word(Words, text);
    if (!value) return tl::unexpected<Error>(std::move(value).error());
    reach<First, Rest...>(target) = *value;
    return {};
}

/// A number with a lower limit.
template <int Least, auto First, auto... Rest>
Status set_at_least(typename MemberOf<decltype(First)>::Class& target, const std::string& text, const Setting& setting)
{
    auto value = parse_integer(text);
    if (value && *value < Least) return fail("expected a number of at least {}, got {}", Least, *value);
    return set<First, Rest...>(target, text, setting);
}

/// The names values of one section are expanded with, by scope. `plain` holds the environment and is shared by all.
struct NameScopes {
    const Names& plain;
    Names program, process;
    const Names& of(Scope scope) const
    {
        static const Names kNone;
        return scope == Scope::Process ? process : scope == Scope::Program ? program : kNone;
    }
};

/// Reads values of one section into targets, by table; every fault goes to the report with the key's place.
class SectionReader {
public:
    SectionReader(const Section& section, const NameScopes& names, const Surroundings& surroundings, Report& report)
        : section_(section),
          names_(names),
          surroundings_(surroundings),
          report_(report)
    {
    }

    template <class T>
    void read(std::span<const Directive<T>> table, T& target)
    {
        for (const Directive<T>& directive : table) read(directive, target);
    }

    template <class T>
    void read(const Directive<T>& directive, T& target)
    {
        const IniKey* key = section_.find(directive.key);
        if (key == nullptr) return;
        const auto value = expanded(*key, directive.scope);
        if (!value) return;
        store(directive, *value, key->place, target);
    }

    template <class T>
    void store(const Directive<T>& directive, const std::string& value, const Place& place, T& target)
    {
        const std::string key(directive.key);
        std::vector<std::string> warnings;
        const auto stored = directive.set(target, value, Setting{surroundings_, warnings, section_.name, key});
        if (!stored) report_.mistake(place, section_.name, key, describe(stored.error().message, directive.expected));
        for (const std::string& warning : warnings) report_.warning(place, section_.name, key, warning);
    }

    /// The value after "%(name)s"; nothing, and a line in the report, when that fails.
    std::optional<std::string> expanded(const IniKey& key, Scope scope);

private:
    static std::string describe(const std::string& error, std::string_view expected);

    const Section& section_;
    const NameScopes& names_;
    const Surroundings& surroundings_;
    Report& report_;
};

/// What a program section says before there are processes.
struct ProgramFrame {
    int numprocs = 1;
    int numprocs_start = 0;
    std::string process_name;  ///< not expanded yet
};
/// [group:x]
struct GroupFrame {
    int priority = 999;
    std::vector<std::string> programs;
};

std::span<const Directive<ProgramFrame>> frame_keys();
std::span<const Directive<ServiceSpec>> program_keys();
std::span<const Directive<ServiceSpec>> environment_keys();
std::span<const Directive<ServiceSpec>> socket_keys();
std::span<const Directive<ServiceSpec>> fcgi_keys();
std::span<const Directive<ServiceSpec>> ready_keys();
std::span<const Directive<DaemonSpec>> daemon_keys();
std::span<const Directive<ServerSpec>> unix_server_keys();
std::span<const Directive<ServerSpec>> inet_server_keys();
std::span<const Directive<GroupFrame>> group_keys();
std::span<const Directive<ServiceSpec>> connection_keys();
std::span<const Directive<Listener>> listener_keys();
std::span<const Directive<ClientSpec>> client_keys();

}  // namespace xsv::config
