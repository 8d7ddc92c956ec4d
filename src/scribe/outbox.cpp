#include "scribe/outbox.h"

#include <utility>

namespace xsv::scribe {

using wire::Value;

void Outbox::tell(Value message)
{
    mailbox_.post([this, message = std::move(message)] { send_(message); });
}

void Outbox::post(Value message, std::size_t size)
{
    posted_ += size;
    mailbox_.post([this, size, message = std::move(message)] {
        send_(message);
        posted_ -= size;
    });
}

void Outbox::output(const std::string& key, std::string_view data)
{
    for (; !data.empty(); data.remove_prefix(std::min(data.size(), kPiece)))
        post(Value::Struct{{"type", "output"}, {"key", key}, {"data", data.substr(0, kPiece)}}, kPiece);
}

void Outbox::ended(const std::string& key)
{
    post(Value::Struct{{"type", "ended"}, {"key", key}}, key.size());
}

void Outbox::captured(const std::string& key, std::string data)
{
    const std::size_t size = data.size();
    post(Value::Struct{{"type", "captured"}, {"key", key}, {"data", std::move(data)}}, size);
}

}  // namespace xsv::scribe
