#include <algorithm>
#include <array>
#include <limits>

#include "base/text.h"
#include "wire/walk.h"
#include "wire/writers.h"
#include "wire/xmlrpc.h"

namespace xsv::wire::xmlrpc {

namespace {

constexpr std::string_view kDeclaration = "<?xml version='1.0'?>\n";

/// Bytes that stand for themselves in XML text.
constexpr auto kPlain = [] {
    std::array<bool, 256> plain{};
    for (int c = 0x20; c < 0x80; ++c) plain[c] = c != '<' && c != '>' && c != '&';
    plain['\t'] = plain['\n'] = true;
    return plain;
}();

void append_escaped(std::string& out, std::string_view text)
{
    while (!text.empty()) {
        const auto end = std::find_if(text.begin(), text.end(), [](unsigned char c) { return c < 0x80 && !kPlain[c]; });
        out.append(text.begin(), end);
        text.remove_prefix(static_cast<std::size_t>(end - text.begin()));
        if (text.empty()) return;
        switch (text.front()) {
            case '<': out += "&lt;"; break;
            case '>': out += "&gt;"; break;
            case '&': out += "&amp;"; break;
            default: out += "&#13;"; break;  // a bare CR reads back as LF
        }
        text.remove_prefix(1);
    }
}

void append_text(std::string& out, std::string_view text)
{
    if (std::all_of(text.begin(), text.end(), [](unsigned char c) { return kPlain[c]; }))
        out += text;
    else
        append_escaped(out, text::replace_invalid(text));
}

/// Line breaks and element order are those of Python's xmlrpc.client, which Supervisor's clients have always seen.
class Writer {
public:
    explicit Writer(std::string& out) : out_(out) {}

    void nil() { out_ += "<value><nil/></value>\n"; }
    void boolean(bool b)
    {
        out_ += b ? "<value><boolean>1</boolean></value>\n" : "<value><boolean>0</boolean></value>\n";
    }
    void integer(std::int64_t n)
    {
        using Limits = std::numeric_limits<std::int32_t>;
        out_ += "<value><int>";
        append_integer(out_, std::clamp<std::int64_t>(n, Limits::min(), Limits::max()));
        out_ += "</int></value>\n";
    }
    void real(double d)
    {
        out_ += "<value><double>";
        append_real(out_, d);
        out_ += "</double></value>\n";
    }
    void string(std::string_view s)
    {
        out_ += "<value><string>";
        append_text(out_, s);
        out_ += "</string></value>\n";
    }
    void begin_array(std::size_t) { open(false, "<value><array><data>\n"); }
    void end_array() { close("</data></array></value>\n"); }
    void begin_struct(std::size_t) { open(true, "<value><struct>\n"); }
    void key(std::string_view name)
    {
        // The first member of a struct has nothing to close.
        if (!first_) out_ += "</member>\n";
        first_ = false;
        out_ += "<member>\n<name>";
        append_text(out_, name);
        out_ += "</name>\n";
    }
    void end_struct()
    {
        if (!first_) out_ += "</member>\n";
        close("</struct></value>\n");
    }

private:
    void open(bool is_struct, std::string_view text)
    {
        out_ += text;
        first_ = is_struct;
    }
    void close(std::string_view text)
    {
        out_ += text;
        first_ = false;
    }

    std::string& out_;
    bool first_ = false;  ///< right behind the opening of a struct; a closed value inside makes it false again
};

}  // namespace

std::string render_call(std::string_view method, const Value::Array& params)
{
    std::string out(kDeclaration);
    out += "<methodCall>\n<methodName>";
    append_text(out, method);
    out += "</methodName>\n<params>\n";
    Writer writer(out);
    for (const Value& param : params) {
        out += "<param>\n";
        visit(param, writer);
        out += "</param>\n";
    }
    out += "</params>\n</methodCall>\n";
    return out;
}

Result<std::string> render_answer(std::string_view encoded)
{
    std::string out;
    out.reserve(encoded.size() * 4 + 256);  // about what a table of processes grows to
    out += kDeclaration;
    out += "<methodResponse>\n<params>\n<param>\n";
    Writer writer(out);
    if (auto walked = walk(encoded, writer); !walked) return tl::unexpected(std::move(walked).error());
    out += "</param>\n</params>\n</methodResponse>\n";
    return out;
}

std::string render_fault(const Fault& fault)
{
    std::string out(kDeclaration);
    out += "<methodResponse>\n<fault>\n";
    Writer writer(out);
    visit(Value::Struct{{"faultCode", Value(fault.code)}, {"faultString", Value(fault.text)}}, writer);
    out += "</fault>\n</methodResponse>\n";
    return out;
}

}  // namespace xsv::wire::xmlrpc
