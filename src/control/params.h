#pragma once

#include <optional>
#include <string>

#include "base/text.h"
#include "wire/value.h"

/// Parameters as lenient as Supervisor reads them: clients send strings for numbers and booleans.
namespace xsv::control {

inline std::optional<std::string> to_text(const wire::Value& value)
{
    if (const auto* text = value.string()) return *text;
    if (const auto* number = value.integer()) return std::to_string(*number);
    return std::nullopt;
}

inline std::optional<std::int64_t> to_number(const wire::Value& value)
{
    if (const auto* number = value.integer()) return *number;
    if (const auto* truth = value.boolean()) return *truth ? 1 : 0;
    if (const auto* real = value.real()) return static_cast<std::int64_t>(*real);
    if (const auto* written = value.string()) return text::to_int(text::trim(*written));
    return std::nullopt;
}

/// True for true, for numbers but 0, for lists that are not empty, and for every text but the empty one ("false" too: old clients rely on it).
inline bool to_truth(const wire::Value& value)
{
    if (const auto* truth = value.boolean()) return *truth;
    if (const auto* number = value.integer()) return *number != 0;
    if (const auto* written = value.string()) return !written->empty();
    if (const auto* real = value.real()) return *real != 0;
    if (const auto* items = value.array()) return !items->empty();
    if (const auto* members = value.structure()) return !members->empty();
    return false;
}

}  // namespace xsv::control
