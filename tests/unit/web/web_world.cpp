#include "web_world.h"

#include <atomic>
#include <csignal>

#include <catch2/catch.hpp>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/text.h"
#include "wire/xmlrpc.h"

namespace xsv::test {

namespace {

constexpr auto kPatience = std::chrono::seconds(5);

/// Runs the loop until `is_done`, which is asked after every wake-up on `fd`; false: patience ended.
bool pump(event::Loop& loop, int fd, const std::function<bool()>& is_done)
{
    bool done = false;
    const auto readable = loop.readable(fd, "test client", [&] {
        done = is_done();
        if (done) loop.stop();
    });
    const auto patience = loop.after(kPatience, "patience", [&] { loop.stop(); });
    loop.run();
    return done;
}

std::pair<sockaddr_un, socklen_t> abstract_address(const std::string& name)
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    name.copy(address.sun_path + 1, sizeof address.sun_path - 1);
    return {address, static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size())};
}

}  // namespace

std::string Response::field(std::string_view name) const
{
    for (const std::string& line : text::split(head, '\n')) {
        const auto colon = line.find(':');
        if (colon != line.npos && text::iequals(line.substr(0, colon), name))
            return std::string(text::trim(line.substr(colon + 1)));
    }
    return {};
}

bool Response::has(std::string_view name) const
{
    return !field(name).empty();
}

Client& Client::send(std::string_view bytes)
{
    is_head_ = bytes.starts_with("HEAD ");
    while (!bytes.empty()) {
        const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            const auto writable = loop_.writable(socket_.get(), "test client", [&] { loop_.stop(); });
            loop_.run();
        } else if (sent < 0) {
            break;  // the server has closed: what it said before can still be read
        } else {
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
    }
    return *this;
}

Client& Client::half_close()
{
    ::shutdown(socket_.get(), SHUT_WR);
    return *this;
}

void Client::reset()
{
    const ::linger at_once{1, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close();
}

bool Client::receive()
{
    if (is_ended_) return false;
    char bytes[65536];
    ssize_t size = -1;
    const bool came = pump(loop_, socket_.get(), [&] {
        size = ::recv(socket_.get(), bytes, sizeof bytes, 0);
        return size >= 0 || errno != EAGAIN;
    });
    if (!came) FAIL("nothing came for five seconds; so far: " << input_);
    if (size > 0) input_.append(bytes, static_cast<std::size_t>(size));
    is_ended_ = size <= 0;
    return !is_ended_;
}

Response Client::read()
{
    Response response;
    std::size_t head_end = 0;
    while ((head_end = input_.find("\r\n\r\n")) == input_.npos)
        if (!receive()) return response;
    response.head = input_.substr(0, head_end + 2);
    response.version = response.head.substr(0, response.head.find(' '));
    const auto length =
        is_head_ ? 0 : static_cast<std::size_t>(text::to_int(response.field("Content-Length")).value_or(0));
    while (input_.size() < head_end + 4 + length)
        if (!receive()) return response;
    response.body = input_.substr(head_end + 4, length);
    input_.erase(0, head_end + 4 + length);
    response.status = static_cast<int>(text::to_int(response.head.substr(9, 3)).value_or(0));
    return response;
}

std::string Client::read_until(std::string_view end)
{
    std::size_t at = 0;
    while ((at = input_.find(end)) == input_.npos)
        if (!receive()) return std::exchange(input_, {});
    std::string text = input_.substr(0, at + end.size());
    input_.erase(0, text.size());
    return text;
}

std::string Client::read_rest()
{
    while (receive()) {
    }
    return std::exchange(input_, {});
}

bool Client::is_closed_by_server()
{
    return input_.empty() && !receive();
}

World::World(web::Settings settings, bool with_servers) : loop(event::make_loop())
{
    static std::atomic<int> worlds{0};
    std::signal(SIGPIPE, SIG_IGN);
    unix_name_ = fmt::format("xsv-web-test-{}-{}", ::getpid(), ++worlds);
    auto ends = event::Channel::make_pair();
    REQUIRE(ends);
    engine_ = std::make_unique<event::Channel>(
        *loop, std::move(ends->first), "engine", [this](std::string_view bytes, sys::UniqueFd) { on_message(bytes); },
        [] {});
    door = std::make_unique<web::Door>(*loop, std::move(ends->second), settings, [this] {
        is_ended = true;
        loop->stop();
    });
    if (!with_servers) return;
    add_server("inet");
    add_server("unix");
    send_servers();
}

sys::UniqueFd World::listen_inet()
{
    sys::UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(socket.get(), 1024) == 0);
    ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
    return socket;
}

sys::UniqueFd World::listen_unix()
{
    sys::UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    auto [address, size] = abstract_address(unix_name_);
    REQUIRE(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(socket.get(), 1024) == 0);
    return socket;
}

void World::add_server(std::string kind, std::string username, std::string password, std::vector<std::string> hosts)
{
    sys::UniqueFd socket = kind == "unix" ? listen_unix() : listen_inet();
    wire::Value::Array names(hosts.begin(), hosts.end());
    const std::string address = kind == "unix" ? unix_name_ : fmt::format("127.0.0.1:{}", port);
    servers_.push_back({wire::Value::Struct{{"type", "server"},
                                            {"index", static_cast<int>(servers_.size())},
                                            {"name", wire::Value(kind)},
                                            {"kind", wire::Value(kind)},
                                            {"address", wire::Value(address)},
                                            {"username", wire::Value(username)},
                                            {"password", wire::Value(password)},
                                            {"hosts", wire::Value(names)},
                                            {"last", false}},
                        std::move(socket)});
}

void World::send_servers()
{
    send(wire::Value::Struct{{"type", "hello"}, {"generation", 1}});
    for (const Listening& server : servers_) engine_->send_copy_of(wire::encode(server.message), server.socket.get());
    send(wire::Value::Struct{{"type", "ready"}});
}

Client World::connect()
{
    sys::UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    ::fcntl(socket.get(), F_SETFL, O_NONBLOCK);
    return {*loop, std::move(socket)};
}

Client World::connect_unix()
{
    sys::UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto [address, size] = abstract_address(unix_name_);
    REQUIRE(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
    ::fcntl(socket.get(), F_SETFL, O_NONBLOCK);
    return {*loop, std::move(socket)};
}

void World::wait_for(const std::function<bool()>& condition)
{
    const auto patience = loop->after(kPatience, "patience", [this] { loop->stop(); });
    const auto again = loop->every(std::chrono::milliseconds(1), "condition", [&] {
        if (condition()) loop->stop();
    });
    if (!condition()) loop->run();
    CHECK(condition());
}

void World::run_for(Duration time)
{
    const auto end = loop->after(time, "end", [this] { loop->stop(); });
    loop->run();
}

void World::on_message(std::string_view bytes)
{
    const auto message = wire::decode(bytes);
    REQUIRE(message);
    messages.push_back(*message);
    if (message->text("type") == "caller" || message->text("type") == "left") return;
    calls.push_back(*message);
    if (message->text("type") == "call") return answer(*message);
    if (message->text("type") != "follow") return;
    const wire::Value id(message->number("id"));
    if (message->text("path") != "/logtail/cat:a" && message->text("path") != "/mainlogtail")
        return send(wire::Value::Struct{{"type", "follow"}, {"id", id}, {"status", 404}});
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    log_writer.reset(ends[1]);
    ::fcntl(ends[1], F_SETFL, O_NONBLOCK);
    send(wire::Value::Struct{{"type", "follow"}, {"id", id}, {"status", 200}, {"modified", 784111777}}, sys::UniqueFd(ends[0]));
}

void World::answer(const wire::Value& call)
{
    const std::string method = call.text("method");
    const auto reply = [&](const wire::Value& result) {
        send(wire::Value::Struct{
            {"type", "reply"}, {"id", wire::Value(call.number("id"))}, {"result", wire::Value(wire::encode(result))}});
    };
    if (is_silent || method == "test.never") return;
    if (method == "test.echo") return reply(*call.find("params"));
    if (method == "test.broken")
        return send(wire::Value::Struct{{"type", "reply"}, {"id", wire::Value(call.number("id"))}, {"result", "?"}});
    if (const auto text = texts.find(method); text != texts.end()) return reply(wire::Value(text->second));
    if (method == "supervisor.getState") return reply(wire::Value::Struct{{"statecode", 1}, {"statename", "RUNNING"}});
    if (method == "supervisor.getAllProcessInfo")
        return reply(wire::Value::Array{
            wire::Value::Struct{
                {"name", "a<b>"}, {"group", "g"}, {"state", 20}, {"statename", "RUNNING"}, {"description", "pid 1"}},
            wire::Value::Struct{{"name", "off"},
                                {"group", "off"},
                                {"state", 0},
                                {"statename", "STOPPED"},
                                {"description", "Not started"}},
            wire::Value::Struct{{"name", "web"},
                                {"group", "web"},
                                {"state", 30},
                                {"statename", "BACKOFF"},
                                {"description", "Exited"},
                                {"xsv_state", "Backoff"},
                                {"xsv_connections", 1},
                                {"xsv_paused", "too <many>"}}});
    wire::Fault fault{1, "UNKNOWN_METHOD"};
    if (const auto found = faults.find(method); found != faults.end()) fault = found->second;
    if (method == "test.bad_name") fault = {10, "BAD_NAME: x"};
    send(wire::Value::Struct{{"type", "fault"},
                             {"id", wire::Value(call.number("id"))},
                             {"code", fault.code},
                             {"text", wire::Value(fault.text)}});
}

std::string post(std::string_view path, std::string_view body, std::string_view headers)
{
    return fmt::format("POST {} HTTP/1.1\r\nHost: localhost\r\n{}Content-Length: {}\r\n\r\n{}", path, headers,
                       body.size(), body);
}

std::string get(std::string_view path, std::string_view headers)
{
    return fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\n{}\r\n", path, headers);
}

std::string xml_call(std::string_view method, const wire::Value::Array& params)
{
    return wire::xmlrpc::render_call(method, params);
}

}  // namespace xsv::test
