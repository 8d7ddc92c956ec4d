#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/context.h"
#include "engine/helper.h"

namespace xsv::engine {

/// Our end of the conversation with the forwarder (xsvd-proxy), which is started when the first service has proxy_to.
class ForwarderLink final : public Fronts {
public:
    using Find = std::function<Service*(const std::string& namespec)>;

    /// `start`: a forwarder is wanted.
    void attach(Helper& helper, Find find, std::function<void()> start);
    /// A forwarder has started, or was found: tells it everything.
    void greet();
    void on_message(const wire::Value& message);
    bool is_wanted() const { return !fronts_.empty(); }

    void open(const config::ServiceSpec& spec, const std::vector<net::SocketPtr>& sockets, const char* state) override;
    void set(const std::string& namespec, const char* state) override;
    void pause(const std::string& namespec) override;
    void close(const std::string& namespec) override;

private:
    struct Front {
        wire::Value settings;
        std::vector<net::SocketPtr> sockets;
        std::string state;
    };
    void tell(const std::string& name, const Front& front);
    void tell_state(const std::string& name, const std::string& state);
    void log_connection(const wire::Value& row);

    Helper* helper_ = nullptr;
    Find find_;
    std::function<void()> start_;
    std::map<std::string, Front> fronts_;
};

}  // namespace xsv::engine
