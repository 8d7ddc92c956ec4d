#include "web/pages.h"

#include <fmt/format.h>

namespace xsv::web {

namespace {

std::string row(const wire::Value& process)
{
    const std::string name = process.text("name"), group = process.text("group");
    return fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                       escape_html(name == group ? name : group + ":" + name), escape_html(process.text("statename")),
                       escape_html(process.text("description")));
}

}  // namespace

Answer status_page(const wire::Value& processes)
{
    Answer page;
    page.content_type = "text/html;charset=utf-8";
    page.body =
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta "
        "charset=\"utf-8\"><title>xsvd</title></head>\n<body>\n<h1>xsvd</h1>\n"
        "<table>\n<thead><tr><th>Name</th><th>State</th><th>Description</th></tr></thead>\n<tbody>\n";
    if (const auto* list = processes.array())
        for (const wire::Value& process : *list) page.body += row(process);
    page.body += "</tbody>\n</table>\n</body>\n</html>\n";
    return page;
}

}  // namespace xsv::web
