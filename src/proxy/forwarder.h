#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "event/channel.h"
#include "proxy/datagram_front.h"
#include "proxy/front.h"
#include "wire/value.h"

namespace xsv::proxy {

/// The whole of the shared xsvd-proxy: callers on one side, targets on the other, and the engine, which says what goes
/// where and starts the programs behind (wire/messages.h).
class Forwarder final : private FrontOwner {
public:
    Forwarder(event::Loop& loop, sys::UniqueFd channel, std::function<void()> on_end);
    ~Forwarder() override;

private:
    struct Service {
        FrontSettings settings;
        std::map<std::string, std::unique_ptr<Front>> fronts;   ///< by socket
        std::map<std::string, bool> named;                       ///< sockets: did the engine name it lately?
        Behind behind = Behind::Down;
        Counts told;
    };
    void on_message(const wire::Value& message, sys::UniqueFd fd);
    void set_service(const wire::Value& message);
    void set_socket(const wire::Value& message, sys::UniqueFd fd);
    void set_state(const wire::Value& message);
    void answer_pause(const wire::Value& message);
    void drop(const std::string& name);
    void drop_unnamed();
    void retire(std::unique_ptr<Front> front, bool end_all);
    void serve();
    void take_turn();
    void tell_counts();
    void send(wire::Value::Struct message);

    void demand(const std::string& name) override;
    void answered(const std::string& name) override;
    void changed() override;
    void began(const std::string& name, const sys::Peer& peer) override;
    void ended(const std::string& name, const Session& session, bool failed) override;
    void log(int level, const std::string& line) override;
    void report(wire::Value::Struct row);
    void tell_rows();

    event::Loop& loop_;
    std::function<void()> on_end_;
    Poller poller_;
    Workshop workshop_;
    std::map<std::string, Service> services_;
    std::map<std::string, bool> named_;
    bool serving_ = false;
    std::vector<std::unique_ptr<Front>> retired_;     ///< closed; their callers finish
    wire::Value::Array rows_;                          ///< ends and beginnings of connections, told together
    event::Channel channel_;
    event::WatchPtr ready_, turn_, report_timer_, rows_timer_;
};

}  // namespace xsv::proxy
