#pragma once

#include <memory>
#include <string_view>

#include "base/result.h"

struct bufferevent;
struct event_base;

namespace xsv::web {

/// What a TLS server answers with: its certificate, its key, whose clients it takes.
class TlsContext {
public:
    static Result<std::shared_ptr<TlsContext>> make(std::string_view certificates, std::string_view key,
                                                    std::string_view authorities);
    explicit TlsContext(void* context) : context_(context) {}
    ~TlsContext();
    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;

    bufferevent* accept(event_base* base, int socket) const;  ///< null: no memory
    static void finish(bufferevent* stream);

private:
    void* context_;
};

/// Loads the module; as long as there are files to load it from.
Status load_tls();
bool has_tls();

}  // namespace xsv::web
