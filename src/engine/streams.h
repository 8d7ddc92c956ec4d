#pragma once

#include <array>
#include <string>

#include "engine/child_plan.h"
#include "engine/context.h"

namespace xsv::engine {

/// The pipes between a service's processes and us. They outlive the processes: what a dying program wrote last, and what
/// its grandchildren go on writing, is still logged. Each is one descriptor, kept by the guardian too.
class ServiceStreams {
public:
    ServiceStreams(Context& context, const std::string& namespec) : context_(context), namespec_(namespec) {}
    ~ServiceStreams() = default;

    /// Makes the pipes this spec needs and drops those it does not; tells the scribe. A program that runs (`live`) keeps a
    /// pipe that only the daemon's own log wanted: without a reader its next write would end it.
    Status fit(const config::ServiceSpec& spec, bool live);
    /// The pipes and the scribe's sinks go for good (what is in them is still written).
    void close();

    /// The child's ends, open until the object goes.
    struct ChildEnds {
        sys::UniqueFd in, out, err;
        bool redirect = false;
        Streams streams() const { return {in.get(), out.get(), redirect ? out.get() : err.get()}; }
    };
    /// A plan that is used again and again, with the ends that it names.
    struct ReadyChild {
        std::shared_ptr<sys::PreparedChild> child;
        ChildEnds ends;
    };
    /// Of its stdin nobody but the process has the reading end from then on: one that closes it is noticed.
    Result<ChildEnds> open_child_ends(const config::ServiceSpec& spec, bool with_stdin = true);
    std::array<std::uint64_t, 3> pipes() const;   ///< the kernel's numbers of them: stdin, stdout, stderr; 0: there is none
    bool has_stdin() const { return static_cast<bool>(in_); }
    /// Writes to the running program's stdin. EAGAIN when the pipe has no room for all of it.
    Status write_stdin(std::string_view bytes);
    void tell_sinks(const config::ServiceSpec& spec) const;   ///< again, to a new scribe
    /// One line of connection_log_to, without its end; false: there is no such log, or it has no room now.
    bool write_connection_line(std::string_view line);

    int stdin_fd() const { return in_.get(); }
    /// What the scribe knows a stream by ('o', 'e', and 'c' for the log of connections): "o:NAMESPEC"; of a listener's stdout "o:NAMESPEC NUMBER", another one
    /// for each process, so that the last words of one are not taken for the first of the next.
    std::string sink_key(char letter) const;
    /// The process has ended: half a token it wrote is text now. The keys of the streams whose last output the scribe tells,
    /// and then says that it was the last.
    std::vector<std::string> tell_end(const config::ServiceSpec& spec) const;
    /// A new pipe for the stdin of the process that is about to start, since what the last one did not read is not for it; for a
    /// listener also one for its stdout, and the old one is drained.
    Status renew(const config::ServiceSpec& spec);

private:
    Status keep_writing_end();
    bool wants(const config::LogSink& sink, const config::ServiceSpec& spec, char letter, bool live) const;
    Status fit_one(sys::UniqueFd& pipe, bool wanted, char letter, std::size_t size);
    std::string key(char letter) const { return std::string(1, letter) + ":" + namespec_; }

    Context& context_;
    std::string namespec_;
    bool listener_ = false;
    sys::UniqueFd in_, out_, err_, connections_;
};

}  // namespace xsv::engine
