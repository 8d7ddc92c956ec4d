#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace xsv::wire {

/// What XML-RPC and JSON can both say. Members of a struct keep their order; clients print them in it.
class Value {
public:
    struct Nil { bool operator==(const Nil&) const = default; };
    using Array = std::vector<Value>;
    using Struct = std::vector<std::pair<std::string, Value>>;

    Value() = default;
    Value(bool b) : v_(b) {}
    Value(int n) : v_(std::int64_t{n}) {}
    Value(std::int64_t n) : v_(n) {}
    Value(double d) : v_(d) {}
    Value(const char* s) : v_(std::string(s)) {}
    Value(std::string s) : v_(std::move(s)) {}
    Value(std::string_view s) : v_(std::string(s)) {}
    Value(Array a) : v_(std::move(a)) {}
    Value(Struct s) : v_(std::move(s)) {}

    bool is_nil() const { return std::holds_alternative<Nil>(v_); }
    template <class T> const T* get() const { return std::get_if<T>(&v_); }
    const bool* boolean() const { return get<bool>(); }
    const std::int64_t* integer() const { return get<std::int64_t>(); }
    const double* real() const { return get<double>(); }
    const std::string* string() const { return get<std::string>(); }
    const Array* array() const { return get<Array>(); }
    const Struct* structure() const { return get<Struct>(); }

    /// The member of a struct, or nullptr (also when this is no struct).
    const Value* find(std::string_view member) const;
    /// Shorthands for our own messages: the member's value, or the fallback when absent or of another type.
    std::string text(std::string_view member, std::string fallback = {}) const;
    std::int64_t number(std::string_view member, std::int64_t fallback = 0) const;
    bool flag(std::string_view member, bool fallback = false) const;

    bool operator==(const Value&) const = default;

private:
    std::variant<Nil, bool, std::int64_t, double, std::string, Array, Struct> v_;
};

/// An XML-RPC fault, a JSON-RPC error.
struct Fault {
    int code = 0;
    std::string text;
};

/// Builds the compact form that travels between our processes, without a tree in between:
/// a 1,000-program answer is written once here and transcoded once to XML or JSON.
class Encoder {
public:
    void nil();
    void boolean(bool b);
    void integer(std::int64_t n);
    void real(double d);
    void string(std::string_view s);
    void begin_array(std::size_t count);    ///< followed by exactly `count` values
    void begin_struct(std::size_t count);   ///< followed by exactly `count` times key() and a value
    void key(std::string_view name);
    void value(const Value& v);
    void raw(std::string_view encoded) { out_.append(encoded); }  ///< one value that is encoded already
    std::string take() { return std::move(out_); }
    const std::string& bytes() const { return out_; }

private:
    std::string out_;
};

std::string encode(const Value& value);
/// Depth at most 32; lengths are checked before use (rule C7); the whole text must be one value.
Result<Value> decode(std::string_view encoded);

}  // namespace xsv::wire
