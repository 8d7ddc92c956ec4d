#include "web/pages.h"

#include <algorithm>
#include <array>
#include <iterator>

#include <fmt/format.h>

#include "base/text.h"
#include "base/time.h"
#include "web/form.h"

namespace xsv::web {

namespace {

constexpr std::string_view kStylesheet = R"(
body { margin: 0; font: 14px/1.4 sans-serif; color: #222; background: #fff; }
#wrapper { max-width: 70em; margin: 0 auto; padding: 1em; }
#header { font-size: 1.6em; font-weight: bold; }
.hidden { display: none; }
.status_msg { margin: 1em 0; padding: .5em 1em; background: #fff6d0; border: 1px solid #e0c860; }
ul { list-style: none; margin: 0; padding: 0; }
li { display: inline-block; margin-right: .4em; }
#buttons { margin: 1em 0; }
button { font: inherit; cursor: pointer; }
table { width: 100%; border-collapse: collapse; }
th { text-align: left; border-bottom: 2px solid #888; }
th, td { padding: .3em .5em; vertical-align: top; }
tr.shade { background: #f2f2f2; }
.status span { padding: .1em .5em; border-radius: .3em; color: #fff; }
.statusrunning { background: #2a7d2a; }
.statusnominal { background: #777; }
.statuserror { background: #b32020; }
.socket { display: block; color: #666; }
#footer { max-width: 70em; margin: 0 auto; padding: 1em; color: #666; }
)";

/// One transparent pixel: the pages need no pictures, but whoever asks for Supervisor's gets one.
constexpr unsigned char kPixel[] = {'G', 'I',  'F',  '8',  '9',  'a',  1, 0, 1, 0, 0x80, 0, 0, 0,    0,
                                    0,   0xff, 0xff, 0xff, 0x21, 0xf9, 4, 1, 0, 0, 0,    0, 0, 0x2c, 0,
                                    0,   0,    0,    1,    0,    1,    0, 0, 2, 2, 0x44, 1, 0, 0x3b};
constexpr std::string_view kImages[] = {"/images/icon.png",      "/images/rule.gif",   "/images/state0.gif",
                                        "/images/state1.gif",    "/images/state2.gif", "/images/state3.gif",
                                        "/images/supervisor.gif"};

/// Supervisor's states as numbers, which the info struct has.
enum : std::int64_t { kStopped = 0, kRunning = 20, kBackoff = 30, kExited = 100, kFatal = 200 };

Answer html_page(int status, std::string_view title, std::string_view body)
{
    Answer page;
    page.status = status;
    page.content_type = "text/html;charset=utf-8";
    page.headers = "Pragma: no-cache\r\nExpires: Thu, 01 Jan 1970 00:00:00 GMT\r\n";
    page.body = fmt::format(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n  <meta charset=\"utf-8\" />\n  <title>{}</title>\n"
        "  <link href=\"stylesheets/supervisor.css\" rel=\"stylesheet\" type=\"text/css\" />\n"
        "  <link href=\"images/icon.png\" rel=\"icon\" type=\"image/gif\" />\n</head>\n<body>\n{}</body>\n</html>\n",
        escape_html(title), body);
    return page;
}

std::string begin_form(std::string_view token)
{
    return fmt::format(
        "<form action=\"index.html\" method=\"post\">\n<input type=\"hidden\" name=\"token\" value=\"{}\" />\n",
        escape_html(token));
}

/// A button of the page's one form; its address is that of Supervisor's link.
std::string button(std::string_view label, std::string_view action, std::string_view process)
{
    const std::string name = process.empty() ? std::string() : "processname=" + quote_url(process) + "&amp;";
    return fmt::format("<button type=\"submit\" formaction=\"index.html?{}action={}\" title=\"{}\">{}</button>", name,
                       quote_url(action), escape_html(process), escape_html(label));
}

std::string_view state_class(std::int64_t state)
{
    if (state == kRunning) return "statusrunning";
    return state == kFatal || state == kBackoff ? "statuserror" : "statusnominal";
}

std::string actions(std::string_view name, std::int64_t state)
{
    const std::string none = "<a class=\"hidden\"></a>";
    std::array<std::string, 2> first{none, none};
    if (state == kRunning)
        first = {button("Restart", "restart", name), button("Stop", "stop", name)};
    else if (state == kStopped || state == kExited || state == kFatal)
        first[0] = button("Start", "start", name);
    const std::string address = quote_url(name);
    return fmt::format(
        "<ul>\n<li>{}</li>\n<li>{}</li>\n<li>{}</li>\n"
        "<li><a href=\"logtail/{}\" name=\"Tail -f Stdout\" target=\"_blank\">Tail -f Stdout</a></li>\n"
        "<li><a href=\"logtail/{}/stderr\" name=\"Tail -f Stderr\" target=\"_blank\">Tail -f Stderr</a></li>\n</ul>",
        first[0], first[1], button("Clear Log", "clearlog", name), address, address);
}

/// What Supervisor's states cannot say of a program with sockets.
std::string socket_text(const wire::Value& process)
{
    if (!process.find("xsv_connections")) return {};
    const auto count = process.number("xsv_connections");
    std::string text = process.text("xsv_state");
    if (count > 0) text += fmt::format(", {} connection{}", count, count == 1 ? "" : "s");
    if (const std::string paused = process.text("xsv_paused"); !paused.empty()) text += ", paused: " + paused;
    return fmt::format(" <span class=\"socket\">{}</span>", escape_html(text));
}

std::string row(const wire::Value& process, bool is_shaded)
{
    const std::string bare = process.text("name"), group = process.text("group");
    const std::string name = bare == group ? bare : group + ":" + bare;
    const std::int64_t state = process.number("state");
    return fmt::format(
        "<tr class=\"{}\">\n<td class=\"status\"><span class=\"{}\">{}</span></td>\n<td><span>{}</span>{}</td>\n"
        "<td><a href=\"tail.html?processname={}\" target=\"_blank\">{}</a></td>\n<td class=\"action\">{}</td>\n</tr>\n",
        is_shaded ? "shade" : "", state_class(state), escape_html(text::lower(process.text("statename"))),
        escape_html(process.text("description")), socket_text(process), quote_url(name), escape_html(name),
        actions(name, state));
}

std::string table(const wire::Value::Array& processes)
{
    if (processes.empty()) return "No programs to manage\n";
    std::string text =
        "<table>\n<thead>\n<tr><th class=\"state\">State</th><th class=\"desc\">Description</th>"
        "<th class=\"name\">Name</th><th class=\"action\">Action</th></tr>\n</thead>\n<tbody>\n";
    bool is_shaded = false;
    for (const wire::Value& process : processes) text += row(process, std::exchange(is_shaded, !is_shaded));
    return text + "</tbody>\n</table>\n";
}

std::string footer()
{
    return fmt::format(
        "<div id=\"footer\" class=\"clr\">\n<div class=\"left\">xsvd <span>{}</span></div>\n"
        "<div class=\"right\"><span>{}</span></div>\n</div>\n",
        XSV_VERSION, http_date(wall_seconds()).substr(12, 4));
}

}  // namespace

Answer status_page(const wire::Value& processes, const StatusPage& page)
{
    const auto* list = processes.array();
    std::string body = "<div id=\"wrapper\">\n<div id=\"header\">xsvd</div>\n<div>\n";
    body += fmt::format("<div class=\"{}\">{}</div>\n", page.has_message ? "status_msg" : "hidden",
                        escape_html(page.message));
    body += begin_form(page.token);
    body +=
        "<ul id=\"buttons\" class=\"clr\">\n<li class=\"action-button\"><a "
        "href=\"index.html?action=refresh\">Refresh</a></li>\n";
    body += "<li class=\"action-button\">" + button("Restart All", "restartall", {}) + "</li>\n";
    body += "<li class=\"action-button\">" + button("Stop All", "stopall", {}) + "</li>\n</ul>\n";
    body += table(list ? *list : wire::Value::Array{});
    body += "</form>\n</div>\n</div>\n" + footer();
    return html_page(200, "Supervisor Status", body);
}

Answer confirm_page(int status, std::string_view action, std::string_view process, std::string_view token)
{
    std::string body = "<div id=\"wrapper\">\n<div id=\"header\">xsvd</div>\n";
    body += "<div class=\"status_msg\">Nothing has been done yet: an address alone changes nothing.</div>\n";
    body += begin_form(token);
    body += button(fmt::format("{}{}{}", action, process.empty() ? "" : " ", process), action, process);
    body += "\n<a href=\"index.html\">Back</a>\n</form>\n</div>\n" + footer();
    return html_page(status, "Supervisor Status", body);
}

Answer tail_page(const TailPage& page)
{
    std::string refresh;
    if (!page.process.empty())
        refresh = fmt::format("<div>\n<a href=\"tail.html?processname={}&amp;limit={}\">Refresh</a>\n</div>\n",
                              quote_url(page.process), page.limit);
    return html_page(200, "Supervisor tail of process " + (page.process.empty() ? "None" : page.process),
                     fmt::format("<div>\n<pre>{}</pre>\n{}</div>\n", escape_html(page.text), refresh));
}

Answer static_file(std::string_view path)
{
    Answer answer;
    if (path == "/stylesheets" || path == "/images") {
        answer = error_answer(301);
        answer.headers = fmt::format("Location: {}/\r\n", path);
        return answer;
    }
    if (path == "/stylesheets/supervisor.css") {
        answer.content_type = "text/css";
        answer.body = kStylesheet;
        return answer;
    }
    if (std::find(std::begin(kImages), std::end(kImages), path) == std::end(kImages)) return error_answer(404);
    answer.content_type = "image/gif";
    answer.body.assign(std::begin(kPixel), std::end(kPixel));
    return answer;
}

}  // namespace xsv::web
