#include "engine/scribe_link.h"

#include <algorithm>
#include <cerrno>

#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "wire/guardian.h"

namespace xsv::engine {
namespace {

using wire::Value;

const std::string kMemoryKey = "m";   // in front of the sink's: under which the guardian keeps its memory

MessageOrigin origin_of(const Value& message)
{
    return {message.number("life"), static_cast<std::uint64_t>(message.number("number")),
            static_cast<std::size_t>(std::max<std::int64_t>(message.number("at"), 0)), message.flag("more")};
}

Value no_scribe()
{
    return Value::Struct{{"ok", false}, {"code", 30}, {"text", "the log writer is being started again; try once more"}};
}

}  // namespace

void ScribeLink::greet(const std::function<void()>& tell)
{
    for (auto& [id, answer] : std::exchange(pending_, {})) answer(no_scribe());
    helper_->send(Value::Struct{{"type", "hello"}, {"generation", std::int64_t{::getpid()}}});
    tell();
    helper_->send(Value::Struct{{"type", "ready"}});
}

void ScribeLink::on_message(const Value& message)
{
    const std::string type = message.text("type");
    if (type == "reply") {
        auto found = pending_.extract(message.number("id"));
        if (!found.empty()) found.mapped()(message);
    } else if (type == "stats") {
        const std::string key = message.text("key");
        stats_[key.substr(0, key.find(' '))] = {message.number("bytes"), message.number("lost"), message.text("error")};
    } else if ((type == "output" || type == "captured") && on_output_) {
        const Value* data = message.find("data");
        if (data != nullptr && data->string() != nullptr) on_output_(message.text("key"), *data->string(), type == "captured", origin_of(message));
    } else if (type == "ended" && on_ended_) {
        on_ended_(message.text("key"), origin_of(message));
    }
}

void ScribeLink::set(const std::string& key, const config::LogSink& sink, const config::ServiceSpec& owner, int pipe)
{
    if (helper_ == nullptr) return;
    // A listener's stdout is a conversation: it is logged, and nothing else is made of it.
    const bool listener = sink.listener;
    const std::int64_t capture = listener ? 0 : sink.capture_maxbytes;
    const bool events = (sink.events_enabled || log::enabled(log::Level::debug)) && !listener;  // debug: for our own log
    const bool to_syslog = sink.syslog && !listener;
    if (capture > 0 || events || to_syslog || listener || owner.output->strip_ansi) tell_memory(key);
    else drop_memory(key);
    const bool is_auto = sink.kind == config::LogSink::Kind::Auto;
    helper_->send_copy_of(
        Value::Struct{{"type", "sink"},
                      {"key", key},
                      {"file", sink.kind == config::LogSink::Kind::None ? std::string() : sink.path},
                      {"maxbytes", sink.maxbytes},
                      {"backups", sink.backups},
                      {"syslog", to_syslog},
                      {"syslog_priority", sink.syslog_priority},
                      {"name", key.starts_with("c:") ? std::string() : owner.name},
                      {"strip_ansi", owner.output->strip_ansi},
                      {"on_full", owner.output->on_full == config::OnFull::Block ? "block" : "drop"},
                      {"mode", is_auto ? 0600 : 0644},
                      {"capture", capture},
                      {"events", events},
                      {"listener", listener}},
        pipe);
}

/// Without memory for it a killed scribe loses what it has in hand, and nothing else changes.
void ScribeLink::tell_memory(const std::string& key)
{
    const std::string kept_as = kMemoryKey + key;
    if (kept_as.size() >= wire::kKeySize) return;
    sys::UniqueFd& memory = memories_[key];
    if (!memory) memory = inherited_->take(kept_as);
    if (!memory) {
        memory.reset(::memfd_create("xsvd-sink", MFD_CLOEXEC));
        if (!memory) return log::warn("{}: memory for a scribe that is killed: {}", key, errno_text(errno));
        keeper_->hold(kept_as, net::Held::Other, memory.get());
    }
    helper_->send_copy_of(Value::Struct{{"type", "memory"}, {"key", key}}, memory.get());
}

void ScribeLink::drop_memory(const std::string& key)
{
    if (inherited_ == nullptr) return;
    const bool was_inherited = static_cast<bool>(inherited_->take(kMemoryKey + key));
    if (memories_.erase(key) > 0 || was_inherited) keeper_->drop(kMemoryKey + key);
}

void ScribeLink::drop(const std::string& key)
{
    stats_.erase(key.substr(0, key.find(' ')));
    drop_memory(key);
    if (helper_ != nullptr) helper_->send(Value::Struct{{"type", "drop"}, {"key", key}});
}

void ScribeLink::ended(const std::string& key)
{
    if (helper_ != nullptr) helper_->send(Value::Struct{{"type", "ended"}, {"key", key}});
}

void ScribeLink::request(const char* type, const std::string& file, std::int64_t offset, std::int64_t length, Answer answer)
{
    const std::int64_t id = next_id_++;
    const bool sent = helper_ != nullptr && helper_->send(Value::Struct{{"type", type}, {"id", id}, {"key", ""}, {"file", file},
                                                                        {"offset", offset}, {"length", length}});
    if (!sent) return answer(no_scribe());
    pending_.emplace(id, std::move(answer));
}

void ScribeLink::follow(const std::string& file, sys::UniqueFd write_end)
{
    if (helper_ != nullptr) helper_->send(Value::Struct{{"type", "follow"}, {"id", next_id_++}, {"file", file}}, std::move(write_end));
}

void ScribeLink::reopen()
{
    if (helper_ != nullptr) helper_->send(Value::Struct{{"type", "reopen"}});
}

const ScribeLink::Stats* ScribeLink::stats(const std::string& key) const
{
    const auto found = stats_.find(key);
    return found == stats_.end() ? nullptr : &found->second;
}

}  // namespace xsv::engine
