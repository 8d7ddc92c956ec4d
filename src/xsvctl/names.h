#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace xsv::xsvctl {

/// What a user's name for programs means: "web", "group:web", or a whole group ("group:*", "group:").
struct Name {
    std::string group, process;
    bool whole_group = false;
};
Name split_name(std::string_view text);

/// "all" anywhere among the names means everything, whatever else is there.
bool names_everything(const std::vector<std::string>& names);

/// "group:process", or the name alone when both are equal.
std::string join_name(std::string_view group, std::string_view process);

/// Names in columns: down, then across, two blanks between, `width` wide.
std::string columns(const std::vector<std::string>& items, std::size_t width);

/// Python's int(): white space around, one sign, single underscores between digits. What "tail -N" accepts.
bool python_int(std::string_view text, long long& value);

}  // namespace xsv::xsvctl
