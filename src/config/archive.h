#pragma once

#include <array>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/shared.h"

/// Values <-> bytes. A type takes part through one function `fields(archive, value)` that both directions use. Every
/// struct is preceded by its length: a reader that knows more fields keeps their defaults, one that knows fewer skips
/// the rest.
namespace xsv::config {

template <class T>
struct IsVector : std::false_type {
};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {
};
template <class T>
struct IsOptional : std::false_type {
};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {
};
template <class T>
struct IsPair : std::false_type {
};
template <class A, class B>
struct IsPair<std::pair<A, B>> : std::true_type {
};
template <class T>
struct IsShared : std::false_type {
};
template <class T>
struct IsShared<Shared<T>> : std::true_type {
};
template <class T>
struct IsDuration : std::false_type {
};
template <class R, class P>
struct IsDuration<std::chrono::duration<R, P>> : std::true_type {
};

class Writer {
public:
    template <class... T>
    void operator()(T&... values)
    {
        (write(values), ...);
    }

    template <class T>
    void write(T& value)
    {
        if constexpr (std::same_as<T, std::string>)
            text(value);
        else if constexpr (std::same_as<T, bool>)
            number(value ? 1 : 0);
        else if constexpr (std::is_enum_v<T>)
            number(static_cast<std::uint64_t>(value));
        else if constexpr (std::is_floating_point_v<T>)
            real(value);
        else if constexpr (std::is_integral_v<T>)
            number(zigzag(static_cast<std::int64_t>(value)));
        else if constexpr (IsDuration<T>::value)
            number(zigzag(value.count()));
        else if constexpr (IsPair<T>::value)
            (*this)(value.first, value.second);
        else if constexpr (IsOptional<T>::value) {
            number(value ? 1 : 0);
            if (value) write(*value);
        } else if constexpr (IsVector<T>::value) {
            number(value.size());
            for (auto& item : value) write(item);
        } else if constexpr (IsShared<T>::value) {
            auto copy = *value;
            write(copy);
        } else if constexpr (std::same_as<T, std::array<std::uint8_t, 16>>) {
            out_.append(reinterpret_cast<const char*>(value.data()), value.size());
        } else {
            Writer inner;
            fields(inner, value);
            text(inner.out_);
        }
    }

    std::string take() { return std::move(out_); }

private:
    static std::uint64_t zigzag(std::int64_t n)
    {
        return (static_cast<std::uint64_t>(n) << 1) ^ static_cast<std::uint64_t>(n >> 63);
    }
    void number(std::uint64_t n);
    void real(double value);
    void text(std::string_view value);

    std::string out_;
};

/// Every read checks what is left first; after the first fault nothing is read any more.
class Reader {
public:
    /// `room`: bytes of vector items the whole reading may make. A few bytes of input can ask for a large struct each,
    /// and only so many of them are honest.
    Reader(std::string_view bytes, std::uint64_t& room) : rest_(bytes), room_(room) {}

    template <class... T>
    void operator()(T&... values)
    {
        // A struct may end early: it was written by an older version.
        ((rest_.empty() ? void() : read(values)), ...);
    }

    template <class T>
    void read(T& value)
    {
        if (failed_) return;
        if constexpr (std::same_as<T, std::string>)
            value = text();
        else if constexpr (std::same_as<T, bool>)
            value = below(2) == 1;
        else if constexpr (std::is_enum_v<T>)
            value = static_cast<T>(below(last_of(value) + 1));
        else if constexpr (std::is_floating_point_v<T>)
            value = real();
        else if constexpr (std::is_integral_v<T>)
            value = integer<T>();
        else if constexpr (IsDuration<T>::value)
            value = T(integer<typename T::rep>());
        else if constexpr (IsPair<T>::value)
            read(value.first), read(value.second);
        else if constexpr (IsOptional<T>::value) {
            value.reset();
            if (below(2) == 1) read(value.emplace());
        } else if constexpr (IsVector<T>::value) {
            value.clear();
            using Item = typename T::value_type;
            for (auto left = below(rest_.size() + 1); left > 0 && has_room(sizeof(Item)); --left)
                read(value.emplace_back());
        } else if constexpr (IsShared<T>::value) {
            auto copy = *value;
            read(copy);
            value = std::move(copy);
        } else if constexpr (std::same_as<T, std::array<std::uint8_t, 16>>) {
            const std::string_view bytes = take(value.size());
            for (std::size_t i = 0; i < bytes.size(); ++i) value[i] = static_cast<std::uint8_t>(bytes[i]);
        } else {
            Reader inner(take(number()), room_);
            if (failed_) return;
            fields(inner, value);
            failed_ = inner.failed_;
        }
    }

    bool failed() const { return failed_; }
    bool at_end() const { return rest_.empty(); }

private:
    template <class T>
    T integer()
    {
        const std::uint64_t n = number();
        const auto value = static_cast<std::int64_t>(n >> 1) ^ -static_cast<std::int64_t>(n & 1);
        if (!std::in_range<T>(value)) failed_ = true;
        return failed_ ? T{} : static_cast<T>(value);
    }
    std::uint64_t number();
    std::uint64_t below(std::uint64_t limit);
    bool has_room(std::uint64_t size);
    double real();
    std::string text() { return std::string(take(number())); }
    std::string_view take(std::uint64_t size);

    std::string_view rest_;
    std::uint64_t& room_;
    bool failed_ = false;
};

}  // namespace xsv::config
