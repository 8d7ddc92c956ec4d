#include <cerrno>

#include "base/result.h"
#include "base/text.h"
#include "xsvctl/transport.h"

namespace xsv::xsvctl {

std::string CallError::exception() const
{
    const auto system = [](std::string_view name, int error) {
        return fmt::format("<class '{}'>, [Errno {}] {}", name, error, errno_text(error));
    };
    switch (kind) {
        case Kind::Fault: return fmt::format("<class 'xmlrpc.client.Fault'>, <Fault {}: {}>", code, text::repr(text));
        case Kind::Http:
            return fmt::format("<class 'xmlrpc.client.ProtocolError'>, <ProtocolError for 127.0.0.1/RPC2: {} {}>", code,
                               text);
        case Kind::System:
            switch (code) {
                case ECONNREFUSED: return system("ConnectionRefusedError", code);
                case ENOENT: return system("FileNotFoundError", code);
                case EACCES:
                case EPERM: return system("PermissionError", code);
                case ETIMEDOUT: return system("TimeoutError", code);
                case ENOTDIR: return system("NotADirectoryError", code);
                case ENAMETOOLONG: return "<class 'OSError'>, AF_UNIX path too long";
                default: return system("OSError", code);
            }
        case Kind::Resolve: return fmt::format("<class 'socket.gaierror'>, [Errno {}] {}", code, text);
        case Kind::Broken:
            if (code != 0) return system("ConnectionResetError", code);
            return fmt::format("<class 'http.client.RemoteDisconnected'>, {}", text);
        case Kind::BadAnswer: return fmt::format("<class 'xmlrpc.client.ResponseError'>, {}", text);
        case Kind::Value: return fmt::format("<class 'ValueError'>, {}", text);
        case Kind::EndOfInput: return "<class 'EOFError'>, EOF when reading a line";
    }
    return text;
}

}  // namespace xsv::xsvctl
