#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "wire/value.h"

namespace xsv::control {

/// Supervisor's fault codes; clients compare the numbers.
enum class FaultCode : int {
    UnknownMethod = 1, IncorrectParameters = 2, BadArguments = 3, SignatureUnsupported = 4, ShutdownState = 6, BadName = 10,
    BadSignal = 11, NoFile = 20, NotExecutable = 21, Failed = 30, AbnormalTermination = 40, SpawnError = 50,
    AlreadyStarted = 60, NotRunning = 70, Success = 80, AlreadyAdded = 90, StillRunning = 91, CantReread = 92
};
std::string_view fault_name(FaultCode code);   ///< "BAD_NAME"
/// "BAD_NAME: x"; the name alone without an extra, which is not the same as an empty one.
wire::Fault make_fault(FaultCode code, std::optional<std::string_view> extra = {});

/// An encoded wire::Value, or why there is none.
using Outcome = tl::expected<std::string, wire::Fault>;
/// Called once, now or later.
using Reply = std::function<void(Outcome)>;

inline void refuse(const Reply& reply, FaultCode code, std::optional<std::string_view> extra = {})
{
    reply(tl::unexpected(make_fault(code, extra)));
}
void answer(const Reply& reply, const wire::Value& value);

}  // namespace xsv::control
