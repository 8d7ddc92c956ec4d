#pragma once

#include <memory>
#include <utility>

namespace xsv {

/// A value that many have alike: copies share one, and what is as T{} has it takes no room of its own.
template <class T>
class Shared {
public:
    Shared() = default;
    Shared(T value) { *this = std::move(value); }
    Shared& operator=(T value)
    {
        value_ = value == T{} ? nullptr : std::make_shared<T>(std::move(value));
        return *this;
    }

    const T& operator*() const { return value_ ? *value_ : initial(); }
    const T* operator->() const { return &**this; }
    /// To write into; it is nobody else's then.
    T& change()
    {
        if (value_.use_count() != 1) value_ = std::make_shared<T>(**this);
        return *value_;
    }
    /// Where both are equal, one is enough.
    void share(const Shared& other)
    {
        if (*this == other) value_ = other.value_;
    }
    bool operator==(const Shared& other) const { return value_ == other.value_ || **this == *other; }

private:
    static const T& initial()
    {
        static const T kInitial{};
        return kInitial;
    }

    std::shared_ptr<T> value_;
};

}  // namespace xsv
