#include "sys/address_filter.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <sys/socket.h>

namespace xsv::sys {
namespace {

using Address = std::array<std::uint8_t, 16>;

constexpr std::uint32_t kKeep = 0xffffffff, kDrop = 0;   // how much of the packet is kept
constexpr int kSource4 = 12, kSource6 = 8;               // of the source address in the packet's header

/// A rule for one family in its place in the order of evaluation: the first match decides.
struct Test {
    Address first{}, last{};
    int prefix = 0;          ///< in the 128-bit form
    bool allow = false;
};

Address mapped(std::uint32_t address)
{
    Address bytes{};
    bytes[10] = bytes[11] = 0xff;
    const std::uint32_t network = htonl(address);
    std::memcpy(bytes.data() + 12, &network, 4);
    return bytes;
}

std::uint32_t word(const Address& address, std::size_t index)
{
    std::uint32_t network = 0;
    std::memcpy(&network, address.data() + 4 * index, 4);
    return ntohl(network);
}

/// What a rule means for that family; nothing: it is about other callers.
void add_test(std::vector<Test>& tests, const AddressRule& rule, int family, bool allow)
{
    Test test{rule.first, rule.last, rule.prefix, allow};
    if (rule.kind == AddressRule::Loopback) {
        test.first = test.last = Address{};
        if (family == 4) test.first = mapped(0x7f000000), test.last = mapped(0x7fffffff), test.prefix = 96 + 8;
        else test.first[15] = test.last[15] = 1, test.prefix = 128;
    } else if (rule.kind == AddressRule::All) {
        test.first.fill(0), test.last.fill(0xff), test.prefix = 0;
        if (family == 4) test.first = mapped(0), test.last = mapped(0xffffffff);
    } else if (rule.kind != AddressRule::Range || rule.family != family) {
        return;
    }
    tests.push_back(test);
}

std::vector<Test> tests_for(int family, std::span<const AddressRule> allow, std::span<const AddressRule> deny, AccessOrder order)
{
    std::vector<Test> tests;
    for (const AddressRule& rule : deny) add_test(tests, rule, family, false);
    for (const AddressRule& rule : allow) add_test(tests, rule, family, true);
    if (order == AccessOrder::MostSpecific)  // stable: at equal length the denial stays in front
        std::stable_sort(tests.begin(), tests.end(), [](const Test& a, const Test& b) { return a.prefix > b.prefix; });
    return tests;
}

/// Jumps reach forward only, and at most 255 instructions far: the longest test has 25.
class Program {
public:
    void begin(std::span<const Test> four, std::span<const Test> six, bool otherwise)
    {
        code_.push_back(BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kNetwork));   // version and length of the header
        code_.push_back(BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 4));
        code_.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 6, 0, 1));
        const std::size_t to_six = code_.size();
        code_.push_back(BPF_STMT(BPF_JMP | BPF_JA, 0));
        for (const Test& test : four) add(test, 3, kSource4 - 12);       // the address is the last word of its mapped form
        end(otherwise);
        code_[to_six].k = static_cast<std::uint32_t>(code_.size() - to_six - 1);
        for (const Test& test : six) add(test, 0, kSource6);
        end(otherwise);
    }

    std::vector<sock_filter> take() { return std::move(code_); }

private:
    struct Jump { std::size_t at; bool if_true; };
    static constexpr std::uint32_t kNetwork = static_cast<std::uint32_t>(SKF_NET_OFF);

    /// first <= address <= last, from word `index` on; word 0 would stand at `offset` of the header.
    void add(const Test& test, std::size_t index, int offset)
    {
        std::vector<Jump> misses;
        for (; index < 4 && word(test.first, index) == word(test.last, index); ++index) {
            load(offset, index);
            misses.push_back({compare(BPF_JEQ, word(test.first, index)), false});
        }
        std::vector<Jump> above, below;
        for (std::size_t i = index; i < 4 && !is_zero(test.first, i); ++i) {
            load(offset, i);
            above.push_back({compare(BPF_JGT, word(test.first, i)), true});
            misses.push_back({compare(BPF_JEQ, word(test.first, i)), false});
        }
        land(above);
        for (std::size_t i = index; i < 4 && !is_full(test.last, i); ++i) {
            load(offset, i);
            below.push_back({compare(BPF_JGE, word(test.last, i)), false});
            misses.push_back({compare(BPF_JEQ, word(test.last, i)), false});
        }
        land(below);
        end(test.allow);
        land(misses);
    }

    /// From word `from` on every address is at least `first` (at most `last`).
    static bool is_zero(const Address& first, std::size_t from)
    {
        return std::all_of(first.begin() + static_cast<std::ptrdiff_t>(4 * from), first.end(), [](std::uint8_t b) { return b == 0; });
    }
    static bool is_full(const Address& last, std::size_t from)
    {
        return std::all_of(last.begin() + static_cast<std::ptrdiff_t>(4 * from), last.end(), [](std::uint8_t b) { return b == 0xff; });
    }

    void load(int offset, std::size_t index)
    {
        code_.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kNetwork + static_cast<std::uint32_t>(offset + static_cast<int>(4 * index))));
    }
    std::size_t compare(unsigned how, std::uint32_t with)
    {
        code_.push_back(BPF_JUMP(static_cast<std::uint16_t>(BPF_JMP | how | BPF_K), with, 0, 0));
        return code_.size() - 1;
    }
    void end(bool keep) { code_.push_back(BPF_STMT(BPF_RET | BPF_K, keep ? kKeep : kDrop)); }
    void land(const std::vector<Jump>& jumps)
    {
        for (const auto& [at, if_true] : jumps) {
            const auto distance = static_cast<std::uint8_t>(code_.size() - at - 1);
            (if_true ? code_[at].jt : code_[at].jf) = distance;
        }
    }

    std::vector<sock_filter> code_;
};

}  // namespace

std::vector<sock_filter> compile_filter(std::span<const AddressRule> allow, std::span<const AddressRule> deny, AccessOrder order)
{
    Program program;
    program.begin(tests_for(4, allow, deny, order), tests_for(6, allow, deny, order), allow.empty());
    return program.take();
}

Status set_address_filter(int fd, std::span<const AddressRule> allow, std::span<const AddressRule> deny, AccessOrder order)
{
    if (allow.empty() && deny.empty()) {
        int unused = 0;
        if (::setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof unused) < 0 && errno != ENOENT)
            return fail_errno("taking the address rules off", errno);
        return {};
    }
    std::vector<sock_filter> code = compile_filter(allow, deny, order);
    const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
    if (code.size() > BPF_MAXINSNS) return fail("too many address rules for a program that accepts its callers itself");
    if (::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) < 0) return fail_errno("setting the address rules", errno);
    return {};
}

}  // namespace xsv::sys
