#include "engine/event_store.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace xsv::engine {
namespace {

/// In front of the records. The length is written last, in one piece.
struct Head {
    char magic[8];
    std::uint64_t committed;
};
constexpr char kMagic[8] = {'x', 's', 'v', 'e', 'v', 't', '0', '1'};
constexpr off_t kFold = 1 << 20;   // an outbox that has sent as much begins at its beginning again

Result<sys::UniqueFd> memory(const char* name)
{
    sys::UniqueFd fd(::memfd_create(name, MFD_CLOEXEC));
    if (!fd) return fail_errno("memfd_create", errno);
    return fd;
}

Status write_at(int fd, std::string_view bytes, off_t at)
{
    while (!bytes.empty()) {
        const ssize_t count = ::pwrite(fd, bytes.data(), bytes.size(), at);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return fail_errno("keeping events", count < 0 ? errno : EIO);
        bytes.remove_prefix(static_cast<std::size_t>(count));
        at += count;
    }
    return {};
}

std::string_view bytes_of(const auto& object) { return {reinterpret_cast<const char*>(&object), sizeof object}; }

Result<off_t> size_of(int fd)
{
    struct stat status{};
    if (::fstat(fd, &status) != 0) return fail_errno("looking at kept events", errno);
    return status.st_size;
}

}  // namespace

Result<EventStore> EventStore::create(std::size_t most)
{
    auto fd = memory("xsvd-events");
    if (!fd) return tl::unexpected(std::move(fd).error());
    EventStore store(std::move(*fd), most);
    Head head{};
    std::memcpy(head.magic, kMagic, sizeof kMagic);
    if (auto written = write_at(store.fd(), bytes_of(head), 0); !written) return tl::unexpected(std::move(written).error());
    return store;
}

Result<std::vector<wire::Value>> EventStore::read()
{
    auto size = size_of(fd_.get());
    if (!size) return tl::unexpected(std::move(size).error());
    Head head{};
    const bool has_head = ::pread(fd_.get(), &head, sizeof head, 0) == static_cast<ssize_t>(sizeof head);
    if (!has_head || std::memcmp(head.magic, kMagic, sizeof kMagic) != 0 || head.committed > most_ ||
        head.committed + sizeof head > static_cast<std::uint64_t>(*size))
        return fail("the kept events are damaged");
    std::string bytes(head.committed, '\0');
    for (std::size_t done = 0; done < bytes.size();) {
        const ssize_t count = ::pread(fd_.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(sizeof head + done));
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return fail_errno("reading kept events", count < 0 ? errno : EIO);
        done += static_cast<std::size_t>(count);
    }
    committed_ = bytes.size();
    std::vector<wire::Value> records;
    for (std::string_view rest = bytes; !rest.empty();) {
        std::uint32_t length = 0;
        if (rest.size() < sizeof length) return fail("the kept events are damaged");
        std::memcpy(&length, rest.data(), sizeof length);
        rest.remove_prefix(sizeof length);
        if (rest.size() < length) return fail("the kept events are damaged");
        auto record = wire::decode(rest.substr(0, length));
        if (!record) return wrap(record, "a kept event");
        records.push_back(std::move(*record));
        rest.remove_prefix(length);
    }
    return records;
}

void EventStore::append(const wire::Value& record)
{
    const std::string bytes = wire::encode(record);
    const auto length = static_cast<std::uint32_t>(bytes.size());
    is_full_ = is_full_ || size() + sizeof length + bytes.size() > most_;
    if (is_full_) return;
    batch_ += bytes_of(length);
    batch_ += bytes;
}

Status EventStore::commit()
{
    const std::string batch = std::exchange(batch_, {});
    if (std::exchange(is_full_, false)) return fail("keeping events: there are more than {} bytes", most_);
    if (batch.empty()) return {};
    if (auto written = write_at(fd_.get(), batch, static_cast<off_t>(sizeof(Head) + committed_)); !written) return written;
    const std::uint64_t committed = committed_ + batch.size();
    if (auto written = write_at(fd_.get(), bytes_of(committed), offsetof(Head, committed)); !written) return written;
    committed_ = committed;
    return {};
}

// ---- the outbox ---------------------------------------------------------------------------------------------------

Result<Outbox> Outbox::create()
{
    auto fd = memory("xsvd-outbox");
    if (!fd) return tl::unexpected(std::move(fd).error());
    return Outbox(std::move(*fd));
}

bool Outbox::is_empty() const
{
    const auto size = size_of(fd_.get());
    return !size || ::lseek(fd_.get(), 0, SEEK_CUR) >= *size;
}

void Outbox::clear()
{
    if (const auto size = size_of(fd_.get())) ::lseek(fd_.get(), *size, SEEK_SET);
}

Status Outbox::put(std::string_view bytes)
{
    auto size = size_of(fd_.get());
    if (!size) return tl::unexpected(std::move(size).error());
    if (is_empty()) {
        // What is in the pipe are these pages still; they leave the file whole and stay as they are.
        if (*size >= kFold && ::ftruncate(fd_.get(), 0) == 0) *size = 0;
        ::lseek(fd_.get(), *size, SEEK_SET);
    }
    auto written = write_at(fd_.get(), bytes, *size);
    if (!written) (void)!::ftruncate(fd_.get(), *size);  // half a message would be sent, or stand in the way of the next
    return written;
}

Result<bool> Outbox::push(int pipe)
{
    while (!is_empty()) {
        constexpr std::size_t kMost = 1 << 20;
        const ssize_t count = ::splice(fd_.get(), nullptr, pipe, nullptr, kMost, SPLICE_F_NONBLOCK);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && errno == EAGAIN) return false;
        if (count <= 0) return fail_errno("writing to stdin", count < 0 ? errno : EIO);
    }
    return true;
}

}  // namespace xsv::engine
