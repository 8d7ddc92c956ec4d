#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "web/message.h"

namespace xsv::web {

/// The names a TCP server may be called by (rule W1): a web page elsewhere must not reach it by pointing its own name
/// here.
class HostList {
public:
    /// For the socket at `fd`: its address, the loopback names, `configured` ones; bound to every address: any address
    /// and the machine's name.
    static HostList of_socket(int fd, const std::vector<std::string>& configured);

    void add(std::string_view name);
    void add_any_address() { any_address_ = true; }
    /// `host` as in a Host line, with or without port.
    bool has(std::string_view host) const;

private:
    std::vector<std::string> names_;
    bool any_address_ = false;
};

/// Whether a page of another origin made a browser send this (rule W2).
bool is_cross_origin(const Request& request);

/// Whether this is a type a browser sends across origins without asking first (rule W3).
bool is_form_type(std::string_view content_type);

}  // namespace xsv::web
