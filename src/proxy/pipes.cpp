#include "proxy/pipes.h"

#include <fcntl.h>
#include <unistd.h>

namespace xsv::proxy {
namespace {

constexpr std::size_t kMostIdle = 64;

}  // namespace

std::unique_ptr<Pipe> Pipes::take()
{
    if (!idle_.empty()) {
        auto pipe = std::move(idle_.back());
        idle_.pop_back();
        return pipe;
    }
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return nullptr;
    (void)::fcntl(ends[1], F_SETPIPE_SZ, 512 * 1024);  // the kernel gives less to who has much
    return std::make_unique<Pipe>(Pipe{sys::UniqueFd(ends[1]), sys::UniqueFd(ends[0]), 0});
}

void Pipes::give(std::unique_ptr<Pipe> pipe)
{
    if (pipe->held == 0 && idle_.size() < kMostIdle) idle_.push_back(std::move(pipe));
}

}  // namespace xsv::proxy
