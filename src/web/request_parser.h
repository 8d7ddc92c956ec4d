#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "web/message.h"
#include "web/settings.h"

namespace xsv::web {

/// Bytes to one request, by strict rules (H1, H2): what two parsers could read differently is refused.
///
/// But what Supervisor's clients in use send is taken: line breaks before a request, HTTP/1.0 with or without Host,
/// names in any case, a length without a blank before it.
class RequestParser {
public:
    enum class Stage {
        Idle,     ///< nothing yet but line breaks
        Head,     ///< an unfinished header
        Body,     ///< the header is good; the body is coming
        Done,     ///< request() is whole
        Refused,  ///< answer with refusal() and close
    };

    explicit RequestParser(const Settings& settings);
    ~RequestParser();

    /// Takes what it can use from the start of `bytes` and returns how much; what it left must stand at the start of
    /// the next call's bytes, with more behind it.
    std::size_t feed(std::string_view bytes);

    Stage stage() const { return stage_; }
    std::size_t content_length() const { return content_length_; }  ///< from Body on
    bool expects_continue() const { return expects_continue_; }     ///< the client waits for "100 Continue"
    Request take_request();
    const Request& request() const { return request_; }  ///< as far as it is known
    int refusal() const { return refusal_; }
    const std::string& refusal_text() const { return refusal_text_; }

private:
    struct Parser;
    std::size_t feed_head(std::string_view bytes);
    std::size_t feed_body(std::string_view bytes);
    void check_head();
    void refuse(int status, std::string text);

    const Settings& settings_;
    std::unique_ptr<Parser> parser_;
    Request request_;
    Stage stage_ = Stage::Idle;
    std::size_t head_size_ = 0;
    std::size_t content_length_ = 0;
    bool expects_continue_ = false;
    int refusal_ = 0;
    std::string refusal_text_;
};

}  // namespace xsv::web
