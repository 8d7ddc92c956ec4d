#pragma once

#include <string>
#include <string_view>

namespace xsv::net {

/// What a kept descriptor is (the guardian carries the number along and does not interpret it).
enum class Held : unsigned { Other = 0, Listener, Pipe, Table, Lock, Record, Channel, Pidfile, Process };

/// Keeps duplicates of descriptors for the next engine. No answer is needed: a descriptor that is on its way is kept open
/// by the packet it travels in.
class Keeper {
public:
    virtual ~Keeper() = default;
    virtual void hold(const std::string& key, Held kind, int fd) = 0;  ///< the same key again replaces it
    virtual void drop(const std::string& key) = 0;
};

}  // namespace xsv::net
