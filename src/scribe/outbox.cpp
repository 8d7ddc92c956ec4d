#include "scribe/outbox.h"

#include <random>
#include <utility>

namespace xsv::scribe {

using wire::Value;

void Stream::begin_anew()
{
    std::random_device random;
    number = 0;
    life = static_cast<std::int64_t>((std::uint64_t{random()} << 31) | random() | 1);
}

void Outbox::tell(Value message)
{
    mailbox_.post([this, message = std::move(message)] { send_(message, {}); });
}

void Outbox::post(Stream& stream, Value::Struct message, std::size_t size)
{
    message.insert(message.begin() + 1, {"key", stream.key});
    message.emplace_back("life", stream.life);
    message.emplace_back("number", static_cast<std::int64_t>(++stream.number));
    posted_ += size;
    ++*stream.under_way;
    mailbox_.post([this, size, message = Value(std::move(message)), under_way = stream.under_way] {
        send_(message, [under_way] { --*under_way; });
        posted_ -= size;
    });
}

void Outbox::output(Stream& stream, std::string_view data)
{
    for (; !data.empty(); data.remove_prefix(std::min(data.size(), kPiece)))
        post(stream, {{"type", "output"}, {"data", data.substr(0, kPiece)}}, kPiece);
}

void Outbox::ended(Stream& stream)
{
    post(stream, {{"type", "ended"}}, stream.key.size());
}

/// Each part is a packet. The engine keeps them and makes one event of them, which a killed one leaves to the next.
void Outbox::captured(Stream& stream, std::string_view data)
{
    for (std::size_t at = 0; at == 0 || at < data.size(); at += kPiece) {
        const std::string_view part = data.substr(at, kPiece);
        post(stream, {{"type", "captured"}, {"data", part}, {"at", static_cast<std::int64_t>(at)}, {"more", at + part.size() < data.size()}},
             part.size());
    }
}

}  // namespace xsv::scribe
