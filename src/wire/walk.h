#pragma once

#include <cstring>
#include <string_view>
#include <vector>

#include "wire/value.h"

namespace xsv::wire {

/// Values nest at most this deep, in every form (rule X2).
constexpr std::size_t kMaxDepth = 32;

/// The encoded form: one tag byte, then numbers as variable-length integers (7 bits a byte, least first; signed ones
/// zigzag), doubles as 8 bytes, strings as length and bytes, containers as count and content.
namespace tag {
constexpr char kNil = 'n', kFalse = 'f', kTrue = 't', kInteger = 'i', kReal = 'd', kString = 's', kArray = 'a',
               kStruct = 'm';
}

/// Reads the parts of the encoded form; every length is compared with what is left before it is used.
class EncodedReader {
public:
    explicit EncodedReader(std::string_view bytes) : rest_(bytes) {}

    bool is_at_end() const { return rest_.empty(); }
    std::size_t left() const { return rest_.size(); }
    bool tag(char& out)
    {
        if (rest_.empty()) return false;
        out = rest_.front();
        rest_.remove_prefix(1);
        return true;
    }
    bool number(std::uint64_t& out)
    {
        out = 0;
        for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
            const auto byte = static_cast<unsigned char>(rest_.front());
            rest_.remove_prefix(1);
            if (shift == 63 && byte > 1) return false;
            out |= std::uint64_t{byte & 0x7fu} << shift;
            if (byte < 0x80) return true;
        }
        return false;
    }
    bool text(std::string_view& out)
    {
        std::uint64_t size = 0;
        if (!number(size) || size > rest_.size()) return false;
        out = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return true;
    }
    bool real(double& out)
    {
        if (rest_.size() < sizeof out) return false;
        std::memcpy(&out, rest_.data(), sizeof out);
        rest_.remove_prefix(sizeof out);
        return true;
    }

private:
    std::string_view rest_;
};

/// Tells `sink` the parts of one encoded value, in order; the whole text must be that value. No recursion.
///
/// A sink has nil(), boolean(), integer(), real(), string(), begin_array(count), end_array(), begin_struct(count),
/// key(), end_struct(). After an error it has seen the parts before it.
template <class Sink>
Status walk(std::string_view encoded, Sink& sink)
{
    struct Open {
        std::uint64_t left;
        bool is_struct;
    };
    Open open[kMaxDepth];
    std::size_t depth = 0;
    EncodedReader in(encoded);
    do {
        if (depth > 0 && open[depth - 1].is_struct) {
            std::string_view name;
            if (!in.text(name)) return fail("encoded value: cut short in a member's name");
            sink.key(name);
        }
        if (depth > 0) --open[depth - 1].left;
        char kind = 0;
        std::uint64_t number = 0;
        std::string_view text;
        double real = 0;
        if (!in.tag(kind)) return fail("encoded value: cut short");
        switch (kind) {
            case tag::kNil: sink.nil(); break;
            case tag::kFalse: sink.boolean(false); break;
            case tag::kTrue: sink.boolean(true); break;
            case tag::kInteger:
                if (!in.number(number)) return fail("encoded value: bad integer");
                sink.integer(static_cast<std::int64_t>(number >> 1) ^ -static_cast<std::int64_t>(number & 1));
                break;
            case tag::kReal:
                if (!in.real(real)) return fail("encoded value: cut short in a number");
                sink.real(real);
                break;
            case tag::kString:
                if (!in.text(text)) return fail("encoded value: cut short in a string");
                sink.string(text);
                break;
            case tag::kArray:
            case tag::kStruct: {
                const bool is_struct = kind == tag::kStruct;
                // A value takes at least one byte, a member two: a count that cannot fit is refused before it is
                // believed.
                if (!in.number(number) || number > in.left() / (is_struct ? 2 : 1))
                    return fail("encoded value: bad count");
                if (depth == kMaxDepth) return fail("encoded value: nested more than {} deep", kMaxDepth);
                is_struct ? sink.begin_struct(number) : sink.begin_array(number);
                open[depth++] = {number, is_struct};
                break;
            }
            default: return fail("encoded value: unknown kind {}", int{static_cast<unsigned char>(kind)});
        }
        while (depth > 0 && open[depth - 1].left == 0) {
            --depth;
            open[depth].is_struct ? sink.end_struct() : sink.end_array();
        }
    } while (depth > 0);
    if (!in.is_at_end()) return fail("encoded value: {} bytes too many", in.left());
    return {};
}

/// Tells `sink` the parts of a value.
template <class Sink>
void visit(const Value& value, Sink& sink)
{
    if (const auto* b = value.boolean()) return sink.boolean(*b);
    if (const auto* n = value.integer()) return sink.integer(*n);
    if (const auto* d = value.real()) return sink.real(*d);
    if (const auto* s = value.string()) return sink.string(*s);
    if (const auto* array = value.array()) {
        sink.begin_array(array->size());
        for (const Value& item : *array) visit(item, sink);
        return sink.end_array();
    }
    if (const auto* members = value.structure()) {
        sink.begin_struct(members->size());
        for (const auto& [name, member] : *members) {
            sink.key(name);
            visit(member, sink);
        }
        return sink.end_struct();
    }
    sink.nil();
}

/// A sink that builds a Value. The caller checks depth; has_room() turns false after `max_values` values.
class ValueBuilder {
public:
    explicit ValueBuilder(std::size_t max_values) : room_(max_values) {}

    void nil() { add(Value()); }
    void boolean(bool b) { add(Value(b)); }
    void integer(std::int64_t n) { add(Value(n)); }
    void real(double d) { add(Value(d)); }
    void string(std::string_view s) { add(Value(s)); }
    void begin_array(std::size_t count) { open(false, count); }
    void begin_struct(std::size_t count) { open(true, count); }
    void key(std::string_view name)
    {
        if (room_ > 0) open_.back().key = name;
    }
    void end_array() { close(); }
    void end_struct() { close(); }

    bool has_room() const { return room_ > 0; }
    std::size_t depth() const { return open_.size(); }
    const Value::Struct* open_struct() const { return open_.empty() ? nullptr : &open_.back().members; }
    Value take() { return std::move(result_); }

private:
    struct Open {
        bool is_struct = false;
        std::string key;
        Value::Array items;
        Value::Struct members;
    };
    void add(Value value);
    void open(bool is_struct, std::size_t count);
    void close();

    std::vector<Open> open_;
    Value result_;
    std::size_t room_;
};

/// Whether a name stands twice among the members.
bool has_duplicates(const Value::Struct& members);

}  // namespace xsv::wire
