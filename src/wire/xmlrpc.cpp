#include "wire/xmlrpc.h"

#include <charconv>
#include <cmath>
#include <optional>

#include <pugixml.hpp>

#include "base/text.h"
#include "wire/base64.h"
#include "wire/walk.h"

namespace xsv::wire::xmlrpc {

namespace {

constexpr std::size_t kMaxCallValues = 10'000;
constexpr std::size_t kMaxResponseValues = 1'000'000;

/// What never reaches the parser: it would accept each of these.
Status check_bytes(std::string_view xml)
{
    for (const char byte : xml) {
        const auto c = static_cast<unsigned char>(byte);
        if (c < 0x20 && c != '\t' && c != '\n' && c != '\r') return fail("XML: control character {:#04x}", int{c});
    }
    if (!text::is_utf8(xml)) return fail("XML: the text is not valid UTF-8");
    const std::string_view body = text::trim(xml);
    if (body.empty() || body.front() != '<' || body.back() != '>')
        return fail("XML: text outside the document's element");
    for (std::size_t at = body.find("<!"); at != body.npos; at = body.find("<!", at + 2))
        if (!body.substr(at).starts_with("<!--") && !body.substr(at).starts_with("<![CDATA["))
            return fail("XML: declarations such as DOCTYPE are not accepted");
    for (std::size_t at = body.find("<?"); at != body.npos; at = body.find("<?", at + 2))
        if (at != 0 || !body.starts_with("<?xml ")) return fail("XML: processing instructions are not accepted");
    return {};
}

bool is_text(const pugi::xml_node& node)
{
    return node.type() == pugi::node_pcdata || node.type() == pugi::node_cdata;
}

/// The text of an element, which comments and CDATA sections may have cut into pieces.
std::string text_of(const pugi::xml_node& element)
{
    std::string text;
    for (const pugi::xml_node& child : element)
        if (is_text(child)) text += child.value();
    return text;
}

/// The only element inside, or an empty node when there is none or more than one.
pugi::xml_node only_element(const pugi::xml_node& parent)
{
    pugi::xml_node found;
    for (const pugi::xml_node& child : parent) {
        if (child.type() != pugi::node_element) continue;
        if (found) return {};
        found = child;
    }
    return found;
}

bool has_element(const pugi::xml_node& parent)
{
    for (const pugi::xml_node& child : parent)
        if (child.type() == pugi::node_element) return true;
    return false;
}

Result<Value> read_real(std::string_view text)
{
    double d = 0;
    text = text::trim(text);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), d);
    if (text.empty() || error != std::errc() || end != text.data() + text.size() || !std::isfinite(d))
        return fail("<double> holds no number");
    return Value(d);
}

/// Reads <value> elements; depth and number of values are bounded, so recursion is too.
class Reader {
public:
    explicit Reader(std::size_t max_values) : room_(max_values) {}

    Result<Value> value(const pugi::xml_node& node, std::size_t depth = 0)
    {
        if (std::string_view(node.name()) != "value") return fail("expected <value>, found <{}>", node.name());
        if (room_ == 0) return fail("too many values");
        --room_;
        if (!has_element(node)) return Value(text_of(node));
        const pugi::xml_node typed = only_element(node);
        if (!typed) return fail("<value> holds more than one element");
        const std::string_view type = typed.name();
        if (type == "array" || type == "struct") {
            if (depth == kMaxDepth) return fail("values are nested more than {} deep", kMaxDepth);
            return type == "array" ? array(typed, depth + 1) : structure(typed, depth + 1);
        }
        return scalar(type, typed);
    }

private:
    static Result<Value> scalar(std::string_view type, const pugi::xml_node& node)
    {
        if (has_element(node)) return fail("<{}> holds an element", type);
        if (type.find(':') != type.npos) return fail("<{}>: name spaces are not accepted", type);
        if (type == "nil") return Value();
        std::string content = text_of(node);
        if (type == "int" || type == "i4") {
            const auto number = text::to_int(text::trim(content));
            if (!number) return fail("<{}> holds no integer", type);
            return Value(*number);
        }
        if (type == "boolean") return Value(content == "1");
        if (type == "double") return read_real(content);
        if (type == "base64") {
            auto bytes = base64_decode(content);
            if (!bytes) return fail("<base64> holds no base64");
            return Value(*std::move(bytes));
        }
        return Value(
            std::move(content));  // string, dateTime.iso8601; every other type is its text too, as in Supervisor
    }

    Result<Value> array(const pugi::xml_node& node, std::size_t depth)
    {
        Value::Array items;
        if (!has_element(node)) return Value(std::move(items));
        const pugi::xml_node data = only_element(node);
        if (std::string_view(data.name()) != "data") return fail("<array> must hold one <data>");
        for (const pugi::xml_node& child : data) {
            if (child.type() != pugi::node_element) continue;
            auto item = value(child, depth);
            if (!item) return item;
            items.push_back(*std::move(item));
        }
        return Value(std::move(items));
    }

    Result<Value> structure(const pugi::xml_node& node, std::size_t depth)
    {
        Value::Struct members;
        for (const pugi::xml_node& child : node) {
            if (child.type() != pugi::node_element) continue;
            if (std::string_view(child.name()) != "member") return fail("<struct> holds <{}>", child.name());
            const pugi::xml_node name = child.child("name"), content = child.child("value");
            if (!name || !content) return fail("<member> needs a <name> and a <value>");
            auto member = value(content, depth);
            if (!member) return member;
            members.emplace_back(text_of(name), *std::move(member));
        }
        if (has_duplicates(members)) return fail("<struct> names a member twice");
        return Value(std::move(members));
    }

    std::size_t room_;
};

/// The document's one element, which must have this name.
Result<pugi::xml_node> load(pugi::xml_document& document, std::string_view xml, std::string_view root)
{
    if (auto checked = check_bytes(xml); !checked) return tl::unexpected(std::move(checked).error());
    constexpr unsigned kFlags =
        pugi::parse_minimal | pugi::parse_escapes | pugi::parse_cdata | pugi::parse_ws_pcdata_single | pugi::parse_eol;
    const auto parsed = document.load_buffer(xml.data(), xml.size(), kFlags, pugi::encoding_utf8);
    if (!parsed) return fail("XML: {} at byte {}", parsed.description(), parsed.offset);
    const pugi::xml_node element = only_element(document);
    if (root != element.name()) return fail("XML: expected one <{}>", root);
    return element;
}

std::optional<Fault> as_fault(const Value& value)
{
    const Value* code = value.find("faultCode");
    const Value* text = value.find("faultString");
    if (!code || !code->integer() || !text || !text->string()) return std::nullopt;
    return Fault{static_cast<int>(*code->integer()), *text->string()};
}

}  // namespace

Result<Call> parse_call(std::string_view xml)
{
    pugi::xml_document document;
    auto root = load(document, xml, "methodCall");
    if (!root) return tl::unexpected(std::move(root).error());
    Call call;
    call.method = text_of(root->child("methodName"));
    if (call.method.empty()) return fail("{}", kNoMethodName);
    Reader reader(kMaxCallValues);
    for (const pugi::xml_node& param : root->child("params")) {
        if (param.type() != pugi::node_element) continue;
        if (std::string_view(param.name()) != "param") return fail("<params> holds <{}>", param.name());
        auto value = reader.value(only_element(param));
        if (!value) return wrap(value, "parameter " + std::to_string(call.params.size() + 1));
        call.params.push_back(*std::move(value));
    }
    return call;
}

Result<Response> parse_response(std::string_view xml)
{
    pugi::xml_document document;
    auto root = load(document, xml, "methodResponse");
    if (!root) return tl::unexpected(std::move(root).error());
    Reader reader(kMaxResponseValues);
    const pugi::xml_node content = only_element(*root);
    if (std::string_view(content.name()) == "fault") {
        auto value = reader.value(only_element(content));
        if (!value) return wrap(value, "fault");
        if (auto fault = as_fault(*value)) return Response(*std::move(fault));
        return fail("<fault> needs faultCode and faultString");
    }
    const pugi::xml_node param = only_element(content);
    if (std::string_view(content.name()) != "params" || std::string_view(param.name()) != "param")
        return fail("<methodResponse> needs one <param> or a <fault>");
    auto value = reader.value(only_element(param));
    if (!value) return wrap(value, "answer");
    return Response(*std::move(value));
}

}  // namespace xsv::wire::xmlrpc
