#include "config/report.h"

#include <fmt/core.h>

#include "config/dialect.h"

namespace xsv::config {

std::string Mistake::message() const
{
    std::string sentence = place.file;
    if (place.line > 0) sentence += fmt::format("{}{}", sentence.empty() ? "line " : ":", place.line);
    if (!sentence.empty()) sentence += ": ";
    if (!section.empty()) sentence += "[" + section + "]" + (key.empty() ? ": " : " ");
    if (!key.empty()) sentence += key + ": ";
    return sentence + text;
}

void Report::add(Mistake mistake)
{
    if (!seen_.insert(mistake.message()).second) return;
    if (!mistake.warning && concerns_everything(mistake.section)) fatal_ = true;
    (mistake.warning ? warnings_ : mistakes_).push_back(std::move(mistake));
}

void Report::add(Remark remark)
{
    Mistake said{remark.place, std::move(remark.section), std::move(remark.key), std::move(remark.text), remark.weight != Remark::Weight::Mistake};
    if (remark.weight != Remark::Weight::Note) add(std::move(said));
    else if (seen_.insert(said.message()).second) notes_.push_back(std::move(said));
}

void Report::mistake(const Place& place, std::string section, std::string key, std::string text)
{
    add({place, std::move(section), std::move(key), std::move(text), false});
}

void Report::warning(const Place& place, std::string section, std::string key, std::string text)
{
    add({place, std::move(section), std::move(key), std::move(text), true});
}

void Report::fatal(const Place& place, std::string section, std::string key, std::string text)
{
    fatal_ = true;
    mistake(place, std::move(section), std::move(key), std::move(text));
}

std::string Report::verdict(const std::string& section) const
{
    const Mistake* first = nullptr;
    int others = -1;
    for (const Mistake& mistake : mistakes_) {
        if (mistake.section != section) continue;
        if (first == nullptr) first = &mistake;
        ++others;
    }
    if (first == nullptr) return {};
    if (others == 0) return first->message();
    return fmt::format("{} (and {} more mistake{})", first->message(), others, others == 1 ? "" : "s");
}

bool concerns_everything(const std::string& section)
{
    return section == "supervisord" || section.starts_with("unix_http_server") ||
           section.starts_with("inet_http_server");
}

}  // namespace xsv::config
