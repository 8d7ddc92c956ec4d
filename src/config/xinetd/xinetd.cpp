#include <algorithm>
#include <deque>
#include <optional>
#include <set>

#include "base/text.h"
#include "config/hosts_access.h"
#include "config/values.h"
#include "config/xinetd/draft.h"

namespace xsv::config {
namespace {

using namespace xinetd;
using Weight = Remark::Weight;

constexpr std::size_t kMostFiles = 10'000, kMostRemarks = 10'000, kDeepest = 20;

/// The entries of all files in xinetd's order.
class Files {
public:
    Files(const Surroundings& surroundings, Translation& translation) : surroundings_(surroundings), translation_(translation) {}

    void read(const std::string& file, const Place& from)
    {
        if (std::find(open_.begin(), open_.end(), file) != open_.end())
            return translation_.mistake(from, "", "include", fmt::format("'{}' includes itself: {}", file, text::join(open_, " > ")));
        if (open_.size() == kDeepest || translation_.files.size() == kMostFiles)
            return translation_.mistake(from, "", "include", fmt::format("'{}' is not read: more than {}", file, open_.size() == kDeepest ? "20 files inside each other" : "10000 files"));
        const auto content = surroundings_.read(file);
        translation_.files.push_back(file);
        if (!content) return translation_.mistake(from.file.empty() ? Place{file, 0} : from, "", from.file.empty() ? "" : "include", content.error().message);
        open_.push_back(file);
        bool has_defaults = false;
        for (const Statement& statement : parse(*content, file, translation_)) {
            switch (statement.kind) {
                case Statement::Kind::Service: services.push_back(collect_service(statement, defaults)); break;
                case Statement::Kind::Defaults: take_defaults(statement, std::exchange(has_defaults, true)); break;
                case Statement::Kind::Include: read(surroundings_.absolute(statement.name), statement.place); break;
                case Statement::Kind::IncludeDirectory: read_folder(surroundings_.absolute(statement.name), statement.place); break;
            }
        }
        open_.pop_back();
    }

    Settings defaults;
    std::optional<Fault> defaults_fault;
    std::deque<Service> services;

private:
    void take_defaults(const Statement& entry, bool is_second)
    {
        if (is_second) return translation_.warning(entry.place, "", "defaults", "ignored: the file has one already");
        for (const Fault& fault : entry.faults) translation_.mistake(fault.place, "", "defaults", fault.text);
        if (!entry.faults.empty() && !defaults_fault) defaults_fault = entry.faults.front();
        collect_defaults(entry, defaults, translation_);
        if (services.empty()) return;
        for (const Attribute& attribute : entry.attributes)
            if (is_copied(attribute.name))
                translation_.warning(attribute.place, "", attribute.name, fmt::format("does not count for the {} entr{} above it, such as '{}'", services.size(), services.size() == 1 ? "y" : "ies", text::escape_control(services.back().name)));
    }

    /// Regular files in byte order; a dot anywhere in the name or a '~' at its end hides a file.
    void read_folder(std::string folder, const Place& from)
    {
        while (folder.size() > 1 && folder.ends_with('/')) folder.pop_back();
        if (!surroundings_.is_directory(folder)) return translation_.warning(from, "", "includedir", fmt::format("there is no folder '{}'", folder));
        std::string pattern;
        for (const char c : folder) pattern += std::string_view("*?[").find(c) != std::string_view::npos ? fmt::format("[{}]", c) : std::string(1, c);
        for (const std::string& file : surroundings_.match(pattern + "/*")) {
            const std::string_view name = std::string_view(file).substr(file.rfind('/') + 1);
            if (name.find('.') != std::string_view::npos || name.ends_with('~')) continue;
            if (surroundings_.is_directory(file)) translation_.warning(from, "", "includedir", fmt::format("'{}' is not read: it is a folder", file));
            else read(file, from);
        }
    }

    const Surroundings& surroundings_;
    Translation& translation_;
    std::vector<std::string> open_;
};

/// Why an entry is there and off.
struct Off {
    bool is_off = false;
    Place place;
};

class Translator {
public:
    Translator(const Surroundings& surroundings, Translation& translation)
        : surroundings_(surroundings), translation_(translation), databases_(surroundings), wrappers_(surroundings)
    {
    }

    void run(Files& files)
    {
        defaults_ = &files.defaults;
        std::vector<Off> offs;
        for (const Service& service : files.services) offs.push_back(off(service));
        // The entry that runs has the plain name.
        std::vector<std::string> names(files.services.size());
        for (const bool off : {false, true})
            for (std::size_t i = 0; i < names.size(); ++i)
                if (offs[i].is_off == off) names[i] = name_for(files.services[i]);
        // xinetd starts them without what it could not read: without a limit, or open to everybody.
        if (files.defaults_fault)
            for (Service& service : files.services)
                service.remark(Weight::Mistake, files.defaults_fault->place, "", "not started: the defaults cannot be read to their end");
        for (std::size_t i = 0; i < names.size(); ++i) translate(files.services[i], names[i], offs[i]);
        for (const std::string& file : wrappers_.files()) translation_.files.push_back(file);
    }

private:
    bool lists(std::string_view attribute, const Service& service, Place& place) const
    {
        const auto found = defaults_->lists.find(attribute);
        if (found == defaults_->lists.end()) return false;
        for (const Attribute& line : found->second) {
            place = line.place;
            for (const std::string& id : line.values)
                if (text::iequals(id, service.id)) return true;
        }
        return false;
    }

    Off off(const Service& service) const
    {
        Place place;
        if (const Attribute* disable = service.settings.find("disable"); disable != nullptr && text::iequals(disable->values[0], "yes")) return {true, disable->place};
        if (defaults_->lists.contains("enabled") && !lists("enabled", service, place)) return {true, place};
        if (lists("disabled", service, place)) return {true, place};
        return {};
    }

    std::string name_for(const Service& service)
    {
        constexpr std::size_t kLongest = 56;   // of 64: a number may follow
        std::string name;
        for (const char c : service.id) name += static_cast<unsigned char>(c) <= ' ' || c == 0x7f || c == ':' || c == '/' ? '_' : c;
        if (!text::is_utf8(name)) std::replace_if(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; }, '_');
        while (name.size() > kLongest) {
            // Not in the middle of a letter.
            do name.pop_back();
            while (!text::is_utf8(name));
        }
        const Attribute* const protocol = service.settings.find("protocol");
        const Attribute* const type = service.settings.find("socket_type");
        const bool is_udp = (protocol != nullptr && text::iequals(protocol->values[0], "udp")) || (type != nullptr && text::iequals(type->values[0], "dgram"));
        std::string candidate = name;
        for (int number = is_udp ? 1 : 2; !names_.insert(candidate).second; ++number)
            candidate = number == 1 ? name + "-udp" : fmt::format("{}-{}", name, number);
        return candidate;
    }

    void translate(Service& service, const std::string& name, const Off& off)
    {
        Draft draft(service, *defaults_, surroundings_, NativeSection(name, service.place));
        draft.off = off.is_off;
        draft.flag("disable");   // says what is wrong with it
        if (off.is_off) draft.section.set("autostart", "no", off.place);
        write_kind(draft);
        write_socket(draft, databases_);
        write_process(draft);
        write_admission(draft);
        write_access(draft, wrappers_);
        write_log(draft);
        if (!off.is_off) look_for_twin(draft, name);
        hand_over(draft, name, off.is_off);
    }

    /// Two entries cannot have one socket; xinetd disables the second.
    void look_for_twin(Draft& draft, const std::string& name)
    {
        const std::string* const socket = draft.section.find("socket");
        if (socket == nullptr || draft.is("rpc") || draft.is_muxed()) return;
        const auto [first, is_new] = sockets_.try_emplace(*socket, name);
        if (!is_new) draft.missing("", fmt::format("{} is the socket of '{}' already", *socket, first->second));
    }

    /// A disabled entry with mistakes is left out: nobody misses it, and started by hand it would do something else.
    void hand_over(Draft& draft, const std::string& name, bool is_off)
    {
        bool is_broken = false;
        for (Remark& remark : draft.service.remarks) {
            is_broken = is_broken || remark.weight == Weight::Mistake;
            if (is_off && remark.weight == Weight::Mistake) {
                remark.weight = Weight::Warning;
                remark.text += " (the entry is disabled, and left out)";
            }
            remark.section = "program:" + name;
            if (translation_.remarks.size() < kMostRemarks) translation_.remarks.push_back(std::move(remark));
        }
        if (!is_off || !is_broken) translation_.sections.push_back(draft.section.take());
    }

    const Surroundings& surroundings_;
    Translation& translation_;
    Databases databases_;
    HostsAccess wrappers_;
    const Settings* defaults_ = nullptr;
    std::set<std::string> names_;
    std::map<std::string, std::string> sockets_;
};

}  // namespace

Translation translate_xinetd(const std::vector<std::string>& names, const Surroundings& surroundings, const TranslationRules&)
{
    Translation translation;
    Files files(surroundings, translation);
    for (const std::string& name : names) files.read(name, {});
    Translator(surroundings, translation).run(files);
    return translation;
}

}  // namespace xsv::config
