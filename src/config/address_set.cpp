#include "config/address_set.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>

#include <fmt/core.h>

namespace xsv::config {
namespace {

using Bytes = AddressSet::Bytes;
using Range = AddressSet::Range;

constexpr Bytes kLowest{};
constexpr Bytes kHighest{255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
constexpr Range kMapped{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255}};

Bytes next(Bytes bytes)
{
    for (auto byte = bytes.rbegin(); byte != bytes.rend() && ++*byte == 0; ++byte) {}
    return bytes;
}

Bytes previous(Bytes bytes)
{
    for (auto byte = bytes.rbegin(); byte != bytes.rend() && (*byte)-- == 0; ++byte) {}
    return bytes;
}

std::string text_of(const Bytes& bytes, bool is_four)
{
    std::array<char, INET6_ADDRSTRLEN> buffer{};
    return is_four ? ::inet_ntop(AF_INET, bytes.data() + 12, buffer.data(), buffer.size())
                   : ::inet_ntop(AF_INET6, bytes.data(), buffer.data(), buffer.size());
}

/// Of one family.
std::string rule(const Range& range, bool is_four)
{
    const std::string first = text_of(range.first, is_four);
    if (range.first == range.last) return first;
    for (int length = 0; length < 128; ++length)
        if (AddressSet::prefix(range.first, length) == range) return fmt::format("{}/{}", first, is_four ? length - 96 : length);
    return fmt::format("{}-{}", first, text_of(range.last, is_four));
}

}  // namespace

AddressSet::AddressSet(std::vector<Range> ranges)
{
    std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return a.first < b.first; });
    for (const Range& range : ranges) {
        const bool touches = !ranges_.empty() && (ranges_.back().last == kHighest || range.first <= next(ranges_.back().last));
        if (touches) ranges_.back().last = std::max(ranges_.back().last, range.last);
        else ranges_.push_back(range);
    }
}

AddressSet AddressSet::everything()
{
    AddressSet all;
    all.ranges_ = {{kLowest, kHighest}};
    return all;
}

Range AddressSet::prefix(const Bytes& address, int length)
{
    Range range{address, address};
    for (int bit = length; bit < 128; ++bit) {
        const auto at = static_cast<std::size_t>(bit / 8);
        const int mask = 0x80 >> (bit % 8);
        range.first[at] = static_cast<std::uint8_t>(range.first[at] & ~mask);
        range.last[at] = static_cast<std::uint8_t>(range.last[at] | mask);
    }
    return range;
}

Bytes AddressSet::mapped(std::uint32_t address)
{
    Bytes bytes = kMapped.first;
    for (std::size_t i = 0; i < 4; ++i) bytes[12 + i] = static_cast<std::uint8_t>(address >> (24 - 8 * i));
    return bytes;
}

void AddressSet::add(const Range& range)
{
    add(AddressSet({range}));
}

void AddressSet::add(const AddressSet& other)
{
    std::vector<Range> all = ranges_;
    all.insert(all.end(), other.ranges_.begin(), other.ranges_.end());
    *this = AddressSet(std::move(all));
}

AddressSet AddressSet::without(const AddressSet& other) const
{
    AddressSet rest;
    auto hole = other.ranges_.begin();
    for (Range range : ranges_) {
        while (hole != other.ranges_.end() && hole->last < range.first) ++hole;
        bool is_left = true;
        for (auto next_hole = hole; is_left && next_hole != other.ranges_.end() && next_hole->first <= range.last; ++next_hole) {
            if (range.first < next_hole->first) rest.ranges_.push_back({range.first, previous(next_hole->first)});
            is_left = next_hole->last < range.last;
            if (is_left) range.first = next(next_hole->last);
        }
        if (is_left) rest.ranges_.push_back(range);
    }
    return rest;
}

std::vector<std::string> AddressSet::rules() const
{
    AddressSet four, six;
    four.ranges_ = {kMapped};
    six = without(four);
    four = without(six);
    std::vector<std::string> rules;
    for (const Range& range : four.ranges_) rules.push_back(rule(range, true));
    // "::/0" says nothing about IPv4, so there is no hole to write.
    const std::vector<Range> all{{kLowest, previous(kMapped.first)}, {next(kMapped.last), kHighest}};
    if (six.ranges_ == all) rules.emplace_back("::/0");
    else for (const Range& range : six.ranges_) rules.push_back(rule(range, false));
    return rules;
}

}  // namespace xsv::config
