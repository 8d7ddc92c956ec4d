#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace xsv::config {

/// Addresses as sorted ranges that do not touch. IPv4 is kept in its mapped form, as in sys::Peer.
class AddressSet {
public:
    using Bytes = std::array<std::uint8_t, 16>;
    struct Range {
        Bytes first{}, last{};
        bool operator==(const Range&) const = default;
    };

    AddressSet() = default;
    /// In any order, overlapping or not: much faster than adding thousands one by one.
    explicit AddressSet(std::vector<Range> ranges);
    static AddressSet everything();
    /// The addresses that share the first `length` bits with `address`; of an IPv4 address 96 of them are the prefix.
    static Range prefix(const Bytes& address, int length);
    static Bytes mapped(std::uint32_t address);

    void add(const Range& range);
    void add(const AddressSet& other);
    AddressSet without(const AddressSet& other) const;
    bool empty() const { return ranges_.empty(); }
    const std::vector<Range>& ranges() const { return ranges_; }
    /// As rules of allow_from: "10.0.0.0/8", "192.0.2.1-192.0.2.9", "2001:db8::/32".
    std::vector<std::string> rules() const;
    bool operator==(const AddressSet&) const = default;

private:
    std::vector<Range> ranges_;
};

}  // namespace xsv::config
