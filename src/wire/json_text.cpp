#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/text.h"
#include "wire/json.h"
#include "wire/walk.h"
#include "wire/writers.h"

namespace xsv::wire {

void append_real(std::string& out, double d)
{
    const std::size_t start = out.size();
    fmt::format_to(std::back_inserter(out), "{}", d);
    if (out.find_first_not_of("-0123456789", start) == out.npos) out += ".0";
}

}  // namespace xsv::wire

namespace xsv::wire::json {

namespace {

void append_ascii(std::string& out, unsigned char c)
{
    switch (c) {
        case '"': out += "\\\""; break;
        case '\\': out += "\\\\"; break;
        case '\n': out += "\\n"; break;
        case '\r': out += "\\r"; break;
        case '\t': out += "\\t"; break;
        default:
            if (c < 0x20 || c == 0x7f)
                fmt::format_to(std::back_inserter(out), "\\u{:04x}", int{c});
            else
                out.push_back(static_cast<char>(c));
    }
}

void append_string(std::string& out, std::string_view text)
{
    out.push_back('"');
    while (!text.empty()) {
        const auto is_ascii = [](unsigned char c) { return c < 0x80; };
        const auto ascii_end = std::find_if_not(text.begin(), text.end(), is_ascii);
        std::for_each(text.begin(), ascii_end, [&](unsigned char c) { append_ascii(out, c); });
        // Control characters have an escape of their own here; only runs of high bytes may need replacing.
        const auto high_end = std::find_if(ascii_end, text.end(), is_ascii);
        if (ascii_end != high_end) out += text::replace_invalid(std::string_view(ascii_end, high_end));
        text = std::string_view(high_end, text.end());
    }
    out.push_back('"');
}

class Writer {
public:
    Writer(std::string& out, bool indented) : out_(out), indented_(indented) {}

    void nil() { before() += "null"; }
    void boolean(bool b) { before() += b ? "true" : "false"; }
    void integer(std::int64_t n) { append_integer(before(), n); }
    void real(double d) { std::isfinite(d) ? append_real(before(), d) : void(before() += "null"); }
    void string(std::string_view s) { append_string(before(), s); }
    void begin_array(std::size_t) { open('['); }
    void end_array() { close(']'); }
    void begin_struct(std::size_t) { open('{'); }
    void end_struct() { close('}'); }
    void key(std::string_view name)
    {
        append_string(before(), name);
        out_ += indented_ ? ": " : ":";
        after_key_ = true;
    }

private:
    std::string& before()
    {
        if (!after_key_ && depth_ > 0) {
            if (!first_) out_.push_back(',');
            line();
        }
        after_key_ = first_ = false;
        return out_;
    }
    void open(char bracket)
    {
        before().push_back(bracket);
        ++depth_;
        first_ = true;
    }
    void close(char bracket)
    {
        --depth_;
        if (!first_) line();
        first_ = false;
        out_.push_back(bracket);
    }
    void line()
    {
        if (indented_) out_.append(1, '\n').append(2 * depth_, ' ');
    }

    std::string& out_;
    bool indented_;
    bool first_ = false, after_key_ = false;
    std::size_t depth_ = 0;
};

}  // namespace

std::string render(const Value& value, bool indented)
{
    std::string out;
    Writer writer(out, indented);
    visit(value, writer);
    return out;
}

Result<std::string> transcode(std::string_view encoded)
{
    std::string out;
    out.reserve(encoded.size() * 2 + 64);
    Writer writer(out, false);
    if (auto walked = walk(encoded, writer); !walked) return tl::unexpected(std::move(walked).error());
    return out;
}

Result<std::string> render_result(std::string_view id, std::string_view encoded)
{
    auto result = transcode(encoded);
    if (!result) return result;
    return fmt::format(R"({{"jsonrpc":"2.0","result":{},"id":{}}})", *result, id);
}

std::string render_error(std::string_view id, const Fault& fault)
{
    std::string message;
    append_string(message, fault.text);
    return fmt::format(R"({{"jsonrpc":"2.0","error":{{"code":{},"message":{}}},"id":{}}})", fault.code, message, id);
}

std::string render_request(std::string_view method, const Value::Array& params, std::int64_t id)
{
    return render(
        Value::Struct{{"jsonrpc", "2.0"}, {"method", Value(method)}, {"params", Value(params)}, {"id", Value(id)}});
}

}  // namespace xsv::wire::json
