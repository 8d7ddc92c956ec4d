#include "wire/json.h"

#include <limits>

#include <nlohmann/json.hpp>

#include "wire/walk.h"

namespace xsv::wire::json {

namespace {

constexpr std::size_t kMaxRequestValues = 10'000;
constexpr std::size_t kMaxBatch = 256;

/// The parser's events go straight into a Value, so that depth and number are checked before anything grows; a false
/// answer ends the parsing.
class Handler : public nlohmann::json_sax<nlohmann::json> {
public:
    explicit Handler(std::size_t max_values) : builder_(max_values) {}

    bool null() override
    {
        builder_.nil();
        return has_room();
    }
    bool boolean(bool b) override
    {
        builder_.boolean(b);
        return has_room();
    }
    bool number_integer(number_integer_t n) override
    {
        builder_.integer(n);
        return has_room();
    }
    bool number_unsigned(number_unsigned_t n) override
    {
        if (n > static_cast<number_unsigned_t>(std::numeric_limits<std::int64_t>::max()))
            return refuse("an integer is too large");
        builder_.integer(static_cast<std::int64_t>(n));
        return has_room();
    }
    bool number_float(number_float_t d, const string_t&) override
    {
        builder_.real(d);
        return has_room();
    }
    bool string(string_t& s) override
    {
        builder_.string(s);
        return has_room();
    }
    bool binary(binary_t&) override { return refuse("binary data"); }
    bool start_object(std::size_t) override { return open(true); }
    bool key(string_t& name) override
    {
        builder_.key(name);
        return true;
    }
    bool end_object() override
    {
        if (has_duplicates(*builder_.open_struct())) return refuse("a member is named twice");
        builder_.end_struct();
        return has_room();
    }
    bool start_array(std::size_t) override { return open(false); }
    bool end_array() override
    {
        builder_.end_array();
        return has_room();
    }
    bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override
    {
        return refuse(fmt::format("syntax error at byte {}", position));
    }

    const std::string& error() const { return error_; }
    Value take() { return builder_.take(); }

private:
    bool open(bool is_struct)
    {
        if (builder_.depth() == kMaxDepth) return refuse(fmt::format("nested more than {} deep", kMaxDepth));
        is_struct ? builder_.begin_struct(0) : builder_.begin_array(0);
        return true;
    }
    bool has_room() { return builder_.has_room() || refuse("too many values"); }
    bool refuse(std::string why)
    {
        error_ = std::move(why);
        return false;
    }

    ValueBuilder builder_;
    std::string error_;
};

Request invalid(std::string why, std::string id = "null")
{
    Request request;
    request.id = std::move(id);
    request.error = {kInvalidRequest, std::move(why)};
    return request;
}

Request read_request(const Value& value)
{
    if (!value.structure()) return invalid("a request must be an object");
    const Value* id = value.find("id");
    if (id && (id->boolean() || id->array() || id->structure())) return invalid("\"id\" must be a string or a number");
    std::string id_text = id ? render(*id) : std::string();
    const std::string answer_id = id ? id_text : "null";
    if (value.text("jsonrpc") != "2.0") return invalid("\"jsonrpc\" must be \"2.0\"", answer_id);
    const Value* method = value.find("method");
    if (!method || !method->string() || method->string()->empty())
        return invalid("\"method\" must be a string", answer_id);
    Request request{*method->string(), {}, std::move(id_text), {}};
    if (const Value* params = value.find("params")) {
        if (params->array())
            request.params = *params->array();
        else
            request.error = {kInvalidParams, "\"params\" must be an array: parameters go by position"};
    }
    return request;
}

}  // namespace

Result<Value> parse(std::string_view text, std::size_t max_values)
{
    Handler handler(max_values);
    if (!nlohmann::json::sax_parse(text, &handler) || !handler.error().empty())
        return fail("JSON: {}", handler.error());
    return handler.take();
}

Result<Requests> parse_requests(std::string_view text)
{
    auto value = parse(text, kMaxRequestValues);
    if (!value) return tl::unexpected(std::move(value).error());
    Requests requests;
    const auto* batch = value->array();
    if (!batch) {
        requests.items.push_back(read_request(*value));
    } else if (batch->empty() || batch->size() > kMaxBatch) {
        requests.items.push_back(invalid(fmt::format("a batch holds 1 to {} requests", kMaxBatch)));
    } else {
        requests.is_batch = true;
        for (const Value& item : *batch) requests.items.push_back(read_request(item));
    }
    return requests;
}

}  // namespace xsv::wire::json
