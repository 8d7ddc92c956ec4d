#include "config/systemd/unit.h"

#include <algorithm>

#include "base/text.h"

namespace xsv::config::systemd {
namespace {

std::string_view base_name(std::string_view path)
{
    const auto slash = path.rfind('/');
    return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

bool is_comment(std::string_view line)
{
    return line.starts_with('#') || line.starts_with(';');
}

bool is_own_section(std::string_view section, const UnitName& name)
{
    return section == (name.suffix == "socket" ? "Socket" : "Service");
}

/// Lines, with those that a backslash continues made one. Comments between them are left out.
class LineReader {
public:
    explicit LineReader(std::string_view text) : text_(text.starts_with("\xef\xbb\xbf") ? text.substr(3) : text) {}

    bool next(std::string& line, int& number)
    {
        line.clear();
        bool continues = false;
        while (at_ < text_.size()) {
            const auto end = std::min(text_.find('\n', at_), text_.size());
            const std::string_view raw = text_.substr(at_, end - at_);
            at_ = end + 1;
            ++number_;
            const std::string_view trimmed = text::trim(raw);
            if (is_comment(trimmed)) continue;
            if (!continues && trimmed.empty()) continue;
            if (!continues) number = number_;
            // A blank behind it makes the backslash an ordinary letter, as with systemd.
            std::string_view part = raw.ends_with('\r') ? raw.substr(0, raw.size() - 1) : raw;
            continues = part.ends_with('\\');
            if (continues) part.remove_suffix(1);
            line += part;
            if (!continues) return true;
            line += ' ';
        }
        return continues || !line.empty();
    }

private:
    std::string_view text_;
    std::size_t at_ = 0;
    int number_ = 0;
};

}  // namespace

std::optional<UnitName> UnitName::parse(std::string_view path)
{
    const std::string_view file = base_name(path);
    const auto dot = file.rfind('.');
    if (dot == std::string_view::npos || dot == 0 || dot + 1 == file.size() || file.size() > 255) return std::nullopt;
    UnitName name;
    name.full = file;
    name.suffix = file.substr(dot + 1);
    const std::string_view stem = file.substr(0, dot);
    const auto at = stem.find('@');
    name.has_at = at != std::string_view::npos;
    name.prefix = stem.substr(0, at);
    if (name.has_at) name.instance = stem.substr(at + 1);
    if (name.prefix.empty()) return std::nullopt;
    return name;
}

void parse_unit(std::string_view text, const std::string& file, Unit& unit)
{
    if (text.find('\0') != std::string_view::npos) {
        unit.bad.push_back({{file, 0}, "the file contains NUL bytes"});
        return;
    }
    LineReader lines(text);
    std::string section, line;
    int number = 0;
    while (lines.next(line, number)) {
        const std::string_view content = text::trim(line);
        const auto bad = [&](std::string why) { unit.bad.push_back({{file, number}, std::move(why)}); };
        if (content.size() > kLongestLine) {
            bad("the line is too long");
        } else if (content.starts_with('[')) {
            if (!content.ends_with(']')) bad("expected [Section], got '" + text::escape_control(content) + "'");
            section = content.substr(1, content.size() - 2 + (content.ends_with(']') ? 0 : 1));
            if (unit.place.line == 0 && is_own_section(section, unit.name)) unit.place.line = number;
        } else if (const auto equals = content.find('='); equals == std::string_view::npos || equals == 0) {
            bad("expected Key=value, got '" + text::escape_control(content.substr(0, 80)) + "'");
        } else if (section.empty()) {
            bad("a line before the first [Section]");
        } else {
            unit.lines.push_back({section, std::string(text::trim(content.substr(0, equals))),
                                  std::string(text::trim(content.substr(equals + 1))), {file, number}});
        }
    }
}

UnitFiles::UnitFiles(const std::vector<std::string>& files, const Surroundings& surroundings, Translation& translation)
    : surroundings_(surroundings),
      translation_(translation)
{
    for (const std::string& file : files) {
        const auto name = UnitName::parse(file);
        const bool is_ours = name && (name->suffix == "socket" || name->suffix == "service");
        if (!is_ours) {
            const bool is_timer = name && name->suffix == "timer";
            translation.warning({file, 0}, "", "", fmt::format("left out: expected a .socket or .service unit{}", is_timer ? "; cron starts programs at their time" : ""));
            continue;
        }
        if (!files_.emplace(name->full, file).second) {
            translation.note({file, 0}, "", "", fmt::format("left out: {} counts, which comes before it", files_.at(name->full)));
            continue;
        }
        listed_.push_back(*name);
        const std::string folder = Surroundings::folder_of(file);
        if (std::find(folders_.begin(), folders_.end(), folder) == folders_.end()) folders_.push_back(folder);
    }
}

std::string UnitFiles::file_of(const UnitName& name)
{
    for (const std::string& candidate : {name.full, name.has_at ? name.of_template() : std::string()}) {
        if (candidate.empty()) continue;
        if (const auto known = files_.find(candidate); known != files_.end() && surroundings_.match(known->second) == std::vector{known->second})
            return known->second;
        for (const std::string& folder : folders_) {
            const std::string path = folder + "/" + candidate;
            if (!surroundings_.match(path).empty()) return path;
        }
    }
    const auto known = files_.find(name.full);
    return known != files_.end() ? known->second : std::string();
}

void UnitFiles::read_into(Unit& unit, const std::string& file)
{
    translation_.files.push_back(file);
    if (auto text = surroundings_.read(file)) parse_unit(*text, file, unit);
    else unit.bad.push_back({{file, 0}, text.error().message});
}

/// Of the folder for all units of the kind, of the template's, of the unit's own; in each place, and of equal file names
/// only the most particular one.
void UnitFiles::add_drop_ins(Unit& unit)
{
    std::vector<std::string> owners = {unit.name.suffix};
    if (unit.name.has_at) owners.push_back(unit.name.of_template());
    if (!unit.name.is_template()) owners.push_back(unit.name.full);
    std::map<std::string, std::string> found;   // file name -> path
    for (const std::string& owner : owners) {
        for (auto folder = folders_.rbegin(); folder != folders_.rend(); ++folder)
            for (const std::string& path : surroundings_.match(*folder + "/" + owner + ".d/*.conf"))
                found[std::string(base_name(path))] = path;
    }
    for (const auto& [name, path] : found) read_into(unit, path);
}

const Unit* UnitFiles::find(const std::string& full)
{
    const auto [place, is_new] = units_.try_emplace(full);
    std::optional<Unit>& unit = place->second;
    if (!is_new) return unit ? &*unit : nullptr;
    const auto name = UnitName::parse(full);
    const std::string file = name ? file_of(*name) : std::string();
    if (file.empty()) return nullptr;
    unit.emplace();
    unit->name = *name;
    unit->place = {file, 0};
    read_into(*unit, file);
    if (unit->lines.empty()) return &*unit;
    unit->place.line = std::max(unit->place.line, 1);
    add_drop_ins(*unit);
    return &*unit;
}

}  // namespace xsv::config::systemd
