// Tells rpcbind about the sockets of RPC programs. It asks over the network or a unix socket and may wait, so it is a process
// of its own, for one request:
//   xsvd-rpcbind set PROGRAM FIRST LAST {NETID ADDRESS PORT}…
//   xsvd-rpcbind unset PROGRAM FIRST LAST {NETID}…
// What rpcbind has already stays untouched. It writes "ok", "set" where something was missing, or a sentence about what went
// wrong.
#include <arpa/inet.h>
#include <netconfig.h>
#include <netinet/in.h>
#include <rpc/rpc.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace {

constexpr unsigned kPatience = 10;  // seconds; then SIGALRM ends it, and the silence tells

using Configuration = std::unique_ptr<netconfig, decltype(&::freenetconfigent)>;

struct Program {
    rpcprog_t number = 0;
    rpcvers_t first = 0, last = 0;
};

[[noreturn]] void fail(const char* what, const char* name)
{
    std::printf("%s %s\n", what, name);
    std::exit(1);
}

Configuration configuration(const char* netid)
{
    Configuration found(::getnetconfigent(netid), &::freenetconfigent);
    if (!found) fail("/etc/netconfig (package libtirpc-common) does not know the transport", netid);
    return found;
}

unsigned long number(const char* text)
{
    char* end = nullptr;
    const unsigned long value = std::strtoul(text, &end, 10);
    if (end == text || *end != '\0') fail("expected a number, got", text);
    return value;
}

socklen_t read_address(const char* host, const char* port, sockaddr_storage& storage)
{
    auto& four = reinterpret_cast<sockaddr_in&>(storage);
    auto& six = reinterpret_cast<sockaddr_in6&>(storage);
    if (::inet_pton(AF_INET, host, &four.sin_addr) == 1) {
        four.sin_family = AF_INET;
        four.sin_port = htons(static_cast<std::uint16_t>(number(port)));
        return sizeof four;
    }
    if (::inet_pton(AF_INET6, host, &six.sin6_addr) != 1) fail("expected an address, got", host);
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(static_cast<std::uint16_t>(number(port)));
    return sizeof six;
}

void set(const Program& program, const char* netid, const char* host, const char* port)
{
    sockaddr_storage storage{};
    netbuf address{};
    address.len = address.maxlen = read_address(host, port, storage);
    address.buf = &storage;
    const Configuration transport = configuration(netid);
    for (rpcvers_t version = program.first; version <= program.last; ++version) {
        if (::rpcb_set(program.number, version, transport.get(), &address)) continue;
        // An older entry, of a daemon that was killed, is in the way.
        ::rpcb_unset(program.number, version, transport.get());
        if (!::rpcb_set(program.number, version, transport.get(), &address)) fail("rpcbind does not run, or refused:", ::clnt_spcreateerror(const_cast<char*>(netid)));
    }
}

void unset(const Program& program, const char* netid)
{
    const Configuration transport = configuration(netid);
    bool all = true;
    for (rpcvers_t version = program.first; version <= program.last; ++version)
        all = ::rpcb_unset(program.number, version, transport.get()) && all;
    if (!all) fail("rpcbind did not remove the entry for", netid);
}

/// Does rpcbind know this address for all versions?
bool is_known(const rpcblist* list, const Program& program, const char* netid, const char* host, const char* port)
{
    sockaddr_storage storage{};
    netbuf address{};
    address.len = address.maxlen = read_address(host, port, storage);
    address.buf = &storage;
    const std::unique_ptr<char, decltype(&std::free)> wanted(::taddr2uaddr(configuration(netid).get(), &address), &std::free);
    rpcvers_t versions = 0;
    for (; list != nullptr; list = list->rpcb_next) {
        const rpcb& one = list->rpcb_map;
        if (one.r_prog == program.number && one.r_vers >= program.first && one.r_vers <= program.last && std::strcmp(one.r_netid, netid) == 0 &&
            wanted && std::strcmp(one.r_addr, wanted.get()) == 0)
            ++versions;
    }
    return versions == program.last - program.first + 1;
}

const rpcblist* all_entries()
{
    const rpcblist* list = ::rpcb_getmaps(configuration("local").get(), "localhost");
    if (list == nullptr) list = ::rpcb_getmaps(configuration("tcp").get(), "127.0.0.1");
    if (list == nullptr) fail("rpcbind does not run, or refused:", ::clnt_spcreateerror(const_cast<char*>("tcp")));
    return list;
}

}  // namespace

int main(int argc, char** argv)
{
    ::alarm(kPatience);
    if (argc < 6) fail("expected", "set|unset PROGRAM FIRST LAST NETID…");
    const auto word = [argv](int i) { return static_cast<std::uint32_t>(number(argv[i])); };
    const Program program{word(2), word(3), word(4)};
    const bool sets = std::strcmp(argv[1], "set") == 0;
    if (sets && (argc - 5) % 3 != 0) fail("expected an address and a port behind", argv[argc - 1]);
    const rpcblist* const known = sets ? all_entries() : nullptr;
    bool was_missing = false;
    for (int i = 5; i < argc; i += sets ? 3 : 1) {
        if (sets && is_known(known, program, argv[i], argv[i + 1], argv[i + 2])) continue;
        was_missing = sets;
        sets ? set(program, argv[i], argv[i + 1], argv[i + 2]) : unset(program, argv[i]);
    }
    std::puts(was_missing ? "set" : "ok");
    return 0;
}
