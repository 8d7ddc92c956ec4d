// How queues, conversations and held announcements outlive the engine: each change is a record, applied and written down.
#include <algorithm>

#include "base/log.h"
#include "engine/engine.h"
#include "engine/events.h"

namespace xsv::engine {
namespace {

using config::EventType;
using wire::Value;

constexpr std::size_t kCompactAt = 4u << 20;   // bytes of records; most of them are history by then
constexpr std::size_t kRecordEvents = 1000;
constexpr std::size_t kMostCaptured = 16u << 20;   // twice what the scribe captures
constexpr Duration kStoreRetry = std::chrono::seconds(10);   // after memory for the queues was refused

}  // namespace

void Events::act(Value::Array record)
{
    const Value value(std::move(record));
    apply(value);
    if (!store_ && context_.loop.now() >= store_retry_) return compact();
    if (store_) store_->append(value);
}

bool Events::apply(const Value& value)
{
    const auto* record = value.array();
    const std::string* word = record != nullptr && !record->empty() ? record->front().string() : nullptr;
    if (word == nullptr) return false;
    if (*word == "pool" && record->size() == 2) {
        auto pool = EventPool::load((*record)[1]);
        if (!pool) return false;
        std::string name = pool->name();
        pools_.insert_or_assign(std::move(name), Pool{std::move(*pool), 0});
        return true;
    }
    if (*word == "serial" && record->size() == 2 && (*record)[1].integer() != nullptr) {
        next_serial_ = static_cast<std::uint64_t>(*(*record)[1].integer());
        return true;
    }
    if (*word == "seen" || *word == "part" || *word == "joined") return apply_to_sink(*word, *record);
    if (*word == "state" && record->size() == 3 && (*record)[1].string() != nullptr && (*record)[2].integer() != nullptr) {
        announced_[*(*record)[1].string()] = *(*record)[2].integer();
        return true;
    }
    if (*word == "tick" && record->size() == 4) {
        Ticks::Starts starts{};
        for (std::size_t i = 0; i < starts.size(); ++i)
            if (const auto* start = (*record)[i + 1].integer()) starts[i] = *start;
        ticks_.restore(starts);
        return true;
    }
    if (*word == "hold" || *word == "last" || *word == "free") return apply_to_held(*word, *record);
    return apply_to_pool(*word, *record);
}

bool Events::apply_to_sink(const std::string& word, const Value::Array& record)
{
    const auto* key = record.size() > 1 ? record[1].string() : nullptr;
    const auto* number = record.size() > 2 ? record[2].integer() : nullptr;
    if (word == "seen" && key == nullptr) return record.size() == 3;   // of an engine that knew messages by the scribe's pid
    if (key == nullptr) return false;
    if (word == "seen") {
        const auto* last = record.size() > 3 ? record[3].integer() : nullptr;
        if (number == nullptr || last == nullptr) return false;
        seen_[*key] = {*number, static_cast<std::uint64_t>(*last)};
    } else if (word == "joined") {
        parts_.erase(*key);
    } else {
        const auto* data = record.size() > 3 ? record[3].string() : nullptr;
        if (number == nullptr || data == nullptr) return false;
        std::string& parts = parts_[*key];
        if (*number == 0) parts.clear();
        if (parts.size() + data->size() <= kMostCaptured) parts += *data;
    }
    return true;
}

bool Events::apply_to_held(const std::string& word, const Value::Array& record)
{
    const std::string* namespec = record.size() > 1 ? record[1].string() : nullptr;
    if (namespec == nullptr) return false;
    if (word == "hold") {
        if (record.size() != 6) return false;
        const auto *type = record[2].integer(), *pid = record[4].integer();
        const auto* payload = record[3].string();
        const auto* keys = record[5].array();
        if (type == nullptr || payload == nullptr || pid == nullptr || keys == nullptr) return false;
        if (*type < 0 || *type >= static_cast<std::int64_t>(config::kEventNames.size())) return false;
        HeldEvent event{static_cast<EventType>(*type), *payload, static_cast<pid_t>(*pid), {}};
        for (const Value& key : *keys)
            if (key.string() != nullptr) event.streams.push_back(*key.string());
        held_[*namespec].events.push_back(std::move(event));
        return true;
    }
    const auto found = held_.find(*namespec);
    if (found == held_.end()) return false;
    auto& events = found->second.events;
    if (word == "free") {
        events.pop_front();
        if (events.empty()) held_.erase(found);
        return true;
    }
    const std::string* key = record.size() > 2 ? record[2].string() : nullptr;
    if (key == nullptr) return false;
    for (HeldEvent& event : events)
        if (std::erase(event.streams, *key) > 0) break;
    return true;
}

bool Events::apply_to_pool(const std::string& word, const Value::Array& record)
{
    const std::string* name = record.size() > 1 ? record[1].string() : nullptr;
    const auto found = name != nullptr ? pools_.find(*name) : pools_.end();
    if (found == pools_.end()) return false;
    EventPool& pool = found->second.queue;
    const auto text = [&](std::size_t at) { return at < record.size() ? record[at].string() : nullptr; };
    const auto number = [&](std::size_t at) { return at < record.size() ? record[at].integer() : nullptr; };
    if (word == "gone") {
        pools_.erase(found);
    } else if (word == "queued" && record.size() == 3) {
        return pool.load_queue(record[2]);
    } else if (word == "size" && number(2) != nullptr && *number(2) > 0) {
        pool.resize(static_cast<std::size_t>(*number(2)));
    } else if (word == "add" && number(2) != nullptr && number(3) != nullptr && text(4) != nullptr) {
        if (*number(2) < 0 || *number(3) < 0 || *number(3) >= static_cast<std::int64_t>(config::kEventNames.size())) return false;
        const auto serial = static_cast<std::uint64_t>(*number(2));
        pool.add(serial, static_cast<EventType>(*number(3)), *text(4));
        next_serial_ = std::max(next_serial_, serial + 1);
    } else if (text(2) == nullptr) {
        return false;
    } else if (word == "start" && text(3) != nullptr) {
        pool.start(*text(2), *text(3));
    } else if (word == "end") {
        pool.end(*text(2));
    } else if (word == "out" && text(3) != nullptr) {
        pool.output(*text(2), *text(3));
    } else if (word == "refuse") {
        pool.refuse(*text(2));
    } else if (word == "take") {
        pool.take(*text(2));
    } else {
        return false;
    }
    return true;
}

void Events::commit()
{
    if (!store_) return;
    if (auto done = store_->commit(); !done) {
        log::debug("{}", done.error().message);
        store_.reset();
        context_.keeper.drop(kStoreKey);
        return compact();  // without the history there may be room
    }
    if (store_->size() > compact_at_) compact();
}

void Events::try_later(const Error& error)
{
    log::error("{}; a crash of the engine would lose queued events now", error.message);
    store_retry_ = context_.loop.now() + kStoreRetry;
}

/// Writes down what is, in place of all that led to it.
void Events::compact()
{
    auto made = EventStore::create();
    if (!made) return try_later(made.error());
    made->append(Value::Array{"serial", static_cast<std::int64_t>(next_serial_)});
    std::erase_if(seen_, [this](const auto& entry) { return !is_current(entry.first); });
    std::erase_if(parts_, [this](const auto& entry) { return !is_current(entry.first); });
    for (const auto& [key, seen] : seen_) made->append(Value::Array{"seen", key, seen.life, static_cast<std::int64_t>(seen.number)});
    for (const auto& [key, text] : parts_) made->append(Value::Array{"part", key, std::int64_t{0}, text});
    made->append(Value::Array{"tick", ticks_.starts()[0], ticks_.starts()[1], ticks_.starts()[2]});
    for (const auto& [name, pool] : pools_) {
        made->append(Value::Array{"pool", pool.queue.save()});
        for (std::size_t from = 0; from < pool.queue.queued(); from += kRecordEvents)
            made->append(Value::Array{"queued", name, pool.queue.save_queue(from, kRecordEvents)});
    }
    std::erase_if(announced_, [this](const auto& entry) { return engine_.find(entry.first) == nullptr; });
    for (const auto& [namespec, held] : held_)
        for (const HeldEvent& event : held.events)
            made->append(Value::Array{"hold", namespec, static_cast<std::int64_t>(event.type), event.payload, std::int64_t{event.pid},
                                      Value::Array(event.streams.begin(), event.streams.end())});
    for (const auto& [namespec, state] : announced_) made->append(Value::Array{"state", namespec, state});
    if (auto done = made->commit(); !done) return try_later(done.error());
    context_.keeper.hold(kStoreKey, net::Held::Other, made->fd());
    store_ = std::move(*made);
    compact_at_ = std::max(kCompactAt, 2 * store_->size());
}

void Events::recover()
{
    sys::UniqueFd kept = context_.inherited.take(kStoreKey);
    if (!kept) return;
    EventStore store(std::move(kept));
    auto records = store.read();
    bool good = records.has_value();
    for (std::size_t i = 0; good && i < records->size(); ++i) good = apply((*records)[i]);
    for (auto& [name, pool] : pools_) pool.queue.take_lines();  // they were said when it happened
    if (good) {
        for (const auto& [namespec, held] : held_) await_streams(namespec);
        store_ = std::move(store);
        compact_at_ = std::max(kCompactAt, 2 * store_->size());
        return;
    }
    log::error("{}; queued events are lost", records ? "the kept events are damaged" : records.error().message);
    pools_.clear();
    announced_.clear();
    held_.clear();
    seen_.clear();
    parts_.clear();
    next_serial_ = 0;
}

}  // namespace xsv::engine
