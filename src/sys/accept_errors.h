#pragma once

#include <cerrno>

namespace xsv::sys {

/// accept's errors that concern one caller, or the network behind him, and not us: go on with the next.
inline bool is_callers_trouble(int error) noexcept
{
    switch (error) {
    case EINTR: case ECONNABORTED: case EPROTO: case ENETDOWN: case ENOPROTOOPT: case EHOSTDOWN: case ENONET:
    case EHOSTUNREACH: case EOPNOTSUPP: case ENETUNREACH: case ETIMEDOUT: case ECONNRESET: case EPERM: return true;
    default: return false;
    }
}

}  // namespace xsv::sys
