#pragma once

#include <string>
#include <string_view>

#include <fmt/core.h>

#include "base/text.h"

namespace xsv::net {

/// What a kept descriptor is (the guardian carries the number along and does not interpret it).
enum class Held : unsigned { Other = 0, Listener, Pipe, Table, Lock, Record, Channel, Pidfile, Process };

/// What a service manager calls the socket that the guardian has under this key; its names have no colons.
inline constexpr std::string_view kStoredPrefix = "xsvd-";
inline std::string stored_name(std::string_view key) { return fmt::format("{}{:016x}", kStoredPrefix, text::hash(key)); }

inline bool is_stored_name(std::string_view name) { return name.starts_with(kStoredPrefix) && name.size() == kStoredPrefix.size() + 16; }

/// Keeps duplicates of descriptors for the next engine. No answer is needed: a descriptor that is on its way is kept open
/// by the packet it travels in.
class Keeper {
public:
    virtual ~Keeper() = default;
    virtual void hold(const std::string& key, Held kind, int fd) = 0;  ///< the same key again replaces it
    virtual void drop(const std::string& key) = 0;
};

}  // namespace xsv::net
