#pragma once

#include <string>
#include <utility>

#include <fmt/core.h>
#include <tl/expected.hpp>

namespace xsv {

/// What went wrong, as a sentence that grows from the inside out.
struct Error {
    std::string message;
    int code = 0;  ///< errno where a system call refused, else 0

    /// "changing options: tcp:7: socket option 'mark': Operation not permitted"
    [[nodiscard]] Error context(std::string_view what) &&
    {
        message.insert(0, ": ");
        message.insert(0, what);
        return std::move(*this);
    }
};

template <class T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

/// return fail("expected a number, got {}", text);
template <class... A>
[[nodiscard]] tl::unexpected<Error> fail(fmt::format_string<A...> format, A&&... args)
{
    return tl::unexpected<Error>(Error{fmt::format(format, std::forward<A>(args)...), 0});
}

/// "bind: Address already in use", with the errno kept in Error::code.
[[nodiscard]] tl::unexpected<Error> fail_errno(std::string_view call, int error);

/// The errno's text alone ("No such file or directory"); thread-safe.
[[nodiscard]] std::string errno_text(int error);
/// The errno's name ("ENOENT"), or its number where it has none.
[[nodiscard]] std::string errno_name(int error);

/// Hands a failed result on with what the caller was doing; the value type does not matter.
template <class T>
[[nodiscard]] tl::unexpected<Error> wrap(Result<T>& failed, std::string_view what)
{
    return tl::unexpected<Error>(std::move(failed).error().context(what));
}

}  // namespace xsv
