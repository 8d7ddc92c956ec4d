#include "proxy/one.h"

#include <cstdio>
#include <ctime>

#include <fcntl.h>
#include <sys/socket.h>

#include "proxy/session.h"

namespace xsv::proxy {
namespace {

constexpr int kConnectTime = 30'000;  // ms

class Only final : public SessionOwner {
public:
    void connected(Session&) override {}
    void unconnected(Session& session, int error) override
    {
        std::fprintf(stderr, "connecting: %s\n", errno_text(error).c_str());
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
    auto target = Target::parse(written);
    if (!target) {
        std::fprintf(stderr, "%s\n", target.error().message.c_str());
        return 2;
    }
    ::fcntl(caller.get(), F_SETFL, ::fcntl(caller.get(), F_GETFL) | O_NONBLOCK);
    Poller poller;
    Pipes pipes;
    Only owner;
    sys::SocketAddress from;
    from.length = sizeof from.storage;
    if (::getpeername(caller.get(), reinterpret_cast<sockaddr*>(&from.storage), &from.length) != 0) from.length = 0;
    Session session(poller, pipes, owner, std::move(caller), from);
    session.send_first(proxy_header(protocol, session.caller()));
    session.connect(std::make_shared<Target>(std::move(*target)));
    const std::time_t begun = BootClock::now().time_since_epoch() / std::chrono::seconds(1);
    while (!owner.over) {
        poller.wait(session.is_connecting() ? 1000 : -1);
        if (session.is_connecting() && BootClock::now().time_since_epoch() / std::chrono::seconds(1) - begun > kConnectTime / 1000)
            owner.unconnected(session, ETIMEDOUT);
    }
    return owner.code;
}

}  // namespace xsv::proxy
