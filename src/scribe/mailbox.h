#pragma once

#include <functional>
#include <mutex>
#include <vector>

#include "event/loop.h"
#include "sys/fd.h"

namespace xsv::scribe {

/// Work for the thread of a loop, from any thread, in the order it was posted.
class Mailbox {
public:
    using Call = std::function<void()>;

    explicit Mailbox(event::Loop& loop);
    void post(Call call);

private:
    void serve();

    std::mutex mutex_;
    std::vector<Call> calls_;
    sys::UniqueFd wake_;
    event::WatchPtr watch_;
};

}  // namespace xsv::scribe
