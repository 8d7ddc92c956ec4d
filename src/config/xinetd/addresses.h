#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/surroundings.h"

namespace xsv::config::xinetd {

/// A word of only_from or no_access, as rules of allow_from and deny_from.
struct AddressWord {
    enum class Kind : std::uint8_t { Numeric, Host, Domain };
    Kind kind = Kind::Numeric;
    std::vector<std::string> rules;   ///< of a domain: none, its name alone cannot be checked
    std::string remark;               ///< where it means something else than people expect, or is an unknown host
    bool is_unknown = false;          ///< a host that nobody could tell about; there are no rules
    /// "::/0" and its like match every caller of a socket for both families, IPv4 ones too.
    bool covers_mapped = false;
};

/// Every form of on-demand.md 2.7. Error: what xinetd cannot read, or an unknown host.
Result<AddressWord> parse_address_word(std::string_view word, const Surroundings& surroundings);

}  // namespace xsv::config::xinetd
