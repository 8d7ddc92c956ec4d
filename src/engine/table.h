#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sys/fd.h"
#include "sys/processes.h"

namespace xsv::engine {

/// What a slot is for.
enum class SlotKind : std::uint32_t { Free = 0, Place = 1, Connection = 2, Helper = 3, Hook = 4 };
/// How far a process is. Intent: about to be cloned; Live: the number in `child.pid` is a process the guardian has not reaped.
enum class SlotState : std::uint32_t { Free = 0, Idle = 1, Intent = 2, Live = 3 };

/// One place where a process may live: a service's, a connection's, a helper's. It outlives the engine, so a starting
/// engine finds here what runs and why. Each word has one writer (the engine, or the child until exec); `state` is
/// written last.
struct Slot {
    std::atomic<std::uint32_t> state;    ///< SlotState
    SlotKind kind;
    std::uint64_t sequence;              ///< counts uses; the older of two slots with one pid is the one an exit is for
    sys::ChildReport child;
    std::int64_t start_ticks;            ///< the process's start time, to know it again when everything of ours has died
    std::int64_t started_boot, started_wall, stopped_wall, opened_wall;   ///< ns of the boot clock; seconds since 1970
    std::uint64_t exit_sequence;         ///< the guardian's number of the exit recorded here
    std::int32_t exit_code, exit_status; ///< CLD_* or ChildExit::kUnseen, code or signal
    std::uint32_t exit_pending;          ///< recorded, but its consequences are not yet drawn
    std::uint32_t owner;                 ///< of a connection or a hook: index of its place
    // The life of a place, as lifecycle.h has it.
    std::uint32_t phase;
    std::int32_t failures;
    std::int64_t until;                  ///< ns of the boot clock
    std::uint32_t after, restarts;
    std::uint64_t pipes[3];              ///< of a place: the numbers of the pipes behind stdin, stdout and stderr; 0: none
    std::uint64_t accepted, refused;     ///< counted connections; of a hook: the number of the exit it cleans up after
    char name[136];                      ///< namespec of a place, name of a helper
    char reason[160];                    ///< the last failure in words (Supervisor's spawnerr)

    std::string_view name_text() const { return {name, ::strnlen(name, sizeof name)}; }
    std::string_view reason_text() const { return {reason, ::strnlen(reason, sizeof reason)}; }
    void set_name(std::string_view text);
    void set_reason(std::string_view text);
};

/// The shared state of everything, one file mapped by every engine in turn. Slots are allotted when it is made, so
/// running needs no growth; a page is touched before the kernel is asked to write into it.
class Table {
public:
    static constexpr std::uint32_t kVersion = 2;

    /// A new one in `path` (an old file is replaced), with room for that many slots.
    static Result<Table> create(const std::string& path, std::uint32_t slots);
    /// The one behind a descriptor the guardian kept. Treated as hostile input: sizes and indices are checked.
    static Result<Table> open(sys::UniqueFd fd);
    /// The file that former processes of ours left. Error: there is none, it is somebody else's, or of before the machine started.
    static Result<Table> left_in(const std::string& path);
    static Table in_memory(std::uint32_t slots);   ///< for tests

    Table(Table&&) noexcept;
    Table& operator=(Table&&) = delete;
    ~Table();

    int fd() const { return fd_.get(); }
    std::uint32_t size() const;
    /// A free slot, cleared, with its kind, sequence and state Idle. Error: all are in use.
    Result<std::uint32_t> take(SlotKind kind);
    void release(std::uint32_t index);
    Slot& at(std::uint32_t index) { return slots_[index]; }
    const Slot& at(std::uint32_t index) const { return slots_[index]; }
    void for_each(const std::function<void(std::uint32_t, Slot&)>& call);   ///< every slot that is not free
    std::uint32_t in_use() const { return in_use_; }

private:
    struct Header;
    Table(sys::UniqueFd fd, void* memory, std::size_t length);

    sys::UniqueFd fd_;
    Header* header_ = nullptr;
    Slot* slots_ = nullptr;
    std::size_t length_ = 0;
    std::vector<std::uint32_t> free_;
    std::uint32_t in_use_ = 0;
};

}  // namespace xsv::engine
