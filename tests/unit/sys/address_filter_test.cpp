#include <cstring>
#include <random>

#include <poll.h>

#include <catch2/catch.hpp>

#include "base/text.h"
#include "sockets_help.h"
#include "sys/address_filter.h"
#include "sys/sockets.h"

using namespace xsv;
using namespace xsv::sys;

namespace {

std::vector<AddressRule> rules(const std::string& words)
{
    std::vector<AddressRule> list;
    for (const std::string& word : text::words(words)) list.push_back(parse_address_rule(word).value());
    return list;
}

/// What the kernel does with the instructions that filters are made of.
bool keeps(const std::vector<sock_filter>& code, const std::vector<std::uint8_t>& header)
{
    std::uint32_t a = 0;
    for (std::size_t at = 0;; ++at) {
        const sock_filter& step = code.at(at);
        const std::size_t offset = step.k - static_cast<std::uint32_t>(SKF_NET_OFF);
        switch (step.code) {
            case BPF_LD | BPF_B | BPF_ABS: a = header.at(offset); break;
            case BPF_LD | BPF_W | BPF_ABS:
                a = 0;
                for (std::size_t i = 0; i < 4; ++i) a = a << 8 | header.at(offset + i);
                break;
            case BPF_ALU | BPF_RSH | BPF_K: a >>= step.k; break;
            case BPF_JMP | BPF_JA: at += step.k; break;
            case BPF_JMP | BPF_JEQ | BPF_K: at += a == step.k ? step.jt : step.jf; break;
            case BPF_JMP | BPF_JGT | BPF_K: at += a > step.k ? step.jt : step.jf; break;
            case BPF_JMP | BPF_JGE | BPF_K: at += a >= step.k ? step.jt : step.jf; break;
            case BPF_RET | BPF_K: return step.k != 0;
            default: FAIL("unexpected instruction " << step.code);
        }
    }
}

std::vector<std::uint8_t> header_from(const Peer& peer)
{
    std::vector<std::uint8_t> header(40, 0xa5);
    header[0] = peer.mapped ? 0x45 : 0x60;
    if (peer.mapped) std::memcpy(header.data() + 12, peer.address.data() + 12, 4);
    else std::memcpy(header.data() + 8, peer.address.data(), 16);
    return header;
}

/// Few different bytes, so that rules and callers meet.
std::string random_address(std::mt19937& random, bool four)
{
    const auto pick = [&](std::initializer_list<int> of) { return *(of.begin() + static_cast<int>(random() % of.size())); };
    if (four) return fmt::format("{}.{}.{}.{}", pick({10, 127, 255}), pick({0, 1, 255}), pick({0, 128}), pick({0, 1, 2, 255}));
    return fmt::format("{:x}:{:x}::{:x}:{:x}", pick({0x2001, 0xfe80}), pick({0xdb8, 0, 0xffff}), pick({0, 1, 0xffff}), pick({0, 1, 2, 0xffff}));
}

std::string random_rule(std::mt19937& random)
{
    const bool four = random() % 2 == 0;
    const std::string address = random_address(random, four);
    switch (random() % 6) {
        case 0: return "localhost";
        case 1: return random() % 8 == 0 ? "all" : address;
        case 2: {
            const std::string other = random_address(random, four);
            const std::string range = address + "-" + other;
            return parse_address_rule(range) ? range : parse_address_rule(other + "-" + address) ? other + "-" + address : address;
        }
        default: return fmt::format("{}/{}", address, random() % (four ? 33 : 129));
    }
}

}  // namespace

TEST_CASE("the filter of the kernel decides as the rules do", "[sys][address]")
{
    const auto seed = std::random_device()();
    CAPTURE(seed);
    std::mt19937 random(seed);
    for (int round = 0; round < 2000; ++round) {
        std::string allow, deny;
        for (auto n = random() % 4; n > 0; --n) allow += " " + random_rule(random);
        for (auto n = random() % 4; n > 0; --n) deny += " " + random_rule(random);
        const auto order = random() % 2 == 0 ? AccessOrder::MostSpecific : AccessOrder::DenyFirst;
        const auto allowed = rules(allow), denied = rules(deny);
        const auto code = compile_filter(allowed, denied, order);
        for (int n = 0; n < 20; ++n) {
            const std::string from = n == 0 ? "127.0.0.1" : n == 1 ? "::1" : random_address(random, random() % 2 == 0);
            const AddressRule host = parse_address_rule(from).value();
            Peer peer;
            peer.kind = Peer::Inet;
            peer.mapped = host.family == 4;
            peer.address = host.first;
            CAPTURE(allow, deny, from, static_cast<int>(order));
            REQUIRE(keeps(code, header_from(peer)) == is_allowed(peer, allowed, denied, order));
        }
    }
}

namespace {

/// On a port that the kernel chooses.
Endpoint anywhere(const char* text)
{
    Endpoint endpoint = Endpoint::parse(text).value();
    endpoint.port = 0;
    return endpoint;
}

UniqueFd datagram_socket(const char* address, std::uint16_t port = 0)
{
    UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in own{};
    own.sin_family = AF_INET;
    own.sin_port = htons(port);
    ::inet_pton(AF_INET, address, &own.sin_addr);
    REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&own), sizeof own) == 0);
    return fd;
}

void send_word(const UniqueFd& from, std::uint16_t port, const std::string& word)
{
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::sendto(from.get(), word.data(), word.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to) > 0);
}

std::string next_word(const UniqueFd& socket)
{
    char buffer[64];
    const auto size = ::recv(socket.get(), buffer, sizeof buffer, 0);
    return {buffer, static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
}

}  // namespace

TEST_CASE("datagrams of those who are not allowed never arrive, until the rules change", "[sys][address]")
{
    auto sockets = kernel_sockets();
    const Endpoint endpoint = anywhere("udp:127.0.0.1:9");
    SocketOptions options;
    options.allow = rules("127.0.0.1");
    auto socket = sockets->listen(endpoint, options);
    REQUIRE(socket);
    REQUIRE(sockets->set_nonblocking(socket->get(), false));
    const auto port = test::port_of(socket->get());
    const UniqueFd stranger = datagram_socket("127.0.0.2"), friendly = datagram_socket("127.0.0.1");

    send_word(stranger, port, "stranger");
    send_word(friendly, port, "friend");
    CHECK(next_word(*socket) == "friend");

    options.allow = {};
    REQUIRE(sockets->adjust(socket->get(), endpoint, options));
    send_word(stranger, port, "stranger");
    CHECK(next_word(*socket) == "stranger");
}

TEST_CASE("a caller who is not allowed gets no connection", "[sys][address]")
{
    auto sockets = kernel_sockets();
    SocketOptions options;
    options.deny = rules("127.0.0.2/31");
    auto listener = sockets->listen(anywhere("tcp:127.0.0.1:9"), options);
    REQUIRE(listener);
    const auto call_from = [&](const char* address) {
        UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        sockaddr_in own{}, to{};
        own.sin_family = to.sin_family = AF_INET;
        ::inet_pton(AF_INET, address, &own.sin_addr);
        REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&own), sizeof own) == 0);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        to.sin_port = htons(test::port_of(listener->get()));
        (void)::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to);
        return fd;
    };
    const UniqueFd stranger = call_from("127.0.0.3"), friendly = call_from("127.0.0.4");
    pollfd arrival{listener->get(), POLLIN, 0};
    REQUIRE(::poll(&arrival, 1, 5000) == 1);
    Peer peer;
    REQUIRE(sockets->accept(listener->get(), peer).value());
    CHECK(peer.host() == "127.0.0.4");
    CHECK_FALSE(sockets->accept(listener->get(), peer).value());
}
