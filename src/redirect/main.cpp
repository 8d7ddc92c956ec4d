// xsvd-redirect TARGET [v1|v2]: forwards the one connection that is its stdin. xsvd starts it for each connection of a service
// with 'proxy_to' and 'activation = per_connection'.
#include <csignal>
#include <cstdio>
#include <string_view>

#include "proxy/one.h"

int main(int argc, char** argv)
{
    using namespace xsv;
    if (argc < 2) {
        std::fprintf(stderr, "xsvd-redirect is started by xsvd and has no use of its own\n");
        return 2;
    }
    std::signal(SIGPIPE, SIG_IGN);
    const std::string_view protocol = argc > 2 ? argv[2] : "";
    return proxy::forward_one(sys::UniqueFd(0), argv[1],
                              protocol == "v1" ? proxy::Protocol::V1 : protocol == "v2" ? proxy::Protocol::V2 : proxy::Protocol::None);
}
