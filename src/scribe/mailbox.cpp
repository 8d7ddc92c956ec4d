#include "scribe/mailbox.h"

#include <cerrno>
#include <cstdint>
#include <stdexcept>

#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/progress.h"

namespace xsv::scribe {

Mailbox::Mailbox(event::Loop& loop) : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))
{
    if (!wake_) throw std::runtime_error("eventfd: " + errno_text(errno));
    watch_ = loop.readable(wake_.get(), "mailbox", [this] { serve(); });
}

void Mailbox::post(Call call)
{
    const std::lock_guard lock(mutex_);
    calls_.push_back(std::move(call));
    const std::uint64_t one = 1;
    if (calls_.size() == 1) (void)!::write(wake_.get(), &one, sizeof one);
}

void Mailbox::serve()
{
    std::uint64_t count = 0;
    (void)!::read(wake_.get(), &count, sizeof count);
    std::vector<Call> calls;
    {
        const std::lock_guard lock(mutex_);
        calls.swap(calls_);
    }
    for (const Call& call : calls) {
        note_progress();
        try {
            call();
        } catch (const std::exception& error) {  // the calls after it have their own reasons
            log::error("mailbox: {}", error.what());
        }
    }
}

}  // namespace xsv::scribe
