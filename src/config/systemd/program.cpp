#include "config/systemd/program.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "config/systemd/text.h"

namespace xsv::config::systemd {
namespace {

bool is_listen(std::string_view section, std::string_view key)
{
    return section == "Socket" && key.starts_with("Listen");
}

}  // namespace

ProgramBuilder::ProgramBuilder(std::string program, const Place& place, Translation& translation, const Surroundings& surroundings,
                               const TranslationRules& rules, StartOrder& order)
    : section_(std::move(program), place),
      place_(place),
      translation_(translation),
      surroundings_(surroundings),
      rules_(rules),
      order_(order)
{
}

void ProgramBuilder::mistake(const Place& place, const std::string& key, std::string text)
{
    translation_.mistake(place, section_.name(), key, std::move(text));
}

void ProgramBuilder::warn(const Place& place, const std::string& key, std::string text)
{
    translation_.warning(place, section_.name(), key, std::move(text));
}

void ProgramBuilder::note(const Place& place, const std::string& key, std::string text)
{
    translation_.note(place, section_.name(), key, std::move(text));
}

void ProgramBuilder::add_socket(const Unit& unit)
{
    parts_.push_back({});
    parts_.back().unit = &unit;
    specifiers_.emplace(unit, false, surroundings_);
    read(unit, "Socket");
    auto& endpoints = parts_.back().endpoints;
    std::sort(endpoints.begin(), endpoints.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    if (endpoints.empty()) mistake(unit.place, "", "the socket unit listens nowhere: expected ListenStream= or another Listen…=");
}

void ProgramBuilder::set_service(const Unit& unit, bool per_connection)
{
    service_ = &unit;
    specifiers_.emplace(unit, per_connection, surroundings_);
    read(unit, "Service");
}

void ProgramBuilder::read(const Unit& unit, std::string_view own_section)
{
    unit_ = &unit;
    for (const BadLine& line : unit.bad) mistake(line.place, "", line.text);
    report_unknown(unit, own_section);
    for (const Directive& directive : directives()) {
        if (directive.section != "Unit" && directive.section != own_section) continue;
        const Values values = values_of(unit, directive);
        if (values.items.empty()) continue;
        const std::string key(directive.key);
        if (directive.read != nullptr) (this->*directive.read)(directive, values);
        else if (directive.fate == Fate::Warned) warn(values.place(), key, "ignored: " + std::string(directive.text));
        else if (directive.fate == Fate::Refused) mistake(values.place(), key, "not supported: " + std::string(directive.text));
        else if (directive.fate == Fate::Sandbox) sandbox(directive, values);
    }
}

void ProgramBuilder::report_unknown(const Unit& unit, std::string_view own_section)
{
    const auto all = directives();
    std::vector<std::string_view> said;
    for (const Assignment& line : unit.lines) {
        if (line.section == "Install" || line.section.starts_with("X-") || line.key.starts_with("X-")) continue;
        if (std::find(said.begin(), said.end(), line.key) != said.end()) continue;
        if (line.section != "Unit" && line.section != own_section) {
            said.push_back(line.key);
            warn(line.place, text::escape_control(line.key), fmt::format("ignored: it stands in [{}], which has no meaning in a .{} unit",
                                                                         text::escape_control(line.section), unit.name.suffix));
            continue;
        }
        const bool known = std::any_of(all.begin(), all.end(), [&](const Directive& d) { return d.section == line.section && d.key == line.key; });
        if (known) continue;
        said.push_back(line.key);
        std::vector<std::string> candidates;
        for (const Directive& d : all)
            if (d.section == line.section) candidates.emplace_back(d.key);
        const auto near = text::nearest(line.key, candidates);
        warn(line.place, text::escape_control(line.key), "unknown directive" + (near ? fmt::format(", did you mean {}?", *near) : std::string()));
    }
}

Values ProgramBuilder::values_of(const Unit& unit, const Directive& directive) const
{
    Values values;
    const bool listens = is_listen(directive.section, directive.key);
    for (const Assignment& line : unit.lines) {
        const bool is_same = line.section == directive.section && line.key == directive.key;
        if (line.value.empty() && (is_same || (listens && is_listen(line.section, line.key)))) values.items.clear();
        else if (is_same) values.items.push_back(&line);
    }
    return values;
}

std::optional<std::string> ProgramBuilder::plain(const Assignment& line)
{
    auto value = specifiers_->expand(line.value);
    if (!value) mistake(line.place, line.key, value.error().message);
    else if (value->find(kConnection) != std::string::npos)
        mistake(line.place, line.key, "the instance of a connection is known only once there is one; it may stand in ExecStart= and ExecStartPre= alone");
    else return *std::move(value);
    return std::nullopt;
}

std::optional<std::vector<std::string>> ProgramBuilder::plain_words(const Values& values)
{
    std::vector<std::string> all;
    for (const Assignment* line : values.items) {
        const auto value = plain(*line);
        if (!value) return std::nullopt;
        auto words = split_words(*value);
        if (!words) {
            mistake(line->place, line->key, words.error().message);
            return std::nullopt;
        }
        all.insert(all.end(), words->begin(), words->end());
    }
    return all;
}

// --- [Unit] -----------------------------------------------------------------------------------------------------------

void ProgramBuilder::sandbox(const Directive& directive, const Values& values)
{
    const auto flag = parse_flag(values.last().value);
    const std::string& value = values.last().value;
    const bool harmless = (flag && !*flag) || (directive.key == "ProtectProc" && value == "default") ||
                          (directive.key == "ProcSubset" && value == "all") || (directive.key == "DevicePolicy" && value == "auto");
    if (harmless) return;
    const std::string key(directive.key);
    if (rules_.unsafe) warn(values.place(), key, "ignored (import_unsafe): " + std::string(directive.text));
    else mistake(values.place(), key, std::string(directive.text) + ", and xsvd cannot" +
                                      (std::exchange(is_sandboxed_, true) ? "" : ": the program would have more rights than its author allowed "
                                      "(import_unsafe = yes in [include], or import --unsafe, starts it without)"));
}

/// What it means is known when all units are.
void ProgramBuilder::dependency(const Directive& directive, const Values& values)
{
    for (const Assignment* line : values.items)
        if (const auto value = plain(*line)) order_.names(section_.name(), std::string(directive.key), line->place, text::words(*value));
}

/// "Conflicts=shutdown.target" is in many units, and says what happens to every program.
void ProgramBuilder::conflict(const Directive& directive, const Values& values)
{
    std::vector<std::string> others;
    for (const Assignment* line : values.items)
        for (const std::string& unit : text::words(line->value))
            if (unit.find(".target") == std::string::npos) others.push_back(unit);
    if (!others.empty())
        warn(values.place(), std::string(directive.key), fmt::format("ignored: {}, so {} may run beside it", directive.text, text::escape_control(text::join(others, ", "))));
}

void ProgramBuilder::condition(const Directive& directive, const Values& values)
{
    warn(values.place(), std::string(directive.key), "not checked: the program starts whether it holds or not; a test in ExecStartPre= can hold it back");
}

/// Looked at when the configuration is read; all must hold, of those with '|' one.
void ProgramBuilder::condition_path(const Directive& directive, const Values& values)
{
    bool all = true, any = false, has_any = false;
    for (const Assignment* line : values.items) {
        auto value = plain(*line);
        if (!value) return;
        std::string_view path = *value;
        const bool is_trigger = path.starts_with('|');
        if (is_trigger) path.remove_prefix(1);
        const bool negated = path.starts_with('!');
        if (negated) path.remove_prefix(1);
        const bool exists = !surroundings_.match(std::string(path)).empty() || surroundings_.is_directory(std::string(path));
        const bool holds = exists != negated;
        if (is_trigger) has_any = true, any = any || holds;
        else all = all && holds;
    }
    if (all && (any || !has_any)) return;
    section_.set("autostart", "false", values.place());
    note(values.place(), std::string(directive.key), "does not hold now, so the program does not start by itself");
}

void ProgramBuilder::start_limit_burst(const Directive& directive, const Values& values)
{
    note(values.place(), std::string(directive.key),
         "tries are not counted: pauses between them grow up to backoff_max, and nothing needs to be started again by hand");
}

IniSection ProgramBuilder::finish()
{
    if (has_sockets()) finish_sockets();
    finish_folders();
    finish_identity();
    finish_streams();
    finish_command();
    finish_environment();
    finish_stops();
    finish_hooks();
    finish_addresses();
    if (!section_.has("directory")) section_.set("directory", surroundings_.uid == 0 ? "/" : surroundings_.variable("HOME"));
    if (!section_.has("umask")) section_.set("umask", "022");
    if (!limits_.empty()) section_.set("limits", text::join(limits_, " "));
    return section_.take();
}

}  // namespace xsv::config::systemd
