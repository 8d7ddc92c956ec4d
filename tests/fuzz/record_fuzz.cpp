#include <cstdint>
#include <cstdlib>

#include "config/record.h"

/// The configuration of record, as hostile bytes: an error or a value that writes and reads back the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace xsv::config;
    const auto config = decode({reinterpret_cast<const char*>(data), size});
    if (!config) return 0;
    const auto again = decode(encode(*config));
    if (!again || encode(*again) != encode(*config)) std::abort();
    return 0;
}
