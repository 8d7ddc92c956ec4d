#include "xsvctl/names.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace xsv::xsvctl {

Name split_name(std::string_view text)
{
    const auto colon = text.find(':');
    if (colon == std::string_view::npos) return {std::string(text), std::string(text), false};
    Name name{std::string(text.substr(0, colon)), std::string(text.substr(colon + 1)), false};
    if (name.process.empty() || name.process == "*") {
        name.process.clear();
        name.whole_group = true;
    }
    return name;
}

bool names_everything(const std::vector<std::string>& names)
{
    return std::find(names.begin(), names.end(), "all") != names.end();
}

std::string join_name(std::string_view group, std::string_view process)
{
    if (group == process) return std::string(process);
    return std::string(group) + ":" + std::string(process);
}

namespace {

struct Layout {
    std::size_t rows = 1;
    std::vector<std::size_t> widths;
};

// The fewest rows that fit; each column is as wide as its widest item.
Layout lay_out(const std::vector<std::string>& items, std::size_t width)
{
    for (std::size_t rows = 1; rows < items.size(); ++rows) {
        Layout layout{rows, {}};
        std::size_t total = 0;
        for (std::size_t first = 0; first < items.size(); first += rows) {
            std::size_t widest = 0;
            for (std::size_t i = first; i < std::min(first + rows, items.size()); ++i) {
                widest = std::max(widest, items[i].size());
            }
            total += widest + (first == 0 ? 0 : 2);
            layout.widths.push_back(widest);
        }
        if (total <= width) return layout;
    }
    return {items.size(), {0}};
}

}  // namespace

std::string columns(const std::vector<std::string>& items, std::size_t width)
{
    if (items.empty()) return "<empty>\n";
    if (items.size() == 1) return items[0] + "\n";
    const Layout layout = lay_out(items, width);
    std::string out;
    for (std::size_t row = 0; row < layout.rows; ++row) {
        for (std::size_t column = 0; column * layout.rows + row < items.size(); ++column) {
            const std::string& item = items[column * layout.rows + row];
            if (column > 0) out += "  ";
            out += item;
            if (item.size() < layout.widths[column]) out.append(layout.widths[column] - item.size(), ' ');
        }
        out += '\n';
    }
    return out;
}

bool python_int(std::string_view text, long long& value)
{
    text = text::trim(text);
    std::string digits;
    if (!text.empty() && (text[0] == '+' || text[0] == '-')) {
        if (text[0] == '-') digits = "-";
        text.remove_prefix(1);
    }
    bool after_digit = false;
    for (char c : text) {
        if (c == '_' && after_digit) {
            after_digit = false;
        } else if (c >= '0' && c <= '9') {
            digits += c;
            after_digit = true;
        } else {
            return false;
        }
    }
    if (!after_digit) return false;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return error == std::errc() && end == digits.data() + digits.size();
}

}  // namespace xsv::xsvctl
