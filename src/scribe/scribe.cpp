#include "scribe/scribe.h"

#include <thread>

#include "base/log.h"
#include "scribe/reader.h"

namespace xsv::scribe {
namespace {

using wire::Value;

constexpr Duration kDrainTime = std::chrono::seconds(5);
constexpr Duration kSendTime = std::chrono::seconds(1);
constexpr Duration kMountsAge = std::chrono::seconds(1);
constexpr std::size_t kStatsQueue = event::Channel::kMaxQueue / 4;  // when more waits, statistics and lines stay out

/// std::function wants to copy what it holds.
std::shared_ptr<sys::UniqueFd> shared(sys::UniqueFd fd)
{
    return std::make_shared<sys::UniqueFd>(std::move(fd));
}

Value reply(std::int64_t id, const Answer& answer)
{
    return Value::Struct{{"type", "reply"},
                         {"id", id},
                         {"ok", answer.ok},
                         {"code", answer.code},
                         {"text", answer.text},
                         {"offset", answer.offset},
                         {"overflow", answer.overflow}};
}

}  // namespace

Scribe::Scribe(event::Loop& loop, sys::UniqueFd channel)
    : loop_(loop),
      mailbox_(loop),
      channel_(
          loop, std::move(channel), "engine",
          [this](std::string_view message, sys::UniqueFd fd) { on_message(message, std::move(fd)); },
          [this] { go_on_alone(); }),
      outbox_(mailbox_, channel_, [this](Value message, Outbox::Sent sent) { send(std::move(message), std::move(sent)); })
{
    log::divert([this, main = std::this_thread::get_id()](log::Level level, std::string_view line) {
        Value message = Value::Struct{{"type", "log"}, {"level", static_cast<int>(level)}, {"line", line}};
        if (std::this_thread::get_id() == main)
            send(std::move(message));
        else
            outbox_.tell(std::move(message));
    });
}

void Scribe::send(Value message, Outbox::Sent sent)
{
    const std::string type = message.text("type");
    const bool may_wait = type == "stats" || type == "log";
    if (!may_wait || channel_.queued() < kStatsQueue) channel_.send(wire::encode(message), {}, std::move(sent));
}

Writer& Scribe::writer_of(const std::string& file)
{
    std::string device = "none";
    if (file.starts_with("/dev/"))
        device = "devices";
    else if (!file.empty()) {
        if (loop_.now() - mounts_read_ > kMountsAge) {
            mounts_ = Mounts::read();
            mounts_read_ = loop_.now();
        }
        device = mounts_.device_of(file);
    }
    if (!writers_.contains(device) && writers_.size() >= kMaxWriters) device = writers_.rbegin()->first;
    std::shared_ptr<Writer>& writer = writers_[device];
    if (!writer) writer = std::make_shared<Writer>(outbox_);
    return *writer;
}

void Scribe::on_message(std::string_view bytes, sys::UniqueFd fd)
{
    const auto message = wire::decode(bytes);
    if (!message) return log::error("a message of the engine: {}", message.error().message);
    if (ending_) return;
    const std::string type = message->text("type");
    if (type == "sink") {
        on_sink(*message, std::move(fd));
    } else if (type == "memory") {
        memories_[message->text("key")] = std::move(fd);
    } else if (type == "hello") {
        named_.clear();
        naming_ = true;
    } else if (type == "ready") {
        on_ready();
    } else if (type == "drop") {
        drop(message->text("key"));
    } else if (type == "ended") {
        const std::string key = message->text("key");
        if (const auto home = homes_.find(key); home != homes_.end())
            home->second->post([key](Writer& w) { w.end_of_process(key); });
    } else if (type == "reopen") {
        for (const auto& [device, writer] : writers_) writer->post([](Writer& w) { w.reopen(); });
    } else if (type == "shutdown") {
        shut_down();
    } else {
        on_request(type, *message, std::move(fd));
    }
}

void Scribe::on_sink(const Value& message, sys::UniqueFd fd)
{
    const SinkSettings settings = SinkSettings::from(message);
    Writer& writer = writer_of(settings.file);
    Writer*& home = homes_[settings.key];
    auto memory = memories_.extract(settings.key);
    sys::UniqueFd kept = memory.empty() ? sys::UniqueFd() : std::move(memory.mapped());
    if (home != nullptr && home != &writer) kept.reset();  // the other writer works with it still
    // The pipe's bytes go to whoever takes them first, so the new writer need not wait for one that may hang.
    if (home != nullptr && home != &writer) home->post([key = settings.key](Writer& w) { w.forget_sink(key); });
    home = &writer;
    if (naming_) named_.insert(settings.key);
    writer.post([settings, pipe = shared(std::move(fd)), kept = shared(std::move(kept))](Writer& w) {
        w.set_sink(settings, std::move(*pipe), std::move(*kept));
    });
}

void Scribe::drop(const std::string& key)
{
    const auto home = homes_.find(key);
    memories_.erase(key);
    if (home == homes_.end()) return;
    home->second->post([key](Writer& w) { w.drop_sink(key); });
    homes_.erase(home);
}

void Scribe::on_ready()
{
    if (!std::exchange(naming_, false)) return;
    std::vector<std::string> stale;
    for (const auto& [key, home] : homes_)
        if (!named_.contains(key)) stale.push_back(key);
    for (const std::string& key : stale) drop(key);
    named_.clear();
}

void Scribe::on_request(const std::string& type, const Value& message, sys::UniqueFd fd)
{
    const std::int64_t id = message.number("id");
    const std::string file = canonical_file(message.text("file"));
    const std::int64_t offset = message.number("offset");
    const std::int64_t length = message.number("length");
    const auto answer = [this, id](const Answer& a) { mailbox_.post([this, id, a] { send(reply(id, a)); }); };
    if (type == "read") {
        writer_of(file).post([=](Writer&) { answer(read_log(file, offset, length)); });
    } else if (type == "tail") {
        writer_of(file).post([=](Writer&) { answer(tail_log(file, offset, length)); });
    } else if (type == "clear") {
        writer_of(file).post([=](Writer& writer) {
            const Status cleared = writer.clear(file);
            answer(cleared ? Answer{} : Answer{false, kFailed, cleared.error().message, 0, false});
        });
    } else if (type == "follow") {
        writer_of(file).post([file, pipe = shared(std::move(fd))](Writer& w) { w.follow(file, std::move(*pipe)); });
    }
}

/// Engine and guardian are gone, and programs write on: a pipe without a reader would end them. Another daemon, if one comes,
/// ends us and takes the pipes.
void Scribe::go_on_alone()
{
    if (std::exchange(ending_, true)) return;
    undrained_ = writers_.size();
    if (undrained_ == 0) return loop_.stop();
    for (const auto& [device, writer] : writers_)
        writer->post([this](Writer& w) {
            w.outlive([this] {
                mailbox_.post([this] {
                    if (--undrained_ == 0) loop_.stop();
                });
            });
        });
}

void Scribe::shut_down()
{
    if (std::exchange(ending_, true)) return;
    undrained_ = writers_.size();
    if (undrained_ == 0) return loop_.stop();
    deadline_ = loop_.after(kDrainTime, "end", [this] { loop_.stop(); });
    for (const auto& [device, writer] : writers_) {
        writer->post([this](Writer& w) {
            w.drain([this] {
                mailbox_.post([this] {
                    if (--undrained_ > 0) return;
                    writers_.clear();  // joins their threads: none of them hangs
                    drained_at_ = loop_.now();
                    end_when_sent();
                });
            });
        });
    }
}

void Scribe::end_when_sent()
{
    if (channel_.queued() == 0 || loop_.now() - drained_at_ > kSendTime) return loop_.stop();
    send_timer_ = loop_.after(std::chrono::milliseconds(5), "end", [this] { end_when_sent(); });
}

}  // namespace xsv::scribe
