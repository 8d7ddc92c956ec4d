#include "engine/notify_message.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "sys/notify_socket.h"

namespace xsv::engine {
namespace {

constexpr std::size_t kLongestStatus = 512;
constexpr std::size_t kLongestName = 64;

template <class T>
std::optional<T> number(std::string_view text)
{
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

/// Shown to people and sent as XML: no control characters, no broken UTF-8, not endless.
std::string shown(std::string_view text)
{
    std::size_t size = std::min(text.size(), kLongestStatus);
    while (size < text.size() && size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) --size;
    return text::escape_control(text.substr(0, size));
}

/// A name stands between colons in LISTEN_FDNAMES.
std::string fd_name(std::string_view text)
{
    const bool good = !text.empty() && text.size() <= kLongestName &&
                      std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f && c != ':'; });
    return good ? std::string(text) : std::string();
}

std::optional<config::NotifyAccess> access(std::string_view text)
{
    using config::NotifyAccess;
    constexpr std::pair<std::string_view, NotifyAccess> kWords[] = {
        {"none", NotifyAccess::None}, {"main", NotifyAccess::Main}, {"exec", NotifyAccess::Exec}, {"all", NotifyAccess::All}};
    for (const auto& [word, value] : kWords)
        if (word == text) return value;
    return std::nullopt;
}

void take(NotifyMessage& message, std::string_view name, std::string_view value)
{
    const bool yes = value == "1";
    if (name == "READY") message.ready = yes;
    else if (name == "RELOADING") message.reloading = yes;
    else if (name == "STOPPING") message.stopping = yes;
    else if (name == "STATUS") message.status = shown(value);
    else if (name == "ERRNO") message.error = number<int>(value);
    else if (name == "EXIT_STATUS") message.exit_status = number<int>(value);
    else if (name == "BUSERROR") message.bus_error = shown(value);
    else if (name == "VARLINKERROR") message.varlink_error = shown(value);
    else if (name == "MAINPID") message.main_pid = number<pid_t>(value);
    else if (name == "MAINPIDFD") message.main_pidfd = yes;
    else if (name == "WATCHDOG") message.watchdog = yes, message.watchdog_trigger = value == "trigger";
    else if (name == "WATCHDOG_USEC") message.watchdog_usec = number<std::uint64_t>(value);
    else if (name == "EXTEND_TIMEOUT_USEC") message.extend_usec = number<std::uint64_t>(value);
    else if (name == "MONOTONIC_USEC") message.monotonic_usec = number<std::uint64_t>(value);
    else if (name == "NOTIFYACCESS") message.access = access(value);
    else if (name == "RESTART_RESET") message.restart_reset = yes;
    else if (name == "FDSTORE") message.store = yes;
    else if (name == "FDSTOREREMOVE") message.store_remove = yes;
    else if (name == "FDNAME") message.fd_name = fd_name(value);
    else if (name == "FDPOLL") message.poll = value != "0";
    else if (name == "BARRIER") message.barrier = yes;
}

}  // namespace

std::optional<NotifyMessage> parse_notification(std::string_view text)
{
    if (text.size() > sys::kLongestNotification) return std::nullopt;
    // Some senders count the end of their string.
    while (!text.empty() && text.back() == '\0') text.remove_suffix(1);
    if (text.find('\0') != std::string_view::npos) return std::nullopt;
    NotifyMessage message;
    bool any = false;
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        const auto equals = line.find('=');
        if (equals == std::string_view::npos || equals == 0) continue;
        take(message, line.substr(0, equals), line.substr(equals + 1));
        any = true;
    }
    if (!any) return std::nullopt;
    return message;
}

}  // namespace xsv::engine
