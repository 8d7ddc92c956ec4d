// How a start is watched: its readiness pipe, its connection, and what the process is given for it.
#include <algorithm>
#include <cstring>

#include <fcntl.h>

#include "base/log.h"
#include "engine/notice_memory.h"
#include "engine/service.h"
#include "sys/connect.h"
#include "sys/files.h"

namespace xsv::engine {
namespace {

using namespace std::chrono_literals;
using config::NotifyAccess;
using config::ReadyWhen;

constexpr Duration kFirstConnect = 20ms, kLongestConnect = 1s;

}  // namespace

Result<Extras> Notices::prepare()
{
    const config::Ready& ready = *service_.spec().ready;
    Extras extras;
    forget_start();
    if (ready.when == ReadyWhen::Fd || ready.when == ReadyWhen::Exec) {
        auto pipe = sys::make_pipe(4096);
        if (!pipe) return tl::unexpected(std::move(pipe).error());
        auto reader = sys::open_pipe_end(pipe->get(), false);
        auto writer = sys::open_pipe_end(pipe->get(), true);
        if (!reader || !writer) return fail("opening the readiness pipe: {}", !reader ? reader.error().message : writer.error().message);
        ::fcntl(reader->get(), F_SETFL, O_NONBLOCK);
        ready_pipe_ = std::move(*reader);
        ready_writer_ = std::move(*writer);
        context_.keeper.hold(key("y"), net::Held::Other, ready_pipe_.get());
        if (ready.when == ReadyWhen::Fd) extras.ready = {ready_writer_.get(), ready.fd};
        else extras.until_exec = ready_writer_.get();
    }
    if (ready.when == ReadyWhen::Fork) extras.invocation = service_.invocation_id();
    if (ready.access == NotifyAccess::None) return extras;
    if (auto opened = open_memory(); !opened) return tl::unexpected(std::move(opened).error());
    if (auto opened = open_socket(); !opened) return tl::unexpected(std::move(opened).error());
    while (sys::receive_notification(socket_.get())) {}  // what the last process said is not of the next
    drop_hung_up();
    memory_->access = 0;
    memory_->said = kNothing;
    memory_->error = memory_->exit_status = 0;
    memory_->watchdog_ns = 0;
    memory_->reload_asked = memory_->reload_until = 0;
    memory_->status[0] = memory_->bus_error[0] = memory_->varlink_error[0] = '\0';
    extras.notify_socket = sys::notify_address(socket_.get());
    extras.watchdog = ready.watchdog;
    extras.fdstore_max = ready.fdstore_max;
    for (const auto& [place, fd] : stored_) extras.stored.emplace_back(memory_->stored[place].name, fd.get());
    return extras;
}

void Notices::started()
{
    ready_writer_.reset();
    watch_ready_pipe();
    if (service_.spec().ready->when == ReadyWhen::Connect) {
        next_connect_ = kFirstConnect;
        try_connect();
    }
}

void Notices::resume()
{
    const config::Ready& ready = *service_.spec().ready;
    if (ready.access != NotifyAccess::None) {
        auto opened = open_memory();
        if (opened) opened = open_socket();
        if (!opened) log::error("{}: {}", service_.spec().namespec(), opened.error().message);
    }
    ready_pipe_ = context_.inherited.take(key("y"));
    if (std::holds_alternative<Starting>(service_.state())) started();
    else forget_start();
    entered(service_.state());
}

void Notices::watch_ready_pipe()
{
    if (ready_pipe_)
        ready_watch_ = context_.loop.readable(ready_pipe_.get(), service_.spec().namespec() + " readiness", [this] { read_ready_pipe(); });
}

void Notices::read_ready_pipe()
{
    char bytes[256];
    const ssize_t count = ::read(ready_pipe_.get(), bytes, sizeof bytes);
    if (count < 0) return;
    const bool line = count > 0 && std::memchr(bytes, '\n', static_cast<std::size_t>(count)) != nullptr;
    if (count > 0 && !line) return;
    // At its end: the kernel has closed it in exec, or the child gave up before.
    const bool exec = service_.spec().ready->when == ReadyWhen::Exec;
    const bool executed = service_.slot().child.stage.load() == static_cast<std::uint32_t>(sys::ChildStage::Executing);
    const bool failed = exec && !executed;
    forget_start();
    const Time now = context_.loop.now();
    if (failed) return;  // its exit says why
    if (line || exec) service_.hand(BecameReady{now});
    else service_.hand(NeverReady{now});
}

void Notices::try_connect()
{
    connect_watch_.reset();
    const auto& endpoint = service_.spec().ready->connect_to;
    if (!endpoint || !std::holds_alternative<Starting>(service_.state())) return;
    auto connecting = sys::begin_connect(*endpoint);
    if (connecting) {
        connecting_ = std::move(*connecting);
        connect_watch_ = context_.loop.writable(connecting_.get(), service_.spec().namespec() + " readiness", [this] { on_connected(); });
        return;
    }
    connect_timer_ = context_.loop.after(next_connect_, service_.spec().namespec() + " readiness", [this] { try_connect(); });
    next_connect_ = std::min(next_connect_ * 2, kLongestConnect);
}

void Notices::on_connected()
{
    connect_watch_.reset();
    const bool connected = sys::is_connected(connecting_.get());
    connecting_.reset();
    if (connected) return service_.hand(BecameReady{context_.loop.now()});
    connect_timer_ = context_.loop.after(next_connect_, service_.spec().namespec() + " readiness", [this] { try_connect(); });
    next_connect_ = std::min(next_connect_ * 2, kLongestConnect);
}

void Notices::forget_start()
{
    ready_watch_.reset();
    connect_watch_.reset();
    connect_timer_.reset();
    connecting_.reset();
    ready_writer_.reset();
    if (ready_pipe_) context_.keeper.drop(key("y"));
    ready_pipe_.reset();
}

}  // namespace xsv::engine
