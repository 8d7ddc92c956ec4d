#include "config/xinetd/databases.h"

#include "base/text.h"

namespace xsv::config::xinetd {
namespace {

/// The words of each line, without comments.
template <class Call>
void each_line(const std::string& text, Call call)
{
    for (std::size_t from = 0; from < text.size();) {
        const auto end = std::min(text.find('\n', from), text.size());
        const std::string_view line(text.data() + from, end - from);
        if (const auto words = text::words(line.substr(0, line.find('#'))); words.size() > 1) call(words);
        from = end + 1;
    }
}

}  // namespace

void Databases::read_services()
{
    services_.emplace();
    each_line(surroundings_.read("/etc/services").value_or(""), [&](const std::vector<std::string>& words) {
        const auto slash = words[1].find('/');
        const auto port = text::to_int(words[1].substr(0, slash));
        if (slash == std::string::npos || !port || *port < 0 || *port > 65535) return;
        const std::string protocol = words[1].substr(slash);
        // The first line of a name counts, as for getservbyname.
        for (std::size_t i = 0; i < words.size(); ++i)
            if (i != 1) services_->emplace(words[i] + protocol, static_cast<std::uint16_t>(*port));
    });
}

void Databases::read_programs()
{
    programs_.emplace();
    each_line(surroundings_.read("/etc/rpc").value_or(""), [&](const std::vector<std::string>& words) {
        const auto number = text::to_int(words[1]);
        if (!number || *number < 0 || *number > UINT32_MAX) return;
        for (std::size_t i = 0; i < words.size(); ++i)
            if (i != 1) programs_->emplace(words[i], static_cast<std::uint32_t>(*number));
    });
}

std::optional<std::uint16_t> Databases::port(const std::string& service, const std::string& protocol)
{
    if (!services_) read_services();
    const auto found = services_->find(service + "/" + protocol);
    return found != services_->end() ? std::optional(found->second) : std::nullopt;
}

std::optional<std::uint32_t> Databases::rpc_program(const std::string& name)
{
    if (!programs_) read_programs();
    const auto found = programs_->find(name);
    return found != programs_->end() ? std::optional(found->second) : std::nullopt;
}

}  // namespace xsv::config::xinetd
