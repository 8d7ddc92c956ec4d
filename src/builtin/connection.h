#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "builtin/contents.h"
#include "builtin/tcpmux.h"

namespace xsv::builtin {

enum class Service : std::uint8_t { Echo, Discard, Chargen, Daytime, Time, Tcpmux, Sensor };
std::optional<Service> service_named(std::string_view name);

/// One caller of a stream service. It never waits for him: what he does not read now stays here, and nothing more is read
/// of him until he has.
class Connection {
public:
    Connection(Service service, int fd, const Tcpmux& tcpmux);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    /// As far as the caller lets it, within bounds: others wait, too. False: it is over.
    bool proceed();
    /// What to wait for: EPOLLIN, EPOLLOUT.
    std::uint32_t wanted() const;
    /// Nobody takes longer than this to send a line.
    void begin_at(std::int64_t now) { begun_ = now; }
    bool is_overdue(std::int64_t now) const;

private:
    bool echo();
    bool discard();
    bool generate();
    bool finish();
    bool read_name();
    bool flush();
    enum class Input { Some, None, End };
    Input read(char* buffer, std::size_t size, std::size_t& length);

    Service service_;
    int fd_;
    const Tcpmux& tcpmux_;
    CharacterRing ring_;
    std::string out_;            ///< not taken by the caller yet
    std::string line_;           ///< tcpmux: what came of the name
    bool input_ended_ = false;
    std::int64_t begun_ = 0;     ///< seconds
};

}  // namespace xsv::builtin
