#include "wire/value.h"

namespace xsv::wire {

const Value* Value::find(std::string_view member) const
{
    const auto* members = structure();
    if (!members) return nullptr;
    for (const auto& [name, value] : *members)
        if (name == member) return &value;
    return nullptr;
}

std::string Value::text(std::string_view member, std::string fallback) const
{
    const Value* value = find(member);
    const auto* text = value ? value->string() : nullptr;
    return text ? *text : fallback;
}

std::int64_t Value::number(std::string_view member, std::int64_t fallback) const
{
    const Value* value = find(member);
    const auto* number = value ? value->integer() : nullptr;
    return number ? *number : fallback;
}

bool Value::flag(std::string_view member, bool fallback) const
{
    const Value* value = find(member);
    const auto* flag = value ? value->boolean() : nullptr;
    return flag ? *flag : fallback;
}

}  // namespace xsv::wire
