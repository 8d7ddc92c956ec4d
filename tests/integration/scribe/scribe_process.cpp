#include "scribe_process.h"

#include <catch2/catch.hpp>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace scribe_test {

using std::chrono::milliseconds;

Directory::Directory()
{
    char name[] = "/tmp/xsv-scribe-XXXXXX";
    path_ = ::mkdtemp(name);
}

Directory::~Directory()
{
    (void)!std::system(("rm -rf " + path_).c_str());
}

std::string content(const std::string& file)
{
    std::ifstream in(file, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

bool exists(const std::string& file)
{
    return ::access(file.c_str(), F_OK) == 0;
}

std::int64_t size_of(const std::string& file)
{
    struct stat status {};
    return ::stat(file.c_str(), &status) == 0 ? status.st_size : -1;
}

Pipe::Pipe(std::size_t size)
{
    held = std::move(*sys::make_pipe(size));
    program = std::move(*sys::open_pipe_end(held.get(), true));
}

void Pipe::write(std::string_view bytes) const
{
    while (!bytes.empty()) {
        const ssize_t done = ::write(program.get(), bytes.data(), bytes.size());
        REQUIRE(done > 0);
        bytes.remove_prefix(static_cast<std::size_t>(done));
    }
}

int Pipe::waiting() const
{
    int bytes = 0;
    ::ioctl(held.get(), FIONREAD, &bytes);
    return bytes;
}

ScribeProcess::ScribeProcess(int standard_output) : standard_output_(standard_output), loop_(event::make_loop())
{
    auto ends = event::Channel::make_pair();
    theirs_ = std::move(ends->second);
    channel_ = std::make_unique<event::Channel>(
        *loop_, std::move(ends->first), "scribe",
        [this](std::string_view bytes, sys::UniqueFd) {
            auto message = wire::decode(bytes);
            REQUIRE(message);
            const std::string type = message->text("type");
            if (is_known(*message)) return;
            if (type == "reply") replies_[message->number("id")] = *message;
            if (type == "stats") stats[message->text("key")] = *message;
            if (type == "output") {
                CHECK(message->text("data").size() <= 64 * 1024);
                output[message->text("key")] += message->text("data");
            }
            if (type == "ended") ++ended[message->text("key")];
            if (type == "captured") take_part(*message);
            if (type == "log") log.push_back(message->text("line"));
        },
        [this] { closed = true; });
    start();
}

ScribeProcess::~ScribeProcess()
{
    kill();
}

void ScribeProcess::start()
{
    pid_ = ::fork();
    if (pid_ == 0) {
        if (standard_output_ >= 0) ::dup2(standard_output_, 1);
        if (theirs_.get() == 3)
            ::fcntl(3, F_SETFD, 0);
        else
            ::dup2(theirs_.get(), 3);
        ::execl(XSV_SCRIBE, XSV_SCRIBE, nullptr);
        ::_exit(127);
    }
}

/// As the engine does.
bool ScribeProcess::is_known(const wire::Value& message)
{
    const std::int64_t number = message.number("number");
    if (number == 0) return false;
    auto& [life, last] = seen_[message.text("key")];
    if (life == message.number("life") && number <= last) return true;
    life = message.number("life");
    last = number;
    return false;
}

void ScribeProcess::take_part(const wire::Value& message)
{
    std::string& parts = parts_[message.text("key")];
    if (message.number("at") == 0) parts.clear();
    CHECK(static_cast<std::size_t>(message.number("at")) == parts.size());
    parts += message.text("data");
    if (!message.flag("more")) captured[message.text("key")].push_back(std::exchange(parts, {}));
}

void ScribeProcess::kill()
{
    if (pid_ < 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
}

int ScribeProcess::finish()
{
    send(wire::Value::Struct{{"type", "shutdown"}});
    int status = -1;
    if (!until([&] { return ::waitpid(pid_, &status, WNOHANG) == pid_; })) {
        kill();
        return -1;
    }
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void ScribeProcess::send(wire::Value message, int fd)
{
    const bool sent =
        fd >= 0 ? channel_->send_copy_of(wire::encode(message), fd) : channel_->send(wire::encode(message));
    REQUIRE(sent);
}

void ScribeProcess::sink(const std::string& key, const std::string& file, int pipe, const SinkOptions& options, int memory)
{
    if (memory >= 0) send(wire::Value::Struct{{"type", "memory"}, {"key", key}}, memory);
    send(wire::Value::Struct{{"type", "sink"},
                             {"key", key},
                             {"file", file},
                             {"name", key},
                             {"maxbytes", options.maxbytes},
                             {"backups", options.backups},
                             {"strip_ansi", options.strip_ansi},
                             {"on_full", options.on_full},
                             {"capture", options.capture},
                             {"events", options.events},
                             {"listener", options.listener},
                             {"syslog", options.syslog},
                             {"mode", 0644}},
         pipe);
}

wire::Value ScribeProcess::ask(std::string type, const std::string& file, std::int64_t offset, std::int64_t length)
{
    const std::int64_t id = next_id_++;
    send(wire::Value::Struct{
        {"type", std::move(type)}, {"id", id}, {"file", file}, {"offset", offset}, {"length", length}});
    REQUIRE(until([&] { return replies_.contains(id); }));
    return replies_[id];
}

void ScribeProcess::turn(int time)
{
    if (!is_reading) {
        std::this_thread::sleep_for(milliseconds(time));
        return;
    }
    const auto timer = loop_->after(milliseconds(time), "turn", [this] { loop_->stop(); });
    loop_->run();
}

bool ScribeProcess::until(const std::function<bool()>& condition)
{
    const Time end = BootClock::now() + std::chrono::seconds(10);
    while (!condition()) {
        if (BootClock::now() > end) return false;
        turn(1);
    }
    return true;
}

void ScribeProcess::idle(int time)
{
    turn(time);
}

}  // namespace scribe_test
