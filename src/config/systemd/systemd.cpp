#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"
#include "config/dialect.h"
#include "config/systemd/program.h"
#include "config/values.h"

namespace xsv::config {
namespace {

using namespace systemd;

/// The last value of a directive, with its specifiers; empty: none.
std::string value_of(const Unit& unit, std::string_view section, std::string_view key, const Surroundings& surroundings)
{
    std::string value;
    for (const Assignment& line : unit.lines)
        if (line.section == section && line.key == key) value = line.value;
    return Specifiers(unit, false, surroundings).expand(value).value_or("");
}

/// Of the last line with a directive, else of the unit's own section.
Place place_of(const Unit& unit, std::string_view key)
{
    Place place = unit.place;
    for (const Assignment& line : unit.lines)
        if (line.key == key) place = line.place;
    return place;
}

bool accepts(const Unit& unit, const Surroundings& surroundings)
{
    const std::string value = text::lower(value_of(unit, "Socket", "Accept", surroundings));
    return value == "yes" || value == "true" || value == "1" || value == "on" || value == "y" || value == "t";
}

/// Letters that a program's name cannot have become '_'.
std::string program_name(const std::string& stem)
{
    std::string name = stem.substr(0, 64);
    for (char& c : name)
        if (static_cast<unsigned char>(c) <= ' ' || c == 0x7f || c == ':' || c == '/') c = '_';
    if (!check_name(name)) name = text::escape_control(stem).substr(0, 64);
    return name;
}

class UnitTranslator {
public:
    UnitTranslator(const std::vector<std::string>& files, const Surroundings& surroundings, const TranslationRules& rules)
        : surroundings_(surroundings),
          rules_(rules),
          units_(files, surroundings, translation_)
    {
    }

    Translation run()
    {
        pair_up();
        for (const auto& [service, sockets] : listeners_) passed_on(service, sockets);
        for (const UnitName& name : units_.listed())
            if (name.suffix == "socket") if (const Unit* unit = readable(name); unit != nullptr && accepts(*unit, surroundings_)) accepted(*unit);
        for (const UnitName& name : units_.listed())
            if (name.suffix == "service" && !used_.contains(name.full)) alone(name);
        order_.apply(translation_);
        return std::move(translation_);
    }

private:
    /// nullptr: a template, masked, or gone; said so where it is worth a line.
    const Unit* readable(const UnitName& name)
    {
        if (name.is_template()) return nullptr;
        const Unit* unit = units_.find(name.full);
        return unit == nullptr || (unit->lines.empty() && unit->bad.empty()) ? nullptr : unit;
    }

    std::string service_of(const Unit& socket) const
    {
        std::string name = value_of(socket, "Socket", "Service", surroundings_);
        return name.empty() ? socket.name.stem() + ".service" : name;
    }

    /// Which sockets go to which service: by Service= of the socket, its name, or Sockets= of the service.
    void pair_up()
    {
        for (const UnitName& name : units_.listed()) {
            const Unit* unit = readable(name);
            if (unit == nullptr) {
                if (name.is_template() && name.suffix == "socket") translation_.note({units_.find(name.full)->place}, "", "", "a template: name its instances, such as " + name.prefix + "@x.socket");
                else if (!name.is_template()) translation_.note({units_.find(name.full) != nullptr ? units_.find(name.full)->place : Place{name.full, 0}}, "", "", "left out: the unit is empty (masked)");
                continue;
            }
            if (name.suffix != "socket" || accepts(*unit, surroundings_)) continue;
            add(service_of(*unit), unit);
        }
        for (const UnitName& name : units_.listed()) {
            const Unit* unit = name.suffix == "service" ? readable(name) : nullptr;
            if (unit == nullptr) continue;
            for (const Assignment& line : unit->lines) {
                if (line.section != "Service" || line.key != "Sockets") continue;
                for (const std::string& socket : text::words(Specifiers(*unit, false, surroundings_).expand(line.value).value_or("")))
                    if (const Unit* other = units_.find(socket); other != nullptr && !other->lines.empty() && !other->name.is_template() && !accepts(*other, surroundings_)) add(name.full, other);
            }
        }
    }

    void add(const std::string& service, const Unit* socket)
    {
        for (auto& [name, sockets] : listeners_) {
            if (name != service) continue;
            if (std::find(sockets.begin(), sockets.end(), socket) == sockets.end()) sockets.push_back(socket);
            return;
        }
        listeners_.push_back({service, {socket}});
    }

    ProgramBuilder builder(const std::string& stem, const Place& place)
    {
        return {program_name(stem), place, translation_, surroundings_, rules_, order_};
    }

    /// `units`: those the program is made of.
    void finish(ProgramBuilder& program, const std::vector<std::string>& units)
    {
        IniSection section = program.finish();
        for (const std::string& unit : units) order_.stands_for(unit, section.name);
        if (!names_.insert(section.name).second) {
            translation_.mistake(section.place, section.name, "", fmt::format("[{}] is already there: two units make the same name", section.name));
            return;
        }
        translation_.sections.push_back(std::move(section));
    }

    void passed_on(const std::string& service, const std::vector<const Unit*>& sockets)
    {
        const auto name = UnitName::parse(service);
        const Unit* unit = name && name->suffix == "service" ? units_.find(service) : nullptr;
        ProgramBuilder program = builder(name ? name->stem() : sockets.front()->name.stem(), sockets.front()->place);
        std::vector<std::string> units{service};
        for (const Unit* socket : sockets) {
            program.add_socket(*socket);
            units.push_back(socket->name.full);
        }
        used_.insert(service);
        if (unit == nullptr || unit->lines.empty())
            program.mistake(place_of(*sockets.front(), "Service"), "Service", fmt::format("there is no {} among the files or beside them", text::escape_control(service)));
        else program.set_service(*unit, false);
        finish(program, units);
    }

    /// A connection is an instance of NAME@.service; the program is called after the socket.
    void accepted(const Unit& socket)
    {
        ProgramBuilder program = builder(socket.name.stem(), socket.place);
        program.add_socket(socket);
        const std::string service = socket.name.prefix + "@.service";
        const Unit* unit = units_.find(service);
        used_.insert(service);
        if (unit == nullptr || unit->lines.empty()) program.mistake(place_of(socket, "Accept"), "Accept", fmt::format("there is no {} among the files or beside them", text::escape_control(service)));
        else program.set_service(*unit, true);
        finish(program, {socket.name.full, service});
    }

    void alone(const UnitName& name)
    {
        const Unit* unit = readable(name);
        if (unit == nullptr) {
            if (name.is_template()) translation_.note(units_.find(name.full)->place, "", "", "a template: name its socket, or its instances, such as " + name.prefix + "@x.service");
            return;
        }
        ProgramBuilder program = builder(name.stem(), unit->place);
        program.set_service(*unit, false);
        finish(program, {name.full});
    }

    const Surroundings& surroundings_;
    const TranslationRules& rules_;
    Translation translation_;
    UnitFiles units_;
    StartOrder order_;
    std::vector<std::pair<std::string, std::vector<const Unit*>>> listeners_;   // service -> sockets, as listed
    std::set<std::string> used_, names_;
};

}  // namespace

Translation translate_systemd(const std::vector<std::string>& files, const Surroundings& surroundings, const TranslationRules& rules)
{
    return UnitTranslator(files, surroundings, rules).run();
}

}  // namespace xsv::config
