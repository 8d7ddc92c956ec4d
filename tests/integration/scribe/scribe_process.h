#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <sys/types.h>

#include "event/channel.h"
#include "event/loop.h"
#include "sys/files.h"
#include "wire/value.h"

namespace scribe_test {

using namespace xsv;

/// A folder that goes with everything in it.
class Directory {
public:
    Directory();
    ~Directory();
    const std::string& path() const { return path_; }
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }

private:
    std::string path_;
};

std::string content(const std::string& file);
bool exists(const std::string& file);
std::int64_t size_of(const std::string& file);

/// A program's end of a log pipe, and ours.
struct Pipe {
    explicit Pipe(std::size_t size = 256 * 1024);
    sys::UniqueFd held;     ///< what the guardian and the scribe have
    sys::UniqueFd program;  ///< for writing; blocks when the pipe is full
    void write(std::string_view bytes) const;
    int waiting() const;  ///< bytes in the pipe
};

/// The sink message's members, by name.
struct SinkOptions {
    std::int64_t maxbytes = 0;
    int backups = 0;
    bool strip_ansi = false;
    std::string on_full = "drop";
    std::int64_t capture = 0;
    bool events = false;
    bool listener = false;
    bool syslog = false;
};

/// An xsvd-scribe with this test as its engine. Both ends of the channel stay here, as the guardian holds them, so a
/// new scribe carries on where a killed one stopped.
class ScribeProcess {
public:
    explicit ScribeProcess(int standard_output = -1);
    ~ScribeProcess();

    void start();
    void kill();   ///< SIGKILL
    int finish();  ///< "shutdown", and its exit status
    pid_t pid() const { return pid_; }

    void send(wire::Value message, int fd = -1);
    void sink(const std::string& key, const std::string& file, int pipe, const SinkOptions& options = {}, int memory = -1);
    void hello() { send(wire::Value::Struct{{"type", "hello"}, {"generation", 1}}); }
    void ready() { send(wire::Value::Struct{{"type", "ready"}}); }
    /// Sends a request with a new id and returns the reply.
    wire::Value ask(std::string type, const std::string& file, std::int64_t offset = 0, std::int64_t length = 0);

    /// Runs until the condition holds; false after ten seconds.
    bool until(const std::function<bool()>& condition);
    void idle(int milliseconds);

    std::map<std::string, wire::Value> stats;  ///< the last of each key
    std::vector<std::string> log;
    std::map<std::string, std::string> output;                 ///< all of each key
    std::map<std::string, std::vector<std::string>> captured;  ///< of each key
    std::map<std::string, int> ended;
    bool is_reading = true;                                    ///< false: an engine that hangs
    bool closed = false;

private:
    void turn(int milliseconds);
    bool is_known(const wire::Value& message);
    void take_part(const wire::Value& message);
    std::map<std::string, std::pair<std::int64_t, std::int64_t>> seen_;
    std::map<std::string, std::string> parts_;
    int standard_output_;
    std::unique_ptr<event::Loop> loop_;
    sys::UniqueFd theirs_;
    std::unique_ptr<event::Channel> channel_;
    std::map<std::int64_t, wire::Value> replies_;
    std::int64_t next_id_ = 1;
    pid_t pid_ = -1;
};

}  // namespace scribe_test
