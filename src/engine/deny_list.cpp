#include "engine/deny_list.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include <sys/mman.h>
#include <sys/stat.h>

#include "base/log.h"
#include "engine/context.h"

namespace xsv::engine {
namespace {

constexpr std::int64_t kForEver = std::numeric_limits<std::int64_t>::max();

}  // namespace

DenyList::~DenyList()
{
    if (entries_ != nullptr) ::munmap(entries_, kMost * sizeof(Entry));
}

Status DenyList::map(sys::UniqueFd memory)
{
    void* const bytes = ::mmap(nullptr, kMost * sizeof(Entry), PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0);
    if (bytes == MAP_FAILED) return fail_errno("keeping denied addresses", errno);
    entries_ = static_cast<Entry*>(bytes);
    memory_ = std::move(memory);
    return {};
}

void DenyList::recover()
{
    sys::UniqueFd memory = inherited_.take(kKey);
    if (!memory) return;
    struct stat status{};
    const bool fits = ::fstat(memory.get(), &status) == 0 && status.st_size == static_cast<off_t>(kMost * sizeof(Entry));
    const Status mapped = fits ? map(std::move(memory)) : fail("the memory has another size");
    if (!mapped) return log::error("the addresses that sensors have denied are forgotten: {}", mapped.error().message);
    while (used_ < kMost && entries_[used_].until != 0) ++used_;
}

DenyList::Entry DenyList::entry_of(const sys::Peer& peer)
{
    Entry entry{};
    std::memcpy(entry.address, peer.address.data(), peer.mapped ? 16 : 8);
    return entry;
}

Status DenyList::add(const sys::Peer& peer, std::optional<Duration> time, Time now)
{
    if (peer.kind != sys::Peer::Inet) return {};
    if (entries_ == nullptr) {
        sys::UniqueFd memory(::memfd_create("xsvd-deny-list", MFD_CLOEXEC));
        if (!memory || ::ftruncate(memory.get(), kMost * sizeof(Entry)) != 0) return fail_errno("keeping denied addresses", errno);
        if (auto mapped = map(std::move(memory)); !mapped) return mapped;
        keeper_.hold(kKey, net::Held::Other, memory_.get());
    }
    Entry entry = entry_of(peer);
    const std::int64_t since = now.time_since_epoch().count();
    entry.until = !time || time->count() >= kForEver - since ? kForEver : since + time->count();
    Entry* const end = entries_ + used_;
    Entry* place = std::find_if(entries_, end, [&](const Entry& e) { return std::memcmp(e.address, entry.address, sizeof e.address) == 0; });
    if (place != end) {
        place->until = std::max(entry.until, place->until);
        return {};
    }
    const auto ends_first = std::min_element(entries_, end, [](const Entry& a, const Entry& b) { return a.until < b.until; });
    if (ends_first != end && (ends_first->until <= since || used_ == kMost)) place = ends_first;
    else ++used_;
    *place = entry;
    return {};
}

bool DenyList::has(const sys::Peer& peer, Time now) const noexcept
{
    if (entries_ == nullptr || peer.kind != sys::Peer::Inet) return false;
    const Entry entry = entry_of(peer);
    const std::int64_t since = now.time_since_epoch().count();
    for (const Entry* e = entries_; e != entries_ + used_; ++e)
        if (e->until > since && e->address[0] == entry.address[0] && e->address[1] == entry.address[1]) return true;
    return false;
}

std::size_t DenyList::size(Time now) const noexcept
{
    if (entries_ == nullptr) return 0;
    return static_cast<std::size_t>(std::count_if(entries_, entries_ + used_, [&](const Entry& e) { return e.until > now.time_since_epoch().count(); }));
}

}  // namespace xsv::engine
