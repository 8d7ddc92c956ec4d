#include "builtin/connection.h"

#include <cerrno>

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace xsv::builtin {
namespace {

constexpr int kRounds = 16;            // of one caller before the next one's turn
constexpr std::size_t kBuffer = 16 * 1024;
constexpr std::int64_t kLineTime = 30;
char buffer[kBuffer];                  // everybody's: nothing stays in it between two calls

}  // namespace

std::optional<Service> service_named(std::string_view name)
{
    struct Word { std::string_view name; Service service; };
    static constexpr Word kWords[] = {{"echo", Service::Echo},       {"discard", Service::Discard}, {"chargen", Service::Chargen},
                                      {"daytime", Service::Daytime}, {"time", Service::Time},       {"tcpmux", Service::Tcpmux},
                                      {"sensor", Service::Sensor}};
    for (const Word& word : kWords)
        if (word.name == name) return word.service;
    return std::nullopt;
}

Connection::Connection(Service service, int fd, const Tcpmux& tcpmux) : service_(service), fd_(fd), tcpmux_(tcpmux)
{
    if (service == Service::Daytime) out_ = daytime();
    if (service == Service::Time) out_ = time_of_rfc868();
}

Connection::~Connection() { ::close(fd_); }

bool Connection::proceed()
{
    switch (service_) {
        case Service::Echo: return echo();
        case Service::Discard: return discard();
        case Service::Chargen: return generate();
        case Service::Daytime:
        case Service::Time: return flush() && !(out_.empty() && finish());
        case Service::Tcpmux: return read_name();
        case Service::Sensor: break;
    }
    return false;
}

std::uint32_t Connection::wanted() const
{
    if (service_ == Service::Chargen) return EPOLLOUT | (input_ended_ ? 0u : EPOLLIN);
    return out_.empty() ? EPOLLIN : EPOLLOUT;
}

bool Connection::is_overdue(std::int64_t now) const { return service_ == Service::Tcpmux && now - begun_ > kLineTime; }

/// False: the caller is gone.
bool Connection::flush()
{
    if (out_.empty()) return true;
    const ssize_t sent = ::send(fd_, out_.data(), out_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN || errno == EINTR;
    out_.erase(0, static_cast<std::size_t>(sent));
    return true;
}

Connection::Input Connection::read(char* into, std::size_t size, std::size_t& length)
{
    const ssize_t got = ::recv(fd_, into, size, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return Input::None;
    if (got <= 0) return Input::End;
    length = static_cast<std::size_t>(got);
    return Input::Some;
}

bool Connection::echo()
{
    for (int round = 0; round < kRounds; ++round) {
        if (!flush()) return false;
        if (!out_.empty()) return true;
        std::size_t length = 0;
        const Input input = read(buffer, sizeof buffer, length);
        if (input == Input::End) return false;
        if (input == Input::None) return true;
        const ssize_t sent = ::send(fd_, buffer, length, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR) return false;
        const auto taken = sent < 0 ? 0 : static_cast<std::size_t>(sent);
        if (taken < length) out_.assign(buffer + taken, length - taken);
    }
    return true;
}

bool Connection::discard()
{
    std::size_t length = 0;
    for (int round = 0; round < kRounds; ++round) {
        const Input input = read(buffer, sizeof buffer, length);
        if (input != Input::Some) return input == Input::None;
    }
    return true;
}

/// What the caller says is read away: left unread it would turn our end of the connection into a reset.
bool Connection::generate()
{
    constexpr std::size_t kLinesAtOnce = 64;
    std::size_t length = 0;
    if (!input_ended_) input_ended_ = read(buffer, sizeof buffer, length) == Input::End;
    for (int round = 0; round < kRounds; ++round) {
        if (out_.empty())
            for (std::size_t i = 0; i < kLinesAtOnce; ++i) ring_.append_line(out_);
        if (!flush()) return false;
        if (!out_.empty()) return true;
    }
    return true;
}

/// The answer is out. A close with unread input is a reset, which may overtake the answer.
bool Connection::finish()
{
    ::shutdown(fd_, SHUT_WR);
    std::size_t length = 0;
    for (int round = 0; round < kRounds; ++round)
        if (read(buffer, sizeof buffer, length) != Input::Some) break;
    return true;
}

bool Connection::read_name()
{
    // Byte by byte: what follows the line is for the service.
    while (out_.empty()) {
        char c = 0;
        std::size_t length = 0;
        const Input input = read(&c, 1, length);
        if (input == Input::None) return true;
        if (input == Input::End) return false;
        if (c == '\n' && tcpmux_.give(line_, fd_, out_)) return false;
        if (c != '\n') line_ += c;
        if (line_.size() > Tcpmux::kLongestName + 1) out_ = Tcpmux::kBadName;  // + 1: its CR
    }
    return flush() && !(out_.empty() && finish());
}

}  // namespace xsv::builtin
