#pragma once

#include <string>
#include <string_view>

#include "web/message.h"
#include "wire/value.h"

/// Supervisor's pages: its addresses, classes and texts, because programs read them too. Plain HTML, no script.
namespace xsv::web {

struct StatusPage {
    std::string message;  ///< shown above the table; empty: nothing
    std::string token;    ///< goes into the form
    bool has_message = false;
};
/// The programs as a table, from the answer of supervisor.getAllProcessInfo.
Answer status_page(const wire::Value& processes, const StatusPage& page);

/// Asks whether to do `action` ("stop"), to `process` if not empty, because the request could not show that its
/// sender meant it.
Answer confirm_page(int status, std::string_view action, std::string_view process, std::string_view token);

struct TailPage {
    std::string process;  ///< empty: none was named
    std::string text;
    std::int64_t limit = 0;
};
Answer tail_page(const TailPage& page);

/// The files Supervisor's pages refer to; 404 for others.
Answer static_file(std::string_view path);

}  // namespace xsv::web
