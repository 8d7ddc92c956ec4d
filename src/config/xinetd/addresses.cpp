#include "config/xinetd/addresses.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include "base/text.h"

namespace xsv::config::xinetd {
namespace {

std::string dotted(std::uint32_t address)
{
    return fmt::format("{}.{}.{}.{}", address >> 24, (address >> 16) & 255, (address >> 8) & 255, address & 255);
}

std::string prefix_text(std::uint32_t address, int length)
{
    const std::uint32_t mask = length == 0 ? 0 : ~std::uint32_t{0} << (32 - length);
    return length == 32 ? dotted(address) : fmt::format("{}/{}", dotted(address & mask), length);
}

/// An address of four octets, or as the old inet_aton reads it: "1.2.3" is 1.2.0.3, "010" is eight.
std::optional<std::uint32_t> parse_four(const std::string& word, bool& is_odd)
{
    in_addr address{};
    if (word.empty() || ::inet_aton(word.c_str(), &address) == 0) return std::nullopt;
    is_odd = ::inet_pton(AF_INET, word.c_str(), &address) != 1;
    ::inet_aton(word.c_str(), &address);
    return ntohl(address.s_addr);
}

/// Trailing octets of zero stand for anything.
AddressWord wildcard(const std::string& word, std::uint32_t address, bool is_odd)
{
    int length = 32;
    while (length > 0 && ((address >> (32 - length)) & 255) == 0) length -= 8;
    AddressWord result;
    result.rules = {prefix_text(address, length)};
    if (is_odd) result.remark = fmt::format("'{}' means {} to xinetd", word, result.rules[0]);
    return result;
}

std::optional<AddressWord> six(const std::string& word)
{
    in6_addr address{};
    if (::inet_pton(AF_INET6, word.c_str(), &address) != 1) return std::nullopt;
    std::array<char, INET6_ADDRSTRLEN> buffer{};
    AddressWord result;
    result.rules = {::inet_ntop(AF_INET6, &address, buffer.data(), buffer.size())};
    if (IN6_IS_ADDR_UNSPECIFIED(&address)) result.remark = "'::' matches no caller in xinetd; everybody is ::/0";
    return result;
}

Result<AddressWord> with_length(const std::string& word, std::size_t slash)
{
    const std::string base = word.substr(0, slash), digits = word.substr(slash + 1);
    const auto length = text::to_int(digits);
    AddressWord result;
    bool is_odd = false;
    if (const auto address = parse_four(base, is_odd)) {
        // xinetd takes the first number of a mask for a length, and any length beyond 32 for 32.
        const auto number = text::to_int(digits.substr(0, digits.find('.')));
        if (!number || *number < 0 || (!length && digits.find('.') == std::string::npos)) return fail("'{}': expected a prefix length from 0 to 32, got '{}'", word, digits);
        result.rules = {prefix_text(*address, static_cast<int>(std::min<std::int64_t>(*number, 32)))};
        if (is_odd || !length || *length > 32) result.remark = fmt::format("'{}' means {} to xinetd", word, result.rules[0]);
        return result;
    }
    in6_addr address{};
    if (::inet_pton(AF_INET6, base.c_str(), &address) != 1) return fail("'{}' is no address", word);
    if (!length || *length < 0 || *length > 128) return fail("'{}': expected a prefix length from 0 to 128, got '{}'", word, digits);
    result.rules = {word};
    const std::array<std::uint8_t, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    const auto bits = static_cast<std::size_t>(std::min<std::int64_t>(*length, 96));
    bool same = true;
    for (std::size_t bit = 0; bit < bits; ++bit)
        same = same && ((address.s6_addr[bit / 8] ^ mapped[bit / 8]) & (0x80 >> (bit % 8))) == 0;
    result.covers_mapped = same && *length < 96;
    return result;
}

/// "1.2.3.{4,5}": the numbers in braces are octets, what follows them is anything.
Result<AddressWord> factorised(const std::string& word, std::size_t brace)
{
    const auto wrong = [&] { return fail("'{}': expected octets, a dot, and octets in braces, as in 10.1.2.{{3,4}}", word); };
    if (!word.ends_with('}')) return wrong();
    std::uint32_t address = 0;
    int length = 0;
    if (brace > 0 && word[brace - 1] != '.') return wrong();
    const auto octet = [](std::string_view digits) -> std::optional<std::uint32_t> {
        const auto number = text::to_int(digits);
        if (!number || digits.front() == '+' || *number < 0 || *number > 255) return std::nullopt;
        return static_cast<std::uint32_t>(*number);
    };
    if (brace > 0) {
        for (const std::string& part : text::split(word.substr(0, brace - 1), '.')) {
            const auto number = octet(part);
            if (!number || length == 24) return wrong();
            address = (address << 8) | *number;
            length += 8;
        }
    }
    AddressWord result;
    for (const std::string& part : text::split(word.substr(brace + 1, word.size() - brace - 2), ',')) {
        const auto number = octet(part);
        if (!number || result.rules.size() == 256) return wrong();
        result.rules.push_back(prefix_text(((address << 8) | *number) << (24 - length), length + 8));
    }
    return result;
}

}  // namespace

Result<AddressWord> parse_address_word(std::string_view written, const Surroundings& surroundings)
{
    const std::string word(written);
    if (const auto brace = word.find('{'); brace != std::string::npos) return factorised(word, brace);
    if (word.find(',') != std::string::npos) return fail("'{}': blanks separate addresses, not commas", word);
    if (const auto slash = word.find('/'); slash != std::string::npos) return with_length(word, slash);
    bool is_odd = false;
    if (const auto address = parse_four(word, is_odd)) return wildcard(word, *address, is_odd);
    if (const auto address = six(word)) return *address;
    AddressWord result;
    if (word.starts_with('.') && word.find_first_not_of(".0123456789") != std::string::npos) {
        result.kind = AddressWord::Kind::Domain;
        return result;
    }
    auto addresses = surroundings.addresses(word);
    if (!addresses && addresses.error().code == EAGAIN && sys::is_host_name(word)) {
        result.kind = AddressWord::Kind::Host;
        result.is_unknown = true;
        result.remark = addresses.error().message;
        return result;
    }
    if (!addresses) return fail("'{}' is no address and no host that is known (networks are not looked up by name): {}", word, addresses.error().message);
    result.kind = AddressWord::Kind::Host;
    // "fe80::1%eth0": rules have no zone.
    for (const std::string& address : *addresses) result.rules.push_back(address.substr(0, address.find('%')));
    return result;
}

}  // namespace xsv::config::xinetd
