#include "config/systemd/directives.h"

#include "config/systemd/program.h"

/// [Socket]: what a socket unit may say.
namespace xsv::config::systemd {
namespace {

using P = ProgramBuilder;
constexpr auto U = Fate::Used, I = Fate::Ignored, W = Fate::Warned, R = Fate::Refused;

constexpr Directive kSocketDirectives[] = {
    {"Socket", "Accept", U, "activation", &P::accept},
    {"Socket", "SocketProtocol", U, "socket", &P::socket_protocol},
    {"Socket", "BindIPv6Only", U, "socket, socket_options v6only", &P::ipv6_only},
    {"Socket", "FileDescriptorName", U, "the name in socket", &P::socket_text, "name"},
    {"Socket", "ListenStream", U, "socket", &P::listen, "stream"},
    {"Socket", "ListenDatagram", U, "socket", &P::listen, "dgram"},
    {"Socket", "ListenSequentialPacket", U, "socket", &P::listen, "seqpacket"},
    {"Socket", "ListenFIFO", U, "socket", &P::listen, "fifo"},
    {"Socket", "ListenSpecial", U, "socket", &P::listen, "file"},
    {"Socket", "ListenNetlink", U, "socket", &P::listen, "netlink"},
    {"Socket", "ListenMessageQueue", U, "socket", &P::listen, "mqueue"},
    {"Socket", "ListenUSBFunction", R, "a program that is a USB device opens its functions itself"},
    {"Socket", "Backlog", U, "socket_backlog", &P::backlog},
    {"Socket", "SocketMode", U, "socket_mode", &P::socket_text, "mode"},
    {"Socket", "SocketUser", U, "socket_owner", &P::socket_text, "user"},
    {"Socket", "SocketGroup", U, "socket_owner", &P::socket_text, "group"},
    {"Socket", "Writable", U, "socket_options write", &P::option_flag, "write"},
    {"Socket", "NoDelay", U, "socket_options nodelay", &P::option_flag, "nodelay"},
    {"Socket", "ReusePort", U, "socket_options reuseport", &P::option_flag, "reuseport"},
    {"Socket", "FreeBind", U, "socket_options freebind", &P::option_flag, "freebind"},
    {"Socket", "Transparent", U, "socket_options transparent", &P::option_flag, "transparent"},
    {"Socket", "Broadcast", U, "socket_options broadcast", &P::option_flag, "broadcast"},
    {"Socket", "PassCredentials", U, "socket_options passcred", &P::option_flag, "passcred"},
    {"Socket", "PassPIDFD", U, "socket_options passpidfd", &P::option_flag, "passpidfd"},
    {"Socket", "PassSecurity", U, "socket_options passsec", &P::option_flag, "passsec"},
    {"Socket", "PassPacketInfo", U, "socket_options pktinfo", &P::option_flag, "pktinfo"},
    {"Socket", "AcceptFileDescriptors", U, "socket_options no_passrights", &P::option_no, "no_passrights"},
    {"Socket", "RemoveOnStop", U, "socket_options keep_path", &P::option_no, "keep_path"},
    {"Socket", "BindToDevice", U, "socket_options device", &P::option_text, "device"},
    {"Socket", "DirectoryMode", U, "socket_options dir_mode", &P::option_text, "dir_mode"},
    {"Socket", "TCPCongestion", U, "socket_options congestion", &P::option_text, "congestion"},
    {"Socket", "Priority", U, "socket_options priority", &P::option_text, "priority"},
    {"Socket", "IPTTL", U, "socket_options ttl", &P::option_text, "ttl"},
    {"Socket", "Mark", U, "socket_options mark", &P::option_text, "mark"},
    {"Socket", "MessageQueueMaxMessages", U, "socket_options mq_max", &P::option_text, "mq_max"},
    {"Socket", "MessageQueueMessageSize", U, "socket_options mq_size", &P::option_text, "mq_size"},
    {"Socket", "ReceiveBuffer", U, "socket_options rcvbuf", &P::option_bytes, "rcvbuf"},
    {"Socket", "SendBuffer", U, "socket_options sndbuf", &P::option_bytes, "sndbuf"},
    {"Socket", "PipeSize", U, "socket_options pipebuf", &P::option_bytes, "pipebuf"},
    {"Socket", "DeferAcceptSec", U, "socket_options defer_accept", &P::option_time, "defer_accept"},
    {"Socket", "Symlinks", U, "socket_options symlink", &P::option_symlinks},
    {"Socket", "IPTOS", U, "socket_options tos", &P::option_tos},
    {"Socket", "Timestamping", U, "socket_options timestamp", &P::option_timestamps},
    {"Socket", "KeepAliveTimeSec", U, "socket_options keepalive", &P::keep_alive_time, "0"},
    {"Socket", "KeepAliveIntervalSec", U, "socket_options keepalive", &P::keep_alive_time, "1"},
    {"Socket", "KeepAliveProbes", U, "socket_options keepalive", &P::keep_alive_time, "2"},
    {"Socket", "KeepAlive", U, "socket_options keepalive", &P::keep_alive},
    {"Socket", "SmackLabel", R, "the security label would be missing"},
    {"Socket", "SmackLabelIPIn", R, "the security label would be missing"},
    {"Socket", "SmackLabelIPOut", R, "the security label would be missing"},
    {"Socket", "SELinuxContextFromNet", R, "the security label would be missing"},
    {"Socket", "XAttrEntryPoint", W, "attributes of sockets are not set"},
    {"Socket", "XAttrListen", W, "attributes of sockets are not set"},
    {"Socket", "XAttrAccept", W, "attributes of sockets are not set"},
    {"Socket", "MaxConnections", U, "max_instances", &P::socket_limit, "max_instances"},
    {"Socket", "MaxConnectionsPerSource", U, "max_per_source", &P::socket_limit, "max_per_source"},
    {"Socket", "FlushPending", U, "flush_pending", &P::flag, "flush_pending"},
    {"Socket", "PollLimitIntervalSec", U, "max_rate; never fails for good", &P::limit_rate, "poll_time"},
    {"Socket", "PollLimitBurst", U, "max_rate; never fails for good", &P::limit_rate, "poll_burst"},
    {"Socket", "TriggerLimitIntervalSec", U, "max_rate; never fails for good", &P::limit_rate, "trigger_time"},
    {"Socket", "TriggerLimitBurst", U, "max_rate; never fails for good", &P::limit_rate, "trigger_burst"},
    {"Socket", "Service", U, "which service belongs to the socket"},
    {"Socket", "IPAddressAllow", U, "allow_from, for callers", &P::addresses, "allow_from"},
    {"Socket", "IPAddressDeny", U, "deny_from, for callers", &P::addresses, "deny_from"},
    {"Socket", "DeferTrigger", W, "there are no conflicting jobs to wait for"},
    {"Socket", "DeferTriggerMaxSec", W, "there are no conflicting jobs to wait for"},
    {"Socket", "PassFileDescriptorsToExec", W, "sockets go to the program only"},
    {"Socket", "ExecStartPre", W, "no command is run when a socket opens or closes: use SocketMode=, SocketUser=, DirectoryMode=, Symlinks=, or ExecStartPre= of the service"},
    {"Socket", "ExecStartPost", W, "no command is run when a socket opens or closes: use SocketMode=, SocketUser=, DirectoryMode=, Symlinks=, or ExecStartPre= of the service"},
    {"Socket", "ExecStopPre", W, "no command is run when a socket opens or closes: use SocketMode=, SocketUser=, DirectoryMode=, Symlinks=, or ExecStartPre= of the service"},
    {"Socket", "ExecStopPost", W, "no command is run when a socket opens or closes: use SocketMode=, SocketUser=, DirectoryMode=, Symlinks=, or ExecStartPre= of the service"},
    {"Socket", "TimeoutSec", I, "is about the commands of the socket unit"},
    {"Socket", "User", I, "is about the commands of the socket unit"},
    {"Socket", "Group", I, "is about the commands of the socket unit"},
    {"Socket", "Slice", I, "is about the commands of the socket unit"},
    {"Socket", "KillMode", I, "is about the commands of the socket unit"},
    {"Socket", "KillSignal", I, "is about the commands of the socket unit"},
    {"Socket", "TimeoutStopSec", I, "is about the commands of the socket unit"},
    {"Socket", "Nice", I, "is about the commands of the socket unit"},
    {"Socket", "UMask", I, "is about the commands of the socket unit"},
    {"Socket", "Environment", I, "is about the commands of the socket unit"},
    {"Socket", "StandardOutput", I, "is about the commands of the socket unit"},
    {"Socket", "StandardError", I, "is about the commands of the socket unit"},
    {"Socket", "MemoryMax", I, "is about the commands of the socket unit"},
    {"Socket", "TasksMax", I, "is about the commands of the socket unit"},
};

}  // namespace

std::span<const Directive> socket_directives()
{
    return kSocketDirectives;
}

}  // namespace xsv::config::systemd
