#include "xsvctl/output.h"

#include <cstdio>

#include <unistd.h>

#include <fmt/format.h>

#include "wire/json.h"

namespace xsv::xsvctl {
namespace {

// Length of the UTF-8 sequence this byte begins; 0 if none can.
std::size_t sequence_length(unsigned char c)
{
    if (c < 0x80) return 1;
    if (c >= 0xc2 && c <= 0xdf) return 2;
    if (c >= 0xe0 && c <= 0xef) return 3;
    if (c >= 0xf0 && c <= 0xf4) return 4;
    return 0;
}

bool is_continuation(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

void append_hex(std::string& out, unsigned char c)
{
    out += fmt::format("\\x{:02x}", c);
}

// U+0080 to U+009F are control characters too; some terminals take U+009B for the beginning of an escape sequence.
bool is_control(std::string_view sequence)
{
    const auto first = static_cast<unsigned char>(sequence[0]);
    if (sequence.size() == 1) return (first < 0x20 && first != '\n' && first != '\t') || first == 0x7f;
    return first == 0xc2 && static_cast<unsigned char>(sequence[1]) < 0xa0;
}

}  // namespace

std::string Visible::operator()(std::string_view chunk)
{
    const std::string text = std::exchange(held_, {}) + std::string(chunk);
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size();) {
        const std::size_t length = sequence_length(static_cast<unsigned char>(text[i]));
        std::size_t have = 1;
        while (have < length && i + have < text.size() && is_continuation(static_cast<unsigned char>(text[i + have]))) {
            ++have;
        }
        if (have < length && i + have == text.size()) {
            held_ = text.substr(i);
            break;
        }
        const std::string_view sequence(text.data() + i, have);
        if (have == length && !is_control(sequence)) {
            out += sequence;
        } else {
            for (char c : sequence) append_hex(out, static_cast<unsigned char>(c));
        }
        i += have;
    }
    return out;
}

std::string Visible::rest()
{
    std::string out;
    for (char c : std::exchange(held_, {})) append_hex(out, static_cast<unsigned char>(c));
    return out;
}

void Output::configure(bool json, bool raw)
{
    json_ = json;
    visible_ = !raw && ::isatty(STDOUT_FILENO) == 1;
}

void Output::put(std::string_view bytes)
{
    if (!visible_) {
        std::fwrite(bytes.data(), 1, bytes.size(), stdout);
        return;
    }
    Visible filter;
    const std::string shown = filter(bytes) + filter.rest();
    std::fwrite(shown.data(), 1, shown.size(), stdout);
}

void Output::line(std::string_view text)
{
    if (json_) return;
    put(text);
    std::fputc('\n', stdout);
}

void Output::text(std::string_view bytes)
{
    if (!json_) put(bytes);
}

void Output::prompt(std::string_view text)
{
    put(text);
    flush();
}

void Output::stream(std::string_view bytes)
{
    if (visible_) {
        const std::string shown = stream_filter_(bytes);
        std::fwrite(shown.data(), 1, shown.size(), stdout);
    } else {
        std::fwrite(bytes.data(), 1, bytes.size(), stdout);
    }
    flush();
}

void Output::list()
{
    is_list_ = true;
}

void Output::item(wire::Value value)
{
    is_list_ = true;
    if (json_) items_.push_back(std::move(value));
}

void Output::value(wire::Value value)
{
    has_value_ = true;
    if (json_) value_ = std::move(value);
}

void Output::error(wire::Value::Struct error)
{
    if (json_) errors_.push_back(wire::Value::Struct{{"error", std::move(error)}});
}

void Output::finish()
{
    if (json_) {
        wire::Value whole = wire::Value::Struct{};
        if (has_value_ && errors_.empty()) {
            whole = std::move(value_);
        } else if (items_.empty() && errors_.size() == 1) {
            whole = std::move(errors_.front());
        } else if (is_list_ || !errors_.empty()) {
            for (auto& error : errors_) items_.push_back(std::move(error));
            whole = std::move(items_);
        }
        const std::string text = wire::json::render(whole) + "\n";
        std::fwrite(text.data(), 1, text.size(), stdout);
    }
    has_value_ = is_list_ = false;
    value_ = {};
    items_.clear();
    errors_.clear();
    flush();
}

void Output::flush()
{
    std::fflush(stdout);
}

}  // namespace xsv::xsvctl
