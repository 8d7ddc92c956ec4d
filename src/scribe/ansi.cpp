#include "scribe/ansi.h"

namespace xsv::scribe {
namespace {

constexpr char kEscape = '\x1b';
constexpr std::string_view kFinals = "HfABCDRsuJKhlpm";

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
        } else if (kFinals.find(c) != std::string_view::npos || ++length_ >= kMaxSequence) {
            state_ = State::text;
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
