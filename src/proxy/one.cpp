#include "proxy/one.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include <fcntl.h>
#include <sys/socket.h>

#include "proxy/session.h"

namespace xsv::proxy {
namespace {

constexpr int kConnectSeconds = 30;

class Only final : public SessionOwner {
public:
    void connected(Session&) override {}
    void unconnected(Session& session, int error) override
    {
        std::fprintf(stderr, "connecting: %s\n", std::strerror(error));
        code = 1;
        session.end(true);
    }
    void ended(Session&, bool) override { over = true; }
    bool over = false;
    int code = 0;
};

}  // namespace

int forward_one(sys::UniqueFd caller, const std::string& written, Protocol protocol)
{
    ::fcntl(caller.get(), F_SETFL, ::fcntl(caller.get(), F_GETFL) | O_NONBLOCK);
    Poller poller;
    Pipes pipes;
    Only owner;
    sys::SocketAddress from;
    from.length = sizeof from.storage;
    if (::getpeername(caller.get(), reinterpret_cast<sockaddr*>(&from.storage), &from.length) != 0) from.length = 0;
    Session session(poller, pipes, owner, std::move(caller), from);
    session.send_first(proxy_header(protocol, session.caller()));
    session.connect(std::make_shared<Target>(written));
    for (int seconds = 0; !owner.over; ++seconds) {
        poller.wait(session.is_connecting() ? 1000 : -1);
        if (!session.is_connecting()) seconds = 0;
        else if (seconds > kConnectSeconds) owner.unconnected(session, ETIMEDOUT);
    }
    return owner.code;
}

}  // namespace xsv::proxy
