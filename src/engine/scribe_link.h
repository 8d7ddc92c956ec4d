#pragma once

#include <functional>
#include <map>
#include <string>

#include "engine/context.h"
#include "engine/helper.h"
#include "engine/message_origin.h"

namespace xsv::engine {

/// Our end of the conversation with the scribe: what it writes where, and what clients want to read of it.
class ScribeLink final : public Sinks {
public:
    /// `answer`: the scribe's reply, see wire/messages.h. Without a scribe, or when it dies: ok = false, code 30.
    using Answer = std::function<void(const wire::Value& reply)>;

    ScribeLink() = default;
    void attach(Helper& helper, net::Keeper& keeper, Inherited& inherited)
    {
        helper_ = &helper;
        keeper_ = &keeper;
        inherited_ = &inherited;
    }
    /// A scribe has started, or was found: tells it everything. `tell` names every sink by set().
    void greet(const std::function<void()>& tell);
    void on_message(const wire::Value& message);

    /// What programs write where events are wanted of it, and an event listener its answers; `captured`: between the tokens.
    using OnOutput = std::function<void(const std::string& key, std::string_view data, bool captured, const MessageOrigin& origin)>;
    void follow_output(OnOutput call) { on_output_ = std::move(call); }
    /// All that a process wrote there before it ended has been told.
    using OnEnded = std::function<void(const std::string& key, const MessageOrigin& origin)>;
    void follow_ends(OnEnded call) { on_ended_ = std::move(call); }

    void set(const std::string& key, const config::LogSink& sink, const config::ServiceSpec& owner, int pipe) override;
    void drop(const std::string& key) override;
    void ended(const std::string& key) override;

    void read(const std::string& file, std::int64_t offset, std::int64_t length, Answer answer) { request("read", file, offset, length, std::move(answer)); }
    void tail(const std::string& file, std::int64_t offset, std::int64_t length, Answer answer) { request("tail", file, offset, length, std::move(answer)); }
    void clear(const std::string& file, Answer answer) { request("clear", file, 0, 0, std::move(answer)); }
    void follow(const std::string& file, sys::UniqueFd write_end);
    void reopen();

    struct Stats {
        std::int64_t bytes = 0, lost = 0;
        std::string error;
    };
    /// What is known of a sink ("o:NAME", "e:NAME"); nullptr: nothing remarkable.
    const Stats* stats(const std::string& key) const;

private:
    void request(const char* type, const std::string& file, std::int64_t offset, std::int64_t length, Answer answer);

    void tell_memory(const std::string& key);
    void drop_memory(const std::string& key);

    Helper* helper_ = nullptr;
    net::Keeper* keeper_ = nullptr;
    Inherited* inherited_ = nullptr;
    std::map<std::string, sys::UniqueFd> memories_;   ///< by sink: what the scribe has in hand of it, also held by the guardian
    OnOutput on_output_;
    OnEnded on_ended_;
    std::int64_t next_id_ = 1;
    std::map<std::int64_t, Answer> pending_;
    std::map<std::string, Stats> stats_;
};

}  // namespace xsv::engine
