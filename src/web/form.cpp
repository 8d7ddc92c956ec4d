#include "web/form.h"

#include <algorithm>

#include <fmt/format.h>

#include "web/message.h"

namespace xsv::web {

namespace {

std::string decode_field(std::string_view text)
{
    std::string out;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const int byte = text[at] == '%' ? hex_byte(text.substr(at + 1)) : -1;
        if (byte >= 0) at += 2;
        out.push_back(byte >= 0 ? static_cast<char>(byte) : text[at] == '+' ? ' ' : text[at]);
    }
    return out;
}

bool is_safe(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_.-~/").find(c) != std::string_view::npos;
}

std::int64_t hour_of(Time now)
{
    return std::chrono::duration_cast<std::chrono::hours>(now.time_since_epoch()).count();
}

}  // namespace

void Form::add(std::string_view text)
{
    while (!text.empty()) {
        const std::string_view field = text.substr(0, text.find('&'));
        text.remove_prefix(std::min(text.size(), field.size() + 1));
        const std::size_t equals = std::min(field.find('='), field.size());
        const std::string_view value = field.substr(std::min(field.size(), equals + 1));
        if (!value.empty()) fields_.emplace(decode_field(field.substr(0, equals)), decode_field(value));
    }
}

std::string Form::get(const std::string& name) const
{
    const auto found = fields_.find(name);
    return found == fields_.end() ? std::string() : found->second;
}

std::string quote_url(std::string_view text)
{
    std::string out;
    for (const char c : text) {
        if (is_safe(c))
            out.push_back(c);
        else
            out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return out;
}

std::string FormTokens::make(std::string_view user, Time now) const
{
    return token(user, hour_of(now));
}

bool FormTokens::check(std::string_view given, std::string_view user, Time now) const
{
    return digest_.is_same(given, token(user, hour_of(now))) || digest_.is_same(given, token(user, hour_of(now) - 1));
}

std::string FormTokens::token(std::string_view user, std::int64_t hour) const
{
    std::string hex;
    for (const std::uint8_t byte : digest_.of(fmt::format("form:{}:{}", hour, user)))
        hex += fmt::format("{:02x}", byte);
    return hex;
}

}  // namespace xsv::web
