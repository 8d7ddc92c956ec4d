#include "control/audit.h"

#include "base/log.h"
#include "base/text.h"
#include "control/params.h"

namespace xsv::control {
namespace {

/// How many parameters, from the first, are names or signals.
std::size_t told(std::string_view method, const wire::Value::Array& params)
{
    const bool is_message = method.find(".send") != method.npos;
    return std::min<std::size_t>(params.size(), is_message ? 1 : 2);
}

std::string parameter_text(const wire::Value& value)
{
    if (const auto* items = value.array()) {
        std::string all;
        for (const wire::Value& item : *items)
            if (item.string() != nullptr) all += (all.empty() ? "" : ", ") + text::repr(*item.string());
        return "[" + all + "]";
    }
    if (const auto* written = value.string()) return text::repr(*written);
    return to_text(value).value_or(to_truth(value) ? "True" : "False");
}

}  // namespace

std::string_view role_name(config::Role role)
{
    switch (role) {
        case config::Role::Viewer: return "viewer";
        case config::Role::Operator: return "operator";
        case config::Role::Admin: return "admin";
    }
    return "";
}

std::string audit_text(const Request& request)
{
    std::string params;
    for (std::size_t at = 0; at < told(request.method, request.params); ++at)
        params += (at == 0 ? "" : ", ") + parameter_text(request.params[at]);
    return fmt::format("audit: {}: {}({})", request.caller, request.method, params);
}

void audit(std::string_view request, std::string_view outcome)
{
    log::write_line(log::Level::info, fmt::format("{}: {}", request, outcome));
}

}  // namespace xsv::control
