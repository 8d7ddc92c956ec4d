#include "control/fault.h"

namespace xsv::control {

std::string_view fault_name(FaultCode code)
{
    switch (code) {
        case FaultCode::UnknownMethod: return "UNKNOWN_METHOD";
        case FaultCode::IncorrectParameters: return "INCORRECT_PARAMETERS";
        case FaultCode::BadArguments: return "BAD_ARGUMENTS";
        case FaultCode::SignatureUnsupported: return "SIGNATURE_UNSUPPORTED";
        case FaultCode::ShutdownState: return "SHUTDOWN_STATE";
        case FaultCode::BadName: return "BAD_NAME";
        case FaultCode::BadSignal: return "BAD_SIGNAL";
        case FaultCode::NoFile: return "NO_FILE";
        case FaultCode::NotExecutable: return "NOT_EXECUTABLE";
        case FaultCode::Failed: return "FAILED";
        case FaultCode::AbnormalTermination: return "ABNORMAL_TERMINATION";
        case FaultCode::SpawnError: return "SPAWN_ERROR";
        case FaultCode::AlreadyStarted: return "ALREADY_STARTED";
        case FaultCode::NotRunning: return "NOT_RUNNING";
        case FaultCode::Success: return "SUCCESS";
        case FaultCode::AlreadyAdded: return "ALREADY_ADDED";
        case FaultCode::StillRunning: return "STILL_RUNNING";
        case FaultCode::CantReread: return "CANT_REREAD";
    }
    return "FAILED";
}

wire::Fault make_fault(FaultCode code, std::optional<std::string_view> extra)
{
    std::string text(fault_name(code));
    if (extra) text.append(": ").append(*extra);
    return {static_cast<int>(code), std::move(text)};
}

void answer(const Reply& reply, const wire::Value& value) { reply(wire::encode(value)); }

}  // namespace xsv::control
