#include <algorithm>

#include "base/text.h"
#include "config/directive.h"
#include "config/event_types.h"

/// [eventlistener:x]: what stands there beside the keys of a program.
namespace xsv::config {
namespace {

constexpr std::int64_t kMostEvents = 1'000'000;

std::string upper(std::string text)
{
    for (char& c : text) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    return text;
}

Status set_events(Listener& listener, const std::string& text, const Setting& setting)
{
    std::vector<std::string> events;
    for (std::string& item : text::split(text, ',')) {
        std::string name = upper(std::move(item));
        if (events_of(name) == 0) return fail("Unknown event type {} in [{}] events", name, setting.section);
        events.push_back(std::move(name));
    }
    std::sort(events.begin(), events.end());
    events.erase(std::unique(events.begin(), events.end()), events.end());
    listener.events = std::move(events);
    return {};
}

Status set_buffer_size(Listener& listener, const std::string& text, const Setting& setting)
{
    const auto size = parse_integer(text);
    if (!size) return tl::unexpected<Error>(size.error());
    if (*size < 1 || *size > kMostEvents) return fail("[{}] section sets invalid buffer_size ({})", setting.section, *size);
    listener.buffer_size = static_cast<int>(*size);
    return {};
}

/// Supervisor names a Python function here; there is one that everybody has, and its rules are ours.
Status set_result_handler(Listener&, const std::string& text, const Setting& setting)
{
    if (text::trim(text) == "supervisor.dispatchers:default_handler") return {};
    return fail("{} cannot be resolved within [{}]", text, setting.section);
}

constexpr Directive<Listener> kListenerKeys[] = {
    {"events", set_events, "names of events, separated by commas", "", "the events that are sent to it; required",
     Scope::Program},
    {"buffer_size", set_buffer_size, "a number from 1 to 1000000", "1000",
     "events that wait for it at most; then the oldest is discarded, logged and counted", Scope::Program},
    {"result_handler", set_result_handler, "supervisor.dispatchers:default_handler",
     "supervisor.dispatchers:default_handler", "accepted for Supervisor's files; there is only this one",
     Scope::Program},
};

}  // namespace

std::span<const Directive<Listener>> listener_keys()
{
    return kListenerKeys;
}

}  // namespace xsv::config
