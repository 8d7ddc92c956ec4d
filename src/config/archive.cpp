#include "config/archive.h"

#include <bit>

namespace xsv::config {

void Writer::number(std::uint64_t n)
{
    for (; n >= 0x80; n >>= 7) out_ += static_cast<char>(n | 0x80);
    out_ += static_cast<char>(n);
}

void Writer::real(double value)
{
    number(std::bit_cast<std::uint64_t>(value));
}

void Writer::text(std::string_view value)
{
    number(value.size());
    out_ += value;
}

std::uint64_t Reader::number()
{
    std::uint64_t n = 0;
    for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
        const auto byte = static_cast<unsigned char>(rest_.front());
        rest_.remove_prefix(1);
        n |= std::uint64_t{byte & 0x7fU} << shift;
        if (byte < 0x80) return n;
    }
    failed_ = true;
    return 0;
}

std::uint64_t Reader::below(std::uint64_t limit)
{
    const auto n = number();
    if (n < limit) return n;
    failed_ = true;
    return 0;
}

bool Reader::has_room(std::uint64_t size)
{
    if (failed_ || size > room_)
        failed_ = true;
    else
        room_ -= size;
    return !failed_;
}

double Reader::real()
{
    return std::bit_cast<double>(number());
}

std::string_view Reader::take(std::uint64_t size)
{
    if (failed_ || size > rest_.size()) {
        failed_ = true;
        return {};
    }
    const auto bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
}

}  // namespace xsv::config
