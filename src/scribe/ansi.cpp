#include "scribe/ansi.h"

namespace xsv::scribe {
namespace {

constexpr char kEscape = '\x1b';

bool is_inner(char c)
{
    return c >= 0x20 && c <= 0x3f;
}

bool is_final(char c)
{
    return c >= 0x40 && c <= 0x7e;
}

}  // namespace

std::string AnsiFilter::strip(std::string_view chunk)
{
    std::string out;
    out.reserve(chunk.size() + 1);
    while (!chunk.empty()) {
        if (state_ == State::text) {
            const auto escape = chunk.find(kEscape);
            out += chunk.substr(0, escape);
            if (escape == std::string_view::npos) break;
            chunk.remove_prefix(escape + 1);
            state_ = State::escape;
            continue;
        }
        const char c = chunk.front();
        if (state_ == State::escape) {
            if (c == '[') {
                state_ = State::sequence;
                length_ = 2;
            } else {  // the escape byte stays; this byte is looked at again, it may be another one
                out += kEscape;
                state_ = State::text;
                continue;
            }
        } else if (is_final(c)) {
            state_ = State::text;
        } else if (!is_inner(c) || ++length_ > kMaxSequence) {
            state_ = State::text;
            continue;
        }
        chunk.remove_prefix(1);
    }
    return out;
}

std::string AnsiFilter::rest()
{
    const bool waiting = state_ == State::escape;
    state_ = State::text;
    return waiting ? std::string(1, kEscape) : std::string();
}

}  // namespace xsv::scribe
