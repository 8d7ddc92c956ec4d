#include "scribe/ledger.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace xsv::scribe {
namespace {

constexpr std::uint64_t kMagic = 0x3130676465767378;  // "xsvedg01"
// Far apart: the memory is only as large as what is in it.
constexpr std::int64_t kText = std::int64_t{1} << 40, kCapture = std::int64_t{1} << 50, kInput = std::int64_t{1} << 60;
constexpr std::int64_t kMostChunk = 64 << 20, kMostCaptured = 8 << 20;
constexpr std::int64_t kGiveBack = 1 << 20;  // bytes dealt with, before their memory goes

std::int64_t size_of(int fd)
{
    struct stat status {};
    return ::fstat(fd, &status) == 0 ? status.st_size : -1;
}

Status write_at(int fd, std::string_view bytes, std::int64_t at)
{
    while (!bytes.empty()) {
        const ssize_t done = ::pwrite(fd, bytes.data(), bytes.size(), at);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return fail_errno("keeping output", done < 0 ? errno : EIO);
        bytes.remove_prefix(static_cast<std::size_t>(done));
        at += done;
    }
    return {};
}

Result<std::string> read_at(int fd, std::int64_t at, std::int64_t size)
{
    std::string bytes(static_cast<std::size_t>(size), '\0');
    for (std::size_t done = 0; done < bytes.size();) {
        const ssize_t count = ::pread(fd, bytes.data() + done, bytes.size() - done, at + static_cast<std::int64_t>(done));
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return fail_errno("reading kept output", count < 0 ? errno : EIO);
        done += static_cast<std::size_t>(count);
    }
    return bytes;
}

}  // namespace

struct Ledger::Head {
    std::uint64_t magic;
    std::int64_t life;
    std::atomic<std::uint64_t> turn;   // of the two states the one that counts is turn % 2
    std::atomic<std::uint64_t> lines;  // the turn's lower half, then its lines: one store says both
    State states[2];
};

Result<std::unique_ptr<Ledger>> Ledger::open(sys::UniqueFd memory)
{
    if (size_of(memory.get()) < static_cast<std::int64_t>(sizeof(Head)) && ::ftruncate(memory.get(), sizeof(Head)) < 0)
        return fail_errno("keeping output", errno);
    void* const head = ::mmap(nullptr, sizeof(Head), PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0);
    if (head == MAP_FAILED) return fail_errno("keeping output", errno);
    std::unique_ptr<Ledger> ledger(new Ledger(std::move(memory), static_cast<Head*>(head)));
    if (ledger->head_->magic == 0) {
        if (auto created = ledger->create(); !created) return tl::unexpected(std::move(created).error());
    } else if (!ledger->is_sound()) {
        return fail("the kept output is damaged");
    }
    ledger->give_back();
    return ledger;
}

Ledger::~Ledger()
{
    ::munmap(head_, sizeof(Head));
}

Status Ledger::create()
{
    if (::ftruncate(fd_.get(), kInput) < 0 || ::lseek(fd_.get(), kText, SEEK_SET) < 0) return fail_errno("keeping output", errno);
    std::random_device random;
    head_->life = static_cast<std::int64_t>((std::uint64_t{random()} << 31) | random() | 1);
    head_->states[0] = {};
    head_->states[0].input = kInput;
    head_->states[0].text = kText;
    head_->turn = 0;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    head_->magic = kMagic;
    is_new_ = true;
    return {};
}

bool Ledger::is_sound() const
{
    const State& now = state();
    const std::int64_t end = size_of(fd_.get());
    if (head_->magic != kMagic || now.input < kInput || now.input > end || end - now.input > kMostChunk) return false;
    if (now.text < kText || written() < 0 || written() > kMostChunk + kMostCaptured) return false;
    if (now.capture_from < 0 || now.capture_end < now.capture_from || now.capture_end >= kInput - kCapture) return false;
    return now.capture_end - now.capture_from <= kMostCaptured && now.held_size <= State::kMostHeld && now.line_size <= State::kMostLine;
}

std::int64_t Ledger::life() const
{
    return head_->life;
}

const Ledger::State& Ledger::state() const
{
    return head_->states[head_->turn % 2];
}

Result<std::int64_t> Ledger::fill(int pipe, std::size_t most)
{
    loff_t end = size_of(fd_.get());
    const ssize_t bytes = ::splice(pipe, nullptr, fd_.get(), &end, most, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (bytes < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (bytes < 0) return fail_errno("keeping output", errno);
    return bytes;
}

Result<std::string> Ledger::chunk() const
{
    return read_at(fd_.get(), state().input, size_of(fd_.get()) - state().input);
}

Status Ledger::offer(std::string_view text)
{
    return write_at(fd_.get(), text, ::lseek(fd_.get(), 0, SEEK_CUR));
}

std::int64_t Ledger::written() const
{
    return ::lseek(fd_.get(), 0, SEEK_CUR) - state().text;
}

void Ledger::skip(std::size_t bytes)
{
    ::lseek(fd_.get(), static_cast<off_t>(bytes), SEEK_CUR);
}

void Ledger::note_line()
{
    head_->lines = (head_->turn << 32) | (lines() + 1);
}

std::uint32_t Ledger::lines() const
{
    const std::uint64_t noted = head_->lines;
    return noted >> 32 == (head_->turn & 0xffffffff) ? static_cast<std::uint32_t>(noted) : 0;
}

Result<std::string> Ledger::captured() const
{
    return read_at(fd_.get(), kCapture + state().capture_from, state().capture_end - state().capture_from);
}

Status Ledger::close(State next, std::string_view captured)
{
    const State& last = state();
    next.input = size_of(fd_.get());
    next.text = last.text + written();
    const std::int64_t known = std::clamp(last.capture_end, next.capture_from, next.capture_end);
    captured.remove_prefix(static_cast<std::size_t>(known - next.capture_from));
    if (auto kept = write_at(fd_.get(), captured, kCapture + known); !kept) return kept;
    head_->states[(head_->turn + 1) % 2] = next;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    ++head_->turn;
    if (next.input - given_back_ >= kGiveBack) give_back();
    return {};
}

void Ledger::give_back()
{
    const State& now = state();
    const auto punch = [this](std::int64_t from, std::int64_t end) {
        if (end > from) ::fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, end - from);
    };
    punch(kInput, now.input);
    punch(kText, now.text);
    punch(kCapture, kCapture + now.capture_from);
    given_back_ = now.input;
}

}  // namespace xsv::scribe
