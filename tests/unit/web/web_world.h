#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "event/channel.h"
#include "event/loop.h"
#include "web/door.h"
#include "web/settings.h"
#include "wire/value.h"

namespace xsv::test {

struct Response {
    int status = 0;  ///< 0: the connection ended before a whole answer
    std::string version, head, body;
    std::string field(std::string_view name) const;  ///< "" when absent
    bool has(std::string_view name) const;
};

/// A raw client. Waiting runs the world's loop, and fails the test after five seconds.
class Client {
public:
    Client(event::Loop& loop, sys::UniqueFd socket) : loop_(loop), socket_(std::move(socket)) {}

    Client& send(std::string_view bytes);
    Client& half_close();
    void close() { socket_.reset(); }
    void reset();     ///< closes so that the server gets an RST
    Response read();  ///< one answer with its body
    std::string read_until(std::string_view end);
    std::string read_rest();     ///< until the server closes
    bool is_closed_by_server();  ///< waits for the end; false when bytes come instead
    Response ask(std::string_view bytes) { return send(bytes).read(); }

private:
    bool receive();  ///< false: the end
    event::Loop& loop_;
    sys::UniqueFd socket_;
    std::string input_;
    bool is_ended_ = false;
    bool is_head_ = false;  ///< the last request was a HEAD: its answer has no body
};

/// A door, the loop under it, and an engine made of lambdas.
class World {
public:
    explicit World(web::Settings settings = {}, bool with_servers = true);

    Client connect();  ///< the TCP server
    Client connect_unix();
    void add_server(std::string kind, std::string username = {}, std::string password = {},
                    std::vector<std::string> hosts = {});
    void send(const wire::Value& message, sys::UniqueFd fd = {})
    {
        engine_->send(wire::encode(message), std::move(fd));
    }
    void send_servers();  ///< all that were added, then "ready"
    void lose_engine() { engine_.reset(); }
    void wait_for(const std::function<bool()>& condition);
    void run_for(Duration time);

    std::unique_ptr<event::Loop> loop;
    std::vector<wire::Value> messages;         ///< all that the engine was told
    std::vector<wire::Value> calls;            ///< what it was asked
    std::map<std::string, std::string> texts;  ///< of methods that answer with a string
    std::map<std::string, wire::Fault> faults;
    sys::UniqueFd log_writer;                  ///< of the last follower
    std::unique_ptr<web::Door> door;
    bool is_silent = false;  ///< the engine takes calls and does not answer
    bool is_ended = false;
    int port = 0;

private:
    struct Listening {
        wire::Value message;
        sys::UniqueFd socket;
    };
    void on_message(std::string_view bytes);
    void answer(const wire::Value& call);
    sys::UniqueFd listen_inet();
    sys::UniqueFd listen_unix();

    std::string unix_name_;
    std::vector<Listening> servers_;
    std::unique_ptr<event::Channel> engine_;
};

/// A POST of `body` to `path`, HTTP/1.1.
std::string post(std::string_view path, std::string_view body, std::string_view headers = "Content-Type: text/xml\r\n");
std::string get(std::string_view path, std::string_view headers = {});
std::string xml_call(std::string_view method, const wire::Value::Array& params = {});

}  // namespace xsv::test
