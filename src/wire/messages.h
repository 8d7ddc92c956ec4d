#pragma once

/// The messages between the engine and its helpers. Each is one wire::Value struct (encoded), sent as one message
/// of an event::Channel; some carry a descriptor. "type" says which. Unknown types and members are ignored.
///
/// engine <-> web
///   engine -> web  {type:"hello", generation:int, traces:bool} a (new) engine is there: pending requests are lost
///   engine -> web  {type:"server", index, name, kind:"unix"|"inet", address, username, password, last:bool} + listening fd
///                  tls:bool, certificate, key, authorities: texts of PEM files
///                  optional hosts:[names] a TCP server goes by besides its address and localhost (rule W1)
///   engine -> web  {type:"ready"}                            all servers are named; forget others
///   web -> engine  {type:"caller", connection:int} + a duplicate of a unix server's connection: the kernel tells whose it is
///   engine -> web  {type:"unwanted", connection:int}         he has no role there; 403, then close
///   web -> engine  {type:"left", connection:int}             the connection has ended
///   web -> engine  {type:"call", id, method, params:[…], server:index, user, peer:"text of the peer", rpc:"XML-RPC"|"JSON-RPC"|""}   rpc: the log tells of it
///                  of a unix server's client also connection:int, which a "caller" has named to this engine
///   engine -> web  {type:"reply", id, result: <encoded Value as string>}
///   engine -> web  {type:"fault", id, code, text}
///   web -> engine  {type:"follow", id, path:"/logtail/NAME/stdout" or "/mainlogtail", server, connection}     (already percent-decoded)
///   engine -> web  {type:"follow", id, status:200, modified:int}  + pipe read end, or status 404 etc. without
///   web -> engine  {type:"log", level:int, line}
///   web -> engine  {type:"answered", peer:"HOST:PORT", request, status, bytes}   for the log's access line; if "traces"
///   web -> engine  {type:"unreadable", data, reason}         for the log: a body that is no call
///   engine -> web  {type:"shutdown"}                         finish answers, then exit 0
///
/// engine <-> scribe
///   engine -> scribe {type:"hello", generation}              followed by every "sink", then "ready": others are dropped
///   engine -> scribe {type:"sink", key, file, maxbytes, backups, syslog:bool, syslog_priority:int, name, strip_ansi:bool, on_full:"drop"|"block",
///                     uid, gid, mode, capture:int (bytes; 0 = off), events:bool, listener:bool} + read end of the pipe
///                     (O_RDWR, never at end of file). file: absolute path, "" = none.
///   engine -> scribe {type:"memory", key} + memory that outlives the scribe    optional, before "sink": for what it has in hand
///   engine -> scribe {type:"drop", key}                      drain what is there, then close
///   engine -> scribe {type:"ready"} {type:"reopen"} {type:"shutdown"}   (shutdown: drain everything, then exit 0)
///   engine -> scribe {type:"read", id, file, offset, length}         Supervisor's readLog rules
///   engine -> scribe {type:"tail", id, file, offset, length}         Supervisor's tailLog rules
///   engine -> scribe {type:"clear", id, key, file}                   key may be "" when only the file exists
///   engine -> scribe {type:"follow", id, file} + write end of a pipe  last 1,024 bytes, then what comes, until the reader leaves
///   scribe -> engine {type:"reply", id, ok:bool, code:int, text, offset:int, overflow:bool}
///   scribe -> engine {type:"log", level:int, line}
///   scribe -> engine {type:"stats", key, bytes, lost, error}          at most once a second and only when changed
///   scribe -> engine {type:"output", key, data}     what a sink with events or listener has read, in order, at most 64 KiB each.
///                     listener: every byte as it came. events: the text as it goes into the log, without what was captured
///   scribe -> engine {type:"captured", key, data, at:int, more:bool}   what stood between <!--XSUPERVISOR:BEGIN--> and
///                     <!--XSUPERVISOR:END-->, in parts of at most 64 KiB: the bytes before this one, and whether another follows
///   engine -> scribe {type:"ended", key}            the program has ended: what is in the pipe now is its last output. A half
///                     token is text then, an open capture is given up, so the next process starts anew. Optional, and only
///                     sinks with capture, events or listener answer:
///   scribe -> engine {type:"ended", key}            after all "output" and "captured" of that process
///                     These three have life:int and number:int besides: one that comes again has the same numbers again, those of
///                     a stream rise as long as its life is the same.
///                     While the engine does not take these, the pipes of such sinks are left alone: nothing is thrown away.
///                     What a killed engine has not taken, the next one finds in the channel; what a killed scribe had in hand,
///                     the next one finds in the memory (scribe/ledger.h).
///
/// engine <-> proxy (the forwarder)
///   engine -> proxy {type:"hello", generation}               followed by every service, then "ready": others are dropped
///   engine -> proxy {type:"service", name, target, protocol:""|"v1"|"v2", program:bool, start_timeout, flow_time (ms),
///                    log_begin:bool, log_end:bool}            followed by its sockets and its state
///   engine -> proxy {type:"socket", name, socket} + the listening or datagram socket
///   engine -> proxy {type:"state", name, state:"up"|"await"|"down"}   sockets that were not named since "service" are dropped
///   engine -> proxy {type:"pause", name}                     "down", if nobody is connected
///   engine -> proxy {type:"drop", name} {type:"ready"} {type:"shutdown"}
///   proxy -> engine {type:"demand", name}                    a caller waits in state "await"
///   proxy -> engine {type:"answered", name}                  the program has taken a connection since it is "up"
///   proxy -> engine {type:"paused", name, connections:int}   0: it is "down" now
///   proxy -> engine {type:"counts", name, connections, accepted, refused}   of the last two since they were told last
///   proxy -> engine {type:"connections", rows:[{name, peer} or {name, peer, seconds, in, out, failed}]}   begun, or ended
///   proxy -> engine {type:"log", level:int, line}

namespace xsv::wire {

/// Where a helper finds its end of the channel to the engine.
constexpr int kChannelFd = 3;
/// In the environment of the web process, when it starts as root: "UID:GID" it is to become. Its working directory is the
/// folder that is to be its root.
constexpr const char* kIdentityVariable = "XSVD_IDENTITY";

// The key of a sink is "o:NAMESPEC" (stdout), "e:NAMESPEC" (stderr), "c:NAMESPEC" (the log of its connections), or "o:NAMESPEC NUMBER" for the stdout of one process
// of an event listener.

}  // namespace xsv::wire
