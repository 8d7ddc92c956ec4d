#include "base/result.h"

#include <cstring>

namespace xsv {

tl::unexpected<Error> fail_errno(std::string_view call, int error)
{
    return tl::unexpected<Error>(Error{fmt::format("{}: {}", call, errno_text(error)), error});
}

std::string errno_text(int error)
{
    const char* text = ::strerrordesc_np(error);
    return text != nullptr ? text : fmt::format("error {}", error);
}

std::string errno_name(int error)
{
    const char* name = ::strerrorname_np(error);
    return name != nullptr ? name : fmt::format("{}", error);
}

}  // namespace xsv
