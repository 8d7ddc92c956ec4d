#include <algorithm>

#include "wire/value.h"
#include "wire/walk.h"

namespace xsv::wire {

namespace {

/// A peer's claim about a count reserves no more than this many places.
constexpr std::size_t kTrustedCount = 1024;
constexpr std::size_t kMaxDecodedValues = 1'000'000;

void append_number(std::string& out, std::uint64_t number)
{
    for (; number >= 0x80; number >>= 7) out.push_back(static_cast<char>((number & 0x7f) | 0x80));
    out.push_back(static_cast<char>(number));
}

/// visit() closes containers; the encoded form counts them instead.
struct EncoderSink {
    Encoder& out;
    void nil() { out.nil(); }
    void boolean(bool b) { out.boolean(b); }
    void integer(std::int64_t n) { out.integer(n); }
    void real(double d) { out.real(d); }
    void string(std::string_view s) { out.string(s); }
    void begin_array(std::size_t count) { out.begin_array(count); }
    void begin_struct(std::size_t count) { out.begin_struct(count); }
    void key(std::string_view name) { out.key(name); }
    void end_array() {}
    void end_struct() {}
};

}  // namespace

void Encoder::nil()
{
    out_.push_back(tag::kNil);
}

void Encoder::boolean(bool b)
{
    out_.push_back(b ? tag::kTrue : tag::kFalse);
}

void Encoder::integer(std::int64_t n)
{
    out_.push_back(tag::kInteger);
    append_number(out_, (static_cast<std::uint64_t>(n) << 1) ^ static_cast<std::uint64_t>(n >> 63));
}

void Encoder::real(double d)
{
    out_.push_back(tag::kReal);
    out_.append(reinterpret_cast<const char*>(&d), sizeof d);
}

void Encoder::string(std::string_view s)
{
    out_.push_back(tag::kString);
    key(s);
}

void Encoder::begin_array(std::size_t count)
{
    out_.push_back(tag::kArray);
    append_number(out_, count);
}

void Encoder::begin_struct(std::size_t count)
{
    out_.push_back(tag::kStruct);
    append_number(out_, count);
}

void Encoder::key(std::string_view name)
{
    append_number(out_, name.size());
    out_.append(name);
}

void Encoder::value(const Value& v)
{
    EncoderSink sink{*this};
    visit(v, sink);
}

void ValueBuilder::add(Value value)
{
    if (room_ == 0) return;
    --room_;
    if (open_.empty()) {
        result_ = std::move(value);
    } else if (Open& top = open_.back(); top.is_struct) {
        top.members.emplace_back(std::move(top.key), std::move(value));
    } else {
        top.items.push_back(std::move(value));
    }
}

void ValueBuilder::open(bool is_struct, std::size_t count)
{
    Open& top = open_.emplace_back();
    top.is_struct = is_struct;
    count = std::min({count, kTrustedCount, room_});
    is_struct ? top.members.reserve(count) : top.items.reserve(count);
}

void ValueBuilder::close()
{
    Open top = std::move(open_.back());
    open_.pop_back();
    add(top.is_struct ? Value(std::move(top.members)) : Value(std::move(top.items)));
}

bool has_duplicates(const Value::Struct& members)
{
    std::vector<std::string_view> names;
    names.reserve(members.size());
    for (const auto& [name, value] : members) names.push_back(name);
    std::sort(names.begin(), names.end());
    return std::adjacent_find(names.begin(), names.end()) != names.end();
}

std::string encode(const Value& value)
{
    Encoder encoder;
    encoder.value(value);
    return encoder.take();
}

Result<Value> decode(std::string_view encoded)
{
    ValueBuilder builder(kMaxDecodedValues);
    if (auto walked = walk(encoded, builder); !walked) return tl::unexpected(std::move(walked).error());
    if (!builder.has_room()) return fail("encoded value: more than {} values", kMaxDecodedValues);
    return builder.take();
}

}  // namespace xsv::wire
