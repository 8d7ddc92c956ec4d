#pragma once

#include <string>
#include <string_view>

#include "wire/value.h"

namespace xsv::xsvctl {

/// Control bytes and invalid UTF-8 as \xNN, newline and tab as they are: escape sequences in a log would otherwise
/// reach the terminal, where some run commands. A sequence cut in two by a chunk's end is held until the rest comes.
class Visible {
public:
    std::string operator()(std::string_view chunk);
    std::string rest();  ///< what was held, as \xNN

private:
    std::string held_;
};

/// What a command says: lines for people, or with --json one value on stdout at its end.
class Output {
public:
    void configure(bool json, bool raw);
    bool is_json() const { return json_; }

    void line(std::string_view text);       ///< text and a newline; nothing with --json
    void text(std::string_view bytes);      ///< as it is, without newline; nothing with --json
    void prompt(std::string_view text);     ///< to stdout, at once
    void stream(std::string_view bytes);    ///< parts of a log, at once, also with --json
    void list();                            ///< the answer is a list, if an empty one
    void item(wire::Value value);           ///< one element of the list; nothing without --json
    void value(wire::Value value);          ///< the whole answer; nothing without --json
    void error(wire::Value::Struct error);  ///< {"error": …}, the whole answer if nothing else comes

    void finish();  ///< end of a command: prints the value
    void flush();

private:
    void put(std::string_view bytes);

    bool json_ = false, visible_ = false;
    bool has_value_ = false, is_list_ = false;
    wire::Value value_;
    wire::Value::Array items_, errors_;
    Visible stream_filter_;
};

}  // namespace xsv::xsvctl
