#pragma once

#include <string>

#include "web/connection.h"
#include "web/engine_link.h"

namespace xsv::web {

/// The engine's methods for those who speak XML-RPC or JSON-RPC.
class Rpc {
public:
    explicit Rpc(EngineLink& engine) : engine_(engine) {}

    void serve_xml(const Request& request, const Caller& caller, const Reply& reply);
    /// One call or a batch; a batch is answered when its last call is.
    void serve_json(const Request& request, const Caller& caller, const Reply& reply);

private:
    EngineLink& engine_;
};

}  // namespace xsv::web
