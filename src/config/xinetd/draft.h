#pragma once

#include <set>
#include <string>

#include "config/xinetd/databases.h"
#include "config/xinetd/settings.h"

namespace xsv::config {
class HostsAccess;
}

namespace xsv::config::xinetd {

/// One service on its way into a section: what the writers share.
class Draft {
public:
    Draft(Service& service, const Settings& defaults, const Surroundings& surroundings, NativeSection section)
        : service(service), surroundings(surroundings), section(std::move(section)), defaults_(defaults)
    {
    }

    /// The service's own line, else the defaults'.
    const Attribute* find(std::string_view name) const;
    /// All lines of a list, those of the defaults first.
    std::vector<Attribute> list(std::string_view name) const;
    /// The words of the lines of a list after += and -=, each with its line; compared without case.
    std::vector<std::pair<std::string, Place>> words(std::string_view name) const;
    /// yes or no; anything else is a mistake, and nullopt.
    std::optional<bool> flag(std::string_view name);
    std::optional<std::int64_t> number(const Attribute& attribute, std::int64_t least, std::int64_t most, const std::string& word);

    bool is(std::string_view type) const { return types.contains(type); }
    bool has_flag(std::string_view flag) const { return flags.contains(flag); }
    bool is_internal() const { return is("internal") || has_flag("sensor"); }
    bool is_muxed() const { return is("tcpmux") || is("tcpmuxplus"); }
    bool is_stream() const { return socket_type == "stream"; }

    void note(const Attribute& line, std::string text) { service.remark(Remark::Weight::Note, line.place, line.name, std::move(text)); }
    void warning(const Attribute& line, std::string text) { service.remark(Remark::Weight::Warning, line.place, line.name, std::move(text)); }
    void mistake(const Attribute& line, std::string text) { service.remark(Remark::Weight::Mistake, line.place, line.name, std::move(text)); }
    void missing(std::string key, std::string text) { service.remark(Remark::Weight::Mistake, service.place, std::move(key), std::move(text)); }

    Service& service;
    const Surroundings& surroundings;
    NativeSection section;
    bool off = false;                       ///< disabled: it may have mistakes
    std::set<std::string, std::less<>> types, flags;
    std::string socket_type, protocol;      ///< empty: a mistake was made
    bool wait = false;
    std::optional<std::uint16_t> port;

private:
    const Settings& defaults_;
};

/// In this order: each builds on what the one before found out.
void write_kind(Draft& draft);                            ///< types, flags, socket_type, protocol, wait
void write_socket(Draft& draft, Databases& databases);    ///< where callers come to
void write_process(Draft& draft);                         ///< what is started, and as whom
void write_admission(Draft& draft);                       ///< how many, how often, when
void write_access(Draft& draft, HostsAccess& wrappers);   ///< who
void write_log(Draft& draft);

}  // namespace xsv::config::xinetd
