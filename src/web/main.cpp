#include <cstdlib>

#include <fmt/core.h>
#include <sys/stat.h>

#include "base/log.h"
#include "event/channel.h"
#include "event/loop.h"
#include "web/door.h"
#include "web/process.h"
#include "web/tls.h"
#include "wire/messages.h"
#include "wire/tls.h"

int main()
{
    using namespace xsv;
    struct stat info {};
    if (::fstat(wire::kChannelFd, &info) != 0 || !S_ISSOCK(info.st_mode)) {
        fmt::print(stderr, "xsvd-web is a part of xsvd and is started by it; start xsvd\n");
        return 2;
    }
    const Status tls = ::getenv(wire::kTlsVariable) != nullptr ? web::load_tls() : Status{};
    const auto loop = event::make_loop();
    web::Door door(*loop, sys::UniqueFd(wire::kChannelFd), web::Settings{}, [&] { loop->stop(); });
    log::divert([&](log::Level level, std::string_view line) { door.log(level, line); });
    if (!tls) log::error("{}", tls.error().message);
    for (const std::string& gap : web::confine_process()) log::warn("{}", gap);
    loop->run();
    log::divert({});
    return 0;
}
