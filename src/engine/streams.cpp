#include "engine/streams.h"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "sys/files.h"

namespace xsv::engine {
namespace {

constexpr std::size_t kOutputPipe = 256 * 1024;
constexpr std::size_t kConnectionPipe = 64 * 1024;
constexpr std::size_t kInputPipe = 4096;
constexpr std::size_t kEventPipe = 64 * 1024;

/// A program that gets its socket as stdin has no other stdin; one that is handed listeners finds /dev/null there.
bool wants_stdin(const config::ServiceSpec& spec)
{
    return spec.exec.activation == config::Activation::Always && spec.sockets.endpoints.empty();
}

}  // namespace

Status ServiceStreams::fit_one(sys::UniqueFd& pipe, bool wanted, char letter, std::size_t size)
{
    if (!wanted) {
        if (pipe) context_.keeper.drop(key(letter));
        pipe.reset();
        return {};
    }
    if (pipe) return {};
    pipe = context_.inherited.take(key(letter));
    if (pipe) return {};
    auto made = sys::make_pipe(size);
    if (!made) return tl::unexpected(std::move(made).error());
    pipe = std::move(*made);
    context_.keeper.hold(key(letter), net::Held::Pipe, pipe.get());
    return {};
}

/// As with Supervisor, a log of level debug has what programs write, also what goes nowhere else.
bool ServiceStreams::wants(const config::LogSink& sink, const config::ServiceSpec& spec, char letter, bool live) const
{
    if (sink.is_piped()) return true;
    if (spec.exec.activation != config::Activation::Always) return false;
    const bool is_there = letter == 'o' ? static_cast<bool>(out_) : static_cast<bool>(err_);
    return log::enabled(log::Level::debug) || (live && (is_there || context_.inherited.has(key(letter))));
}

Status ServiceStreams::fit(const config::ServiceSpec& spec, bool live)
{
    const bool has_out = wants(spec.output->out, spec, 'o', live);
    const bool has_err = !spec.exec.redirect_stderr && wants(spec.output->err, spec, 'e', live);
    const bool had_out = static_cast<bool>(out_), had_err = static_cast<bool>(err_);
    const std::string out_key = sink_key('o');
    listener_ = spec.listener.has_value();
    auto fitted = fit_one(in_, wants_stdin(spec), 'i', listener_ ? kEventPipe : kInputPipe);
    if (fitted) fitted = fit_one(out_, has_out, 'o', kOutputPipe);
    if (fitted) fitted = fit_one(err_, has_err, 'e', kOutputPipe);
    const bool had_connections = static_cast<bool>(connections_);
    if (fitted) fitted = fit_one(connections_, spec.output->connections->to.is_piped(), 'c', kConnectionPipe);
    if (had_connections && !connections_) context_.sinks.drop(sink_key('c'));
    if (had_out && (!out_ || sink_key('o') != out_key)) context_.sinks.drop(out_key);
    if (had_err && !err_) context_.sinks.drop(sink_key('e'));
    tell_sinks(spec);
    return fitted;
}

void ServiceStreams::tell_sinks(const config::ServiceSpec& spec) const
{
    if (out_) context_.sinks.set(sink_key('o'), spec.output->out, spec, out_.get());
    if (err_) context_.sinks.set(sink_key('e'), spec.output->err, spec, err_.get());
    if (connections_) context_.sinks.set(sink_key('c'), spec.output->connections->to, spec, connections_.get());
}

/// Our own end of the pipe, so the scribe writes the file and a hanging disk holds nobody up.
bool ServiceStreams::write_connection_line(std::string_view line)
{
    if (!connections_) return false;
    const std::string whole = std::string(line) + "\n";   // shorter than PIPE_BUF: all of it or nothing
    return ::write(connections_.get(), whole.data(), whole.size()) == static_cast<ssize_t>(whole.size());
}

void ServiceStreams::close()
{
    const std::pair<sys::UniqueFd*, char> pipes[] = {{&in_, 'i'}, {&out_, 'o'}, {&err_, 'e'}, {&connections_, 'c'}};
    for (const auto& [pipe, letter] : pipes) {
        if (!*pipe) continue;
        if (letter != 'i') context_.sinks.drop(sink_key(letter));
        context_.keeper.drop(key(letter));
        pipe->reset();
    }
}

std::array<std::uint64_t, 3> ServiceStreams::pipes() const
{
    std::array<std::uint64_t, 3> numbers{};
    const sys::UniqueFd* const each[] = {&in_, &out_, &err_};
    struct stat status{};
    for (std::size_t i = 0; i < numbers.size(); ++i)
        if (*each[i] && ::fstat(each[i]->get(), &status) == 0) numbers[i] = status.st_ino;
    return numbers;
}

std::string ServiceStreams::sink_key(char letter) const
{
    struct stat status{};
    if (letter != 'o' || !listener_ || ::fstat(out_.get(), &status) != 0) return key(letter);
    return fmt::format("{} {}", key(letter), status.st_ino);
}

std::vector<std::string> ServiceStreams::tell_end(const config::ServiceSpec& spec) const
{
    const auto tells = [](const config::LogSink& sink) { return (sink.capture_maxbytes > 0 || sink.events_enabled) && !sink.listener; };
    std::vector<std::string> keys;
    if (out_ && tells(spec.output->out)) keys.push_back(sink_key('o'));
    if (err_ && tells(spec.output->err)) keys.push_back(sink_key('e'));
    for (const std::string& key : keys) context_.sinks.ended(key);
    return keys;
}

Status ServiceStreams::renew(const config::ServiceSpec& spec)
{
    if (in_) {
        auto input = sys::make_pipe(listener_ ? kEventPipe : kInputPipe);
        if (!input) return tl::unexpected(std::move(input).error());
        in_ = std::move(*input);
    }
    if (!listener_) return {};
    auto made = sys::make_pipe(kOutputPipe);
    if (!made) return tl::unexpected(std::move(made).error());
    if (out_) context_.sinks.drop(sink_key('o'));
    out_ = std::move(*made);
    context_.keeper.hold(key('o'), net::Held::Pipe, out_.get());
    context_.sinks.set(sink_key('o'), spec.output->out, spec, out_.get());
    return {};
}

Status ServiceStreams::keep_writing_end()
{
    auto end = sys::open_pipe_end(in_.get(), true);
    if (!end) return wrap(end, "opening a pipe");
    if (::fcntl(end->get(), F_SETFL, O_NONBLOCK) < 0) return fail_errno("fcntl", errno);
    in_ = std::move(*end);
    context_.keeper.hold(key('i'), net::Held::Pipe, in_.get());
    return {};
}

Result<ServiceStreams::ChildEnds> ServiceStreams::open_child_ends(const config::ServiceSpec& spec, bool with_stdin)
{
    ChildEnds ends;
    ends.redirect = spec.exec.redirect_stderr;
    const std::pair<const sys::UniqueFd*, sys::UniqueFd*> pairs[] = {{&in_, &ends.in}, {&out_, &ends.out}, {&err_, &ends.err}};
    for (const auto& [pipe, end] : pairs) {
        if (!*pipe || (pipe == &in_ && !with_stdin)) continue;
        auto opened = sys::open_pipe_end(pipe->get(), pipe != &in_);
        if (!opened) return wrap(opened, "opening a log pipe");
        *end = std::move(*opened);
    }
    if (ends.in)
        if (auto kept = keep_writing_end(); !kept) return tl::unexpected(std::move(kept).error());
    return ends;
}

Status ServiceStreams::write_stdin(std::string_view bytes)
{
    // The kernel keeps what the program has not read yet, so that it outlives us: the pipe grows as far as it may. All or
    // nothing: whoever is refused can send the same text again.
    if (!sys::make_room(in_.get(), bytes.size())) return fail("the program does not read its stdin: {} more bytes do not fit", bytes.size());
    const ssize_t written = ::write(in_.get(), bytes.data(), bytes.size());
    if (written == static_cast<ssize_t>(bytes.size())) return {};
    return fail_errno("writing to stdin", written < 0 ? errno : EAGAIN);
}

}  // namespace xsv::engine
