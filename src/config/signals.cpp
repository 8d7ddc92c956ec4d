#include <csignal>

#include <cstring>

#include "base/text.h"
#include "config/values.h"
#include "config/words.h"

namespace xsv::config {
namespace {

// What Python's signal module knows on Linux: the plain ones, and of the real-time ones only the first and the last.
bool is_known(std::int64_t number)
{
    return (number >= 0 && number <= 31) || number == SIGRTMIN || number == SIGRTMAX;
}

constexpr Word<int> kAliases[] = {{"CLD", SIGCHLD}, {"IOT", SIGABRT}, {"IO", SIGIO}, {"POLL", SIGIO}};

}  // namespace

Result<int> parse_signal(std::string_view written)
{
    if (const auto number = parse_integer(written)) {
        if (!is_known(*number)) return fail("value {} is not a valid signal number", text::repr(written));
        return static_cast<int>(*number);
    }
    std::string name(text::trim(written));
    for (char& c : name)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
    if (name.starts_with("SIG")) name.erase(0, 3);
    if (name == "RTMIN") return SIGRTMIN;
    if (name == "RTMAX") return SIGRTMAX;
    for (const auto& [alias, number] : kAliases)
        if (name == alias) return number;
    for (int number = 1; number <= 31; ++number)
        if (const char* known = ::sigabbrev_np(number); known != nullptr && name == known) return number;
    return fail("value {} is not a valid signal name", text::repr(written));
}

std::string signal_name(int signal)
{
    if (signal == SIGRTMIN) return "SIGRTMIN";
    if (signal == SIGRTMAX) return "SIGRTMAX";
    if (const char* known = ::sigabbrev_np(signal); known != nullptr) return std::string("SIG") + known;
    return fmt::format("signal {}", signal);
}

}  // namespace xsv::config
