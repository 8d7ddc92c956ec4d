#pragma once

#include <span>
#include <vector>

#include <linux/filter.h>

#include "sys/address.h"

namespace xsv::sys {

/// Address rules for a socket whose callers its program accepts: the kernel drops the packets of those who are not
/// allowed, before a connection or a datagram comes to be. Such a caller meets silence, as behind a packet filter.
///
/// Rules about uids and gids say nothing about packets and are left out. Connections that were accepted keep the
/// filter they came in through.
std::vector<sock_filter> compile_filter(std::span<const AddressRule> allow, std::span<const AddressRule> deny, AccessOrder order);

/// Puts the filter on an inet socket in place of the one it has; without rules, takes that off. Error: too many rules.
Status set_address_filter(int fd, std::span<const AddressRule> allow, std::span<const AddressRule> deny, AccessOrder order);

}  // namespace xsv::sys
