#include <array>
#include <limits>

#include <rpc/netdb.h>

#include "base/text.h"
#include "config/values.h"

namespace xsv::config {
namespace {

#ifdef XSV_HAVE_RPC
constexpr bool kIsBuilt = true;
#else
constexpr bool kIsBuilt = false;
#endif
constexpr std::uint32_t kMostVersions = 64;   // each is an entry of rpcbind's

std::optional<std::uint32_t> parse_word(std::string_view word)
{
    const auto number = text::to_int(word);
    if (!number || *number < 0 || *number > std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
    return static_cast<std::uint32_t>(*number);
}

/// A number, or a name from /etc/rpc.
std::optional<std::uint32_t> find_program(std::string_view word)
{
    if (text::to_int(word)) {
        const auto number = parse_word(word);
        return number && *number > 0 ? number : std::nullopt;
    }
    rpcent entry{}, *found = nullptr;
    std::array<char, 2048> buffer{};
    ::getrpcbyname_r(std::string(word).c_str(), &entry, buffer.data(), buffer.size(), &found);
    if (found == nullptr || found->r_number < 1) return std::nullopt;
    return static_cast<std::uint32_t>(found->r_number);
}

}  // namespace

Result<RpcProgram> parse_rpc(std::string_view written)
{
    if (!kIsBuilt) return fail("'{}': this build has no support for RPC (libtirpc)", written);
    const std::string_view text = text::trim(written);
    const auto slash = text.find('/');
    const std::string_view versions = slash == std::string_view::npos ? std::string_view() : text.substr(slash + 1);
    const auto dash = versions.find('-');
    const auto first = parse_word(versions.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : parse_word(versions.substr(dash + 1));
    if (!first || !last || *last < *first || *last - *first >= kMostVersions)
        return fail("expected a program and its versions such as rstatd/1-3, got '{}'", written);
    const auto program = find_program(text.substr(0, slash));
    if (!program) return fail("expected the number of an RPC program or a name from /etc/rpc, got '{}'", text.substr(0, slash));
    return RpcProgram{*program, *first, *last};
}

}  // namespace xsv::config
