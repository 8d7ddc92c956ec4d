#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "config/hosts_access.h"
#include "config/surroundings.h"
#include "config/values.h"

using namespace xsv;
using namespace xsv::config;

/// /etc/hosts.allow, a line "---", /etc/hosts.deny, a line "---", a file that a pattern may name. Whatever they say: deciding ends
/// for every server, what is let in and what is not are all addresses, and both can be written as rules.
namespace {

constexpr std::string_view kBreak = "\n---\n";

std::string take(std::string_view& rest)
{
    const auto end = std::min(rest.find(kBreak), rest.size());
    const std::string part(rest.substr(0, end));
    rest.remove_prefix(std::min(rest.size(), end + kBreak.size()));
    return part;
}

Surroundings machine(std::string_view text)
{
    // Without an end the last line means something else, and "---" stands behind one.
    const std::string allow = take(text) + "\n", deny = take(text), other = take(text);
    Surroundings fake;
    fake.read = [=](const std::string& path) -> Result<std::string> {
        if (path == "/etc/hosts.allow") return allow;
        if (path == "/etc/hosts.deny") return deny;
        return path.ends_with("x") ? Result<std::string>(other) : fail("could not find config file {}", path);
    };
    fake.addresses = [](const std::string& host) -> Result<std::vector<std::string>> {
        if (host.size() % 2 != 0) return fail("no address");
        return std::vector<std::string>{"192.0.2.7", "2001:db8::7", "fe80::1%eth0"};
    };
    return fake;
}

void require(bool holds)
{
    if (!holds) std::abort();
}

void require_rules(const AddressSet& set)
{
    std::string rules;
    for (const std::string& rule : set.rules()) rules += rule + ",";
    require(parse_address_rules(rules, nullptr).has_value());   // no name is among them
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const Surroundings fake = machine({reinterpret_cast<const char*>(data), size});
    HostsAccess rules(fake);
    for (const char* server : {"cat", "in.ftpd", "X"}) {
        const auto decision = rules.decide(server);
        for (const Remark& remark : decision.remarks) require(!remark.text.empty() && !remark.place.file.empty());
        if (!decision.allowed) continue;
        const AddressSet& in = *decision.allowed;
        AddressSet all = AddressSet::everything().without(in);
        require(all.without(in) == all && in.without(all) == in);
        require_rules(in);
        require_rules(all);
        all.add(in);
        require(all == AddressSet::everything());
        AccessLists lists;
        lists.restrict_to(in);
        require(lists.has_allow || !lists.deny.empty() || in == AddressSet::everything());
    }
    return 0;
}
