// The descriptors that a program leaves with us for its next process.
#include <algorithm>

#include <fcntl.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/notice_memory.h"
#include "engine/service.h"

namespace xsv::engine {
namespace {

using namespace std::chrono_literals;

constexpr Duration kStoreCheck = 5s;

bool is_same_file(int a, int b)
{
    struct stat one{}, other{};
    if (::fstat(a, &one) < 0 || ::fstat(b, &other) < 0 || one.st_ino != other.st_ino || one.st_dev != other.st_dev) return false;
    const long order = ::syscall(SYS_kcmp, ::getpid(), ::getpid(), KCMP_FILE, static_cast<unsigned long>(a), static_cast<unsigned long>(b));
    return order == 0;
}

bool has_hung_up(int fd)
{
    pollfd entry{fd, 0, 0};
    return ::poll(&entry, 1, 0) == 1 && (entry.revents & (POLLHUP | POLLERR)) != 0;
}

}  // namespace

void Notices::store(NotifyMessage& message, const sys::Notification& notification)
{
    const int most = std::min<int>(service_.spec().ready->fdstore_max, NoticeMemory::kMostStored);
    if (most == 0) return refuse(notification, "fdstore_max is 0");
    for (const sys::UniqueFd& fd : notification.fds) {
        if (std::ranges::any_of(stored_, [&](const auto& known) { return is_same_file(known.second.get(), fd.get()); })) continue;
        if (stored() >= most) return refuse(notification, "fdstore_max descriptors are kept already");
        sys::UniqueFd copy(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3));
        if (!copy) return refuse(notification, "no descriptor is left");
        const auto free = std::ranges::find_if(memory_->stored, [](const auto& place) { return place.used == 0; });
        const auto index = static_cast<std::size_t>(free - std::begin(memory_->stored));
        copy_text(free->name, sizeof free->name, message.fd_name.empty() ? "stored" : message.fd_name);
        free->poll = message.poll ? 1 : 0;
        context_.keeper.hold(key(fmt::format("F{}", index)), net::Held::Other, copy.get());
        free->used = 1;  // last: a name without a descriptor is no harm, the other way round it would be lost
        stored_.emplace_back(index, std::move(copy));
    }
    if (store_watch_ == nullptr)
        store_watch_ = context_.loop.every(kStoreCheck, service_.spec().namespec() + " stored descriptors", [this] { drop_hung_up(); });
}

void Notices::drop_stored(std::size_t index)
{
    const std::size_t place = stored_[index].first;
    memory_->stored[place].used = 0;
    context_.keeper.drop(key(fmt::format("F{}", place)));
    stored_.erase(stored_.begin() + static_cast<std::ptrdiff_t>(index));
    if (stored_.empty()) store_watch_.reset();
}

void Notices::remove_stored(std::string_view name)
{
    for (std::size_t i = stored_.size(); i-- > 0;)
        if (memory_->stored[stored_[i].first].name == name) drop_stored(i);
}

void Notices::drop_hung_up()
{
    for (std::size_t i = stored_.size(); i-- > 0;)
        if (memory_->stored[stored_[i].first].poll != 0 && has_hung_up(stored_[i].second.get())) drop_stored(i);
}

void Notices::drop_all_stored()
{
    while (!stored_.empty()) drop_stored(stored_.size() - 1);
}

void Notices::keep_store(bool keep)
{
    keeps_store_ = keep;
    if (!keeps_store() && std::holds_alternative<Stopped>(service_.state())) drop_all_stored();
}

bool Notices::keeps_store() const
{
    return keeps_store_ || service_.spec().restarts->fdstore_preserve == config::StorePreserve::Yes;
}

}  // namespace xsv::engine
