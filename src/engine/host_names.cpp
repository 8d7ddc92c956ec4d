#include "engine/host_names.h"

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "sys/files.h"

namespace xsv::engine {
namespace {

constexpr Duration kUnknownPeriod = std::chrono::seconds(10);   // while a name was never known
constexpr std::size_t kAtOnce = 256;             // names that one process is given
constexpr std::size_t kLongestAnswer = 1 << 20;  // of one process

}  // namespace

void HostNames::schedule()
{
    timer_.reset();
    Duration period = hooks_.period() > Duration::zero() ? hooks_.period() : Duration::max();
    for (const auto& [name, rules] : hooks_.wanted()) {
        sys::remember_addresses(name, sys::hosts_of(rules));
        if (std::any_of(rules.begin(), rules.end(), sys::is_unknown_host)) period = std::min(period, kUnknownPeriod);
    }
    if (question_ || period == Duration::max()) return;
    timer_ = context_.loop.after(period, "host names", [this] { refresh(); });
}

void HostNames::refresh()
{
    known_ = hooks_.wanted();
    std::erase_if(failed_, [this](const std::string& name) { return !known_.contains(name); });
    queue_.clear();
    for (const auto& [name, rules] : known_) queue_.push_back(name);
    ask_next();
}

void HostNames::ask_next()
{
    if (queue_.empty()) return schedule();
    const auto count = static_cast<std::ptrdiff_t>(std::min(queue_.size(), kAtOnce));
    asked_.assign(queue_.end() - count, queue_.end());
    queue_.erase(queue_.end() - count, queue_.end());
    std::vector<std::string> arguments = asked_;
    arguments.insert(arguments.begin(), context_.surroundings.name + ": names");
    Question::Program program{helper_, std::move(arguments), context_.surroundings.helper_user};
    auto asked = Question::ask(context_, std::move(program), kLongestAnswer, [this](const std::string& text) {
        question_.reset();
        take(text);
        ask_next();
    });
    if (asked) {
        question_ = std::move(*asked);
        pids_.insert(question_->pid());
        return;
    }
    log::error("host names are not looked up: {}", asked.error().message);
    queue_.clear();
    schedule();
}

/// Lines "NUMBER ADDRESS ADDRESS…" and "NUMBER !REASON". A name without a line got no answer in time.
void HostNames::take(const std::string& text)
{
    std::map<std::size_t, std::string> lines;
    for (std::string& line : text::split(text, '\n')) {
        const auto end = std::min(line.find(' '), line.size());
        const auto number = text::to_int(line.substr(0, end));
        if (number && *number >= 0) lines[static_cast<std::size_t>(*number)] = line.substr(std::min(end + 1, line.size()));
    }
    HostRules changed;
    for (std::size_t i = 0; i < asked_.size(); ++i) {
        const auto found = lines.find(i);
        take(asked_[i], found == lines.end() ? "!looking up '" + asked_[i] + "': the name servers did not answer in time" : found->second, changed);
    }
    if (!changed.empty()) hooks_.changed(changed);
}

void HostNames::take(const std::string& name, const std::string& line, HostRules& changed)
{
    const auto before = known_.find(name);
    if (before == known_.end()) return;
    const bool is_reason = line.starts_with('!');
    auto rules = is_reason ? std::vector<sys::AddressRule>() : sys::rules_of_host(name, text::words(line));
    if (rules.empty()) {
        const auto last = sys::hosts_of(before->second);
        if (failed_.insert(name).second)
            log::warn("{}{}", is_reason ? text::escape_control(line.substr(1)) : fmt::format("the host name '{}' has no address", name),
                      last.empty() ? std::string() : "; its last addresses stay: " + text::join(last, ", "));
        return;
    }
    if (failed_.erase(name) > 0) log::info("the host name '{}' has an address again", name);
    if (rules == before->second) return;
    log::info("the host name '{}' means {} now", name, text::join(sys::hosts_of(rules), ", "));
    changed[name] = std::move(rules);
}

}  // namespace xsv::engine
