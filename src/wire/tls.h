#pragma once

#include <cstddef>
#include <string_view>

struct event_base;
struct bufferevent;

namespace xsv::wire {

/// TLS for xsvd-web. The library behind it costs megabytes, so it is a module that only a process with a certificate loads.
struct TlsModule {
    /// Texts of PEM files; `authorities` may be empty, else only clients with a certificate of theirs get in. Null: `error`
    /// says why, as far as there is room.
    void* (*make_context)(std::string_view certificates, std::string_view key, std::string_view authorities, char* error, std::size_t room);
    void (*free_context)(void* context);
    /// A stream that begins with the handshake; it closes the socket. Null: no memory.
    bufferevent* (*accept)(event_base* base, int socket, void* context);
    /// Tells the client that this was all.
    void (*finish)(bufferevent* stream);
};

/// The module, beside the executable, and the function in it that returns a `const TlsModule*`.
constexpr const char* kTlsFile = "xsvd-tls.so";
constexpr const char* kTlsEntry = "xsvd_tls_module";

/// In the environment of the web process: it is to load the module.
constexpr const char* kTlsVariable = "XSVD_TLS";

}  // namespace xsv::wire
