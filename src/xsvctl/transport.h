#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>


#include "wire/value.h"

namespace xsv::xsvctl {

/// Whom to talk to.
struct Server {
    std::string url;  ///< http://host[:port], https://host[:port] or unix://path, as the user wrote it
    std::optional<std::string> username, password;
    std::string ca_certificate{}, certificate{}, certificate_key{};  ///< files, of https; empty: the system's, none
};

/// Why a call gave no value.
struct CallError {
    enum class Kind {
        Fault,       ///< the daemon refused; code and text are the fault's
        Http,        ///< code is the status, text the reason
        System,      ///< code is the errno of connect, send or receive
        Resolve,     ///< the host name is unknown; text says how
        Broken,      ///< the connection ended before the answer did
        BadAnswer,   ///< what came back is no XML-RPC
        Value,       ///< wrong on our side of the line: a bad address, a result nobody knows
        EndOfInput,  ///< a question met the end of input
    };
    Kind kind = Kind::Value;
    int code = 0;
    std::string text;

    bool is_fault(int wanted) const { return kind == Kind::Fault && code == wanted; }
    bool is_system(int wanted) const { return kind == Kind::System && code == wanted; }
    /// As Supervisor's client names it: "<class 'ConnectionRefusedError'>, [Errno 111] Connection refused".
    std::string exception() const;
};

using Answer = tl::expected<wire::Value, CallError>;

/// What log streams bring.
struct StreamEvents {
    std::function<void(std::string_view)> on_data;
    /// One sentence, "Cannot read, status code 404", once per stream that could not be opened.
    std::function<void(const std::string& path, const std::string& sentence)> on_error;
    bool outlives_streams = false;  ///< go on waiting for the descriptors when every stream has ended
};

/// HTTP to the daemon: calls one after the other on one connection, and log streams.
class Transport {
public:
    explicit Transport(Server server);
    Transport(Transport&&) noexcept;
    Transport& operator=(Transport&&) noexcept;
    ~Transport();

    const Server& server() const;
    void use(Server server);

    /// A connection that breaks before the answer is made again once, at once: that is what a restart of the daemon's
    /// own processes looks like from here. `repeatable` false for what must not happen twice.
    Answer call(std::string_view method, const wire::Value::Array& params = {}, bool repeatable = true);

    /// Follows GET requests until every stream has ended or `wake` says so: it is called when one of `fds` is readable
    /// or at its end, with the readiness in their order, and returns false to end.
    void follow(const std::vector<std::string>& paths, const StreamEvents& events, std::span<const int> fds,
                const std::function<bool(const std::vector<bool>& readable)>& wake);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace xsv::xsvctl
