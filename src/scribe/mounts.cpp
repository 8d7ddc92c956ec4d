#include "scribe/mounts.h"

#include "base/text.h"
#include "sys/files.h"

namespace xsv::scribe {
namespace {

constexpr std::size_t kMaxTable = 4 << 20;

/// The kernel writes blanks and the like as three octal digits.
std::string unescaped(std::string_view text)
{
    const auto digit = [&](std::size_t at) { return text[at] >= '0' && text[at] <= '7'; };
    std::string out;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] == '\\' && at + 3 < text.size() && digit(at + 1) && digit(at + 2) && digit(at + 3)) {
            out += static_cast<char>((text[at + 1] - '0') * 64 + (text[at + 2] - '0') * 8 + (text[at + 3] - '0'));
            at += 3;
        } else {
            out += text[at];
        }
    }
    return out;
}

bool lies_below(std::string_view path, std::string_view folder)
{
    if (folder == "/") return true;
    return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

}  // namespace

Mounts Mounts::read()
{
    const auto table = sys::read_file("/proc/self/mountinfo", kMaxTable);
    return table ? parse(*table) : Mounts();
}

Mounts Mounts::parse(std::string_view mountinfo)
{
    Mounts mounts;
    for (const std::string& line : text::split(mountinfo, '\n')) {
        const auto fields = text::words(line);
        if (fields.size() > 4) mounts.mounts_.emplace_back(unescaped(fields[4]), fields[2]);
    }
    return mounts;
}

std::string Mounts::device_of(std::string_view path) const
{
    std::size_t longest = 0;
    std::string device;
    for (const auto& [where, number] : mounts_) {
        if (where.size() < longest || !lies_below(path, where)) continue;
        longest = where.size();
        device = number;
    }
    return device;
}

}  // namespace xsv::scribe
