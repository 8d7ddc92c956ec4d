#pragma once

struct event_base;

namespace xsv::event {

class Loop;

/// The libevent base behind a loop of make_loop(), for the one other user of libevent (web/ and its bufferevents).
::event_base* native_base(Loop& loop);

}  // namespace xsv::event
