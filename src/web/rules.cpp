#include "web/rules.h"

#include <algorithm>
#include <array>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"

namespace xsv::web {

namespace {

bool is_address(const std::string& host)
{
    in6_addr address;
    return ::inet_pton(AF_INET, host.c_str(), &address) == 1 || ::inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

/// "[::1]:9001", "::1", "name:9001" and "NAME." without port, brackets and final dot, in lower case.
std::string bare_host(std::string_view host)
{
    if (host.starts_with('[')) return text::lower(host.substr(1, std::max<std::size_t>(host.find(']'), 1) - 1));
    if (std::count(host.begin(), host.end(), ':') == 1) host = host.substr(0, host.find(':'));
    if (host.ends_with('.')) host.remove_suffix(1);
    return text::lower(host);
}

}  // namespace

HostList HostList::of_socket(int fd, const std::vector<std::string>& configured)
{
    HostList list;
    for (const char* name : {"localhost", "127.0.0.1", "::1"}) list.add(name);
    for (const std::string& name : configured) list.add(name);

    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return list;
    std::array<char, INET6_ADDRSTRLEN> text{};
    bool is_any = false;
    if (address.ss_family == AF_INET) {
        const auto& inet = reinterpret_cast<const sockaddr_in&>(address);
        is_any = inet.sin_addr.s_addr == htonl(INADDR_ANY);
        ::inet_ntop(AF_INET, &inet.sin_addr, text.data(), text.size());
    } else if (address.ss_family == AF_INET6) {
        const auto& inet = reinterpret_cast<const sockaddr_in6&>(address);
        is_any = IN6_IS_ADDR_UNSPECIFIED(&inet.sin6_addr);
        ::inet_ntop(AF_INET6, &inet.sin6_addr, text.data(), text.size());
    }
    if (!is_any) {
        list.add(text.data());
        return list;
    }
    list.add_any_address();
    std::array<char, 256> name{};
    if (::gethostname(name.data(), name.size() - 1) == 0) {
        const std::string_view full = name.data();
        list.add(full);
        list.add(full.substr(0, full.find('.')));
    }
    return list;
}

void HostList::add(std::string_view name)
{
    if (std::string host = bare_host(name); !host.empty()) names_.push_back(std::move(host));
}

bool HostList::has(std::string_view host) const
{
    const std::string name = bare_host(host);
    return std::find(names_.begin(), names_.end(), name) != names_.end() || (any_address_ && is_address(name));
}

bool is_cross_origin(const Request& request)
{
    if (request.fetch_site && *request.fetch_site != "same-origin" && *request.fetch_site != "none") return true;
    if (!request.origin) return false;
    std::string_view origin = *request.origin;
    for (const std::string_view scheme : {"http://", "https://"})
        if (origin.starts_with(scheme)) return !text::iequals(origin.substr(scheme.size()), request.host.value_or(""));
    return true;
}

bool is_form_type(std::string_view content_type)
{
    const std::string_view type = text::trim(content_type.substr(0, content_type.find(';')));
    return text::iequals(type, "text/plain") || text::iequals(type, "application/x-www-form-urlencoded") ||
           text::iequals(type, "multipart/form-data");
}

}  // namespace xsv::web
