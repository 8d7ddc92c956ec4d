#pragma once

#include <map>
#include <string>
#include <vector>

#include "config/xinetd/grammar.h"

namespace xsv::config::xinetd {

/// What an entry sets: attributes that have one value, and lists, which later lines change.
struct Settings {
    std::map<std::string, Attribute, std::less<>> single;
    std::map<std::string, std::vector<Attribute>, std::less<>> lists;

    const Attribute* find(std::string_view name) const;
    bool has(std::string_view name) const { return find(name) != nullptr || lists.contains(name); }
};

struct Service {
    Place place;
    std::string name, id;
    Settings settings;
    Settings copied;               ///< from the defaults that stood before it
    std::vector<Remark> remarks;   ///< their section is filled in when the service has its name among ours

    void remark(Remark::Weight weight, const Place& place, std::string key, std::string text)
    {
        remarks.push_back({weight, place, "", std::move(key), std::move(text)});
    }
};

/// Takes the attributes of an entry, with the remarks that xinetd's reader has about them. The first line of an attribute
/// that is no list counts, in the defaults also across files.
void collect_defaults(const Statement& entry, Settings& defaults, Translation& translation);
Service collect_service(const Statement& entry, const Settings& defaults);

/// The lists that a service finds only in defaults that stand before it.
bool is_copied(std::string_view attribute);

}  // namespace xsv::config::xinetd
