#include "engine/table.h"

#include <algorithm>
#include <cerrno>
#include <new>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "sys/files.h"

namespace xsv::engine {
namespace {

constexpr std::uint32_t kMagic = 0x64767378;  // "xsvd"
constexpr std::size_t kHeaderRoom = 4096;     // the slots begin on a page of their own
constexpr std::uint32_t kMostSlots = 1u << 20;

void copy_text(char* target, std::size_t room, std::string_view text)
{
    const std::size_t length = std::min(text.size(), room - 1);
    if (length > 0) std::memcpy(target, text.data(), length);  // an empty view may point nowhere
    target[length] = '\0';
}

}  // namespace

struct Table::Header {
    std::uint32_t magic, version, slot_size, slots;
    std::uint32_t high_water;  // slots at and above were never used: their pages do not exist
    std::uint32_t padding;
    std::uint64_t sequence;
    char boot[40];             // what the kernel calls this run of the machine: numbers of processes mean nothing in another
};

void Slot::set_name(std::string_view text) { copy_text(name, sizeof name, text); }
void Slot::set_reason(std::string_view text) { copy_text(reason, sizeof reason, text); }

Table::Table(sys::UniqueFd fd, void* memory, std::size_t length)
    : fd_(std::move(fd)), header_(static_cast<Header*>(memory)),
      slots_(reinterpret_cast<Slot*>(static_cast<char*>(memory) + kHeaderRoom)), length_(length)
{
    // Locked as they are touched: the kernel's store of a pid must not fail on a page that was written out.
    ::mlock2(memory, length, MLOCK_ONFAULT);
}

Table::Table(Table&& other) noexcept
    : fd_(std::move(other.fd_)), header_(std::exchange(other.header_, nullptr)), slots_(other.slots_), length_(other.length_),
      free_(std::move(other.free_)), in_use_(other.in_use_)
{
}

Table::~Table()
{
    if (header_ != nullptr) ::munmap(header_, length_);
}

namespace {

std::size_t length_for(std::uint32_t slots) { return kHeaderRoom + std::size_t{slots} * sizeof(Slot); }

Result<void*> map(int fd, std::size_t length)
{
    void* memory = ::mmap(nullptr, length, PROT_READ | PROT_WRITE, fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) return fail_errno("mapping the state table", errno);
    return memory;
}

}  // namespace

namespace {

std::string boot_id()
{
    auto id = sys::read_file("/proc/sys/kernel/random/boot_id", 64);
    return id ? std::string(text::trim(*id)) : std::string();
}

}  // namespace

Result<Table> Table::create(const std::string& path, std::uint32_t slots)
{
    ::unlink(path.c_str());
    sys::UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd) return fail_errno("creating " + path, errno);
    const std::size_t length = length_for(slots);
    if (::ftruncate(fd.get(), static_cast<off_t>(length)) != 0) return fail_errno("sizing " + path, errno);
    auto memory = map(fd.get(), length);
    if (!memory) return tl::unexpected(std::move(memory).error());
    Table table(std::move(fd), *memory, length);
    *table.header_ = {kMagic, kVersion, sizeof(Slot), slots, 0, 0, 0, {}};
    copy_text(table.header_->boot, sizeof table.header_->boot, boot_id());
    return table;
}

Result<Table> Table::left_in(const std::string& path)
{
    sys::UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!fd) return fail_errno(path, errno);
    struct stat info{};
    if (::fstat(fd.get(), &info) != 0 || info.st_uid != ::geteuid()) return fail("{} is not ours", path);
    auto table = open(std::move(fd));
    if (!table) return table;
    const std::string id = boot_id();
    if (id.empty() || ::strnlen(table->header_->boot, sizeof table->header_->boot) != id.size() || std::memcmp(table->header_->boot, id.data(), id.size()) != 0)
        return fail("{} is of before the machine was started", path);
    return table;
}

Table Table::in_memory(std::uint32_t slots)
{
    auto memory = map(-1, length_for(slots));
    if (!memory) throw std::bad_alloc();
    Table table({}, *memory, length_for(slots));
    *table.header_ = {kMagic, kVersion, sizeof(Slot), slots, 0, 0, 0, {}};
    return table;
}

Result<Table> Table::open(sys::UniqueFd fd)
{
    struct stat info{};
    if (::fstat(fd.get(), &info) != 0) return fail_errno("looking at the state table", errno);
    const auto length = static_cast<std::size_t>(info.st_size);
    if (!S_ISREG(info.st_mode) || length < kHeaderRoom) return fail("the state table is too short ({} bytes)", length);
    auto memory = map(fd.get(), length);
    if (!memory) return tl::unexpected(std::move(memory).error());
    Table table(std::move(fd), *memory, length);
    const Header& header = *table.header_;
    if (header.magic != kMagic || header.version != kVersion || header.slot_size != sizeof(Slot))
        return fail("the state table is of another version ({})", header.version);
    if (header.slots > kMostSlots || header.high_water > header.slots || length < length_for(header.slots))
        return fail("the state table is damaged ({} slots, {} bytes)", header.slots, length);
    for (std::uint32_t i = header.high_water; i-- > 0;) {
        if (table.slots_[i].state.load() == static_cast<std::uint32_t>(SlotState::Free)) table.free_.push_back(i);
        else ++table.in_use_;
    }
    return table;
}

std::uint32_t Table::size() const { return header_->slots; }

Result<std::uint32_t> Table::take(SlotKind kind)
{
    std::uint32_t index = 0;
    if (!free_.empty()) {
        index = free_.back();
        free_.pop_back();
    } else if (header_->high_water < header_->slots) {
        index = header_->high_water++;
    } else {
        return fail("all {} places of the state table are in use (max_programs, max_connections)", header_->slots);
    }
    Slot& slot = slots_[index];
    std::memset(static_cast<void*>(&slot), 0, sizeof slot);
    slot.kind = kind;
    slot.sequence = ++header_->sequence;
    slot.state.store(static_cast<std::uint32_t>(SlotState::Idle), std::memory_order_release);
    ++in_use_;
    return index;
}

void Table::release(std::uint32_t index)
{
    slots_[index].state.store(static_cast<std::uint32_t>(SlotState::Free), std::memory_order_release);
    free_.push_back(index);
    --in_use_;
}

void Table::for_each(const std::function<void(std::uint32_t, Slot&)>& call)
{
    for (std::uint32_t i = 0; i < header_->high_water; ++i)
        if (slots_[i].state.load() != static_cast<std::uint32_t>(SlotState::Free)) call(i, slots_[i]);
}

}  // namespace xsv::engine
