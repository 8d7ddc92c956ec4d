// Apart: who forwards one connection only has no need of it, and of what it needs.
#include "proxy/session.h"
#include "sys/child.h"

namespace xsv::proxy {

sys::Peer Session::peer() const
{
    sys::Peer peer;
    sys::PeerPath path{};
    sys::note_peer(peer, path, caller(), &from_.storage, from_.length);
    return peer;
}

}  // namespace xsv::proxy
