#include "config/inetd/entry.h"

#include <algorithm>
#include <tuple>

#include "base/text.h"
#include "config/values.h"

namespace xsv::config::inetd {
namespace {

constexpr std::size_t kFields = 6;   // arguments may be missing
constexpr std::int64_t kMost = 1'000'000;
constexpr std::int64_t kOpenbsdRate = 256, kNetbsdRate = 40;

constexpr Word<Entry::Address> kFamilies[] = {{"", Entry::Address::Both},
                                              {"4", Entry::Address::Four},
                                              {"6", Entry::Address::Six},
                                              {"6only", Entry::Address::Six},
                                              {"46", Entry::Address::OneForBoth}};

std::string printable(std::string_view text)
{
    return text::escape_control(text.substr(0, 128));
}

/// At the last colon, but not inside the brackets of an address.
std::size_t host_end(std::string_view service)
{
    const auto colon = service.rfind(':');
    const auto bracket = service.rfind(']');
    return colon != std::string_view::npos && bracket != std::string_view::npos && colon < bracket ? std::string_view::npos : colon;
}

class EntryReader {
public:
    explicit EntryReader(const Line& line) : words_(line.words), is_definition_(line.is_definition)
    {
        entry_.place = line.place;
        entry_.off = line.off;
        entry_.default_rate = is_definition_ ? kNetbsdRate : kOpenbsdRate;
        if (is_definition_) definition(line);
    }

    Entry run()
    {
        if (words_.size() < kFields) {
            complain("", fmt::format("expected service, type, protocol, wait or nowait, user, server, arguments; got {} word{} ('{}')", words_.size(),
                                     words_.size() == 1 ? "" : "s", printable(words_[0])));
        } else {
            fields();
        }
        return std::move(entry_);
    }

private:
    void complain(std::string field, std::string text, Remark::Weight weight = Remark::Weight::Mistake)
    {
        entry_.complaints.push_back({weight, std::move(field), std::move(text)});
    }
    void warn(std::string field, std::string text) { complain(std::move(field), std::move(text), Remark::Weight::Warning); }

    void definition(const Line& line)
    {
        Fields parts = fields_of(words_[0], line.options);
        words_ = std::move(parts.words);
        for (auto& [option, text] : parts.mistakes) complain(option, text);
        for (auto& [option, text] : parts.warnings) warn(option, text);
        for (const auto& [option, written, field] : {std::tuple("accept_max", &parts.accept_max, &entry_.children), std::tuple("ip_max", &parts.ip_max, &entry_.source_rate)}) {
            if (written->empty()) continue;
            const auto number = text::to_int(*written);
            if (number && *number >= 1 && *number <= kMost) *field = *number;
            else complain(option, fmt::format("expected a number from 1 to {}, got '{}'", kMost, printable(*written)));
        }
    }

    void fields()
    {
        protocol(words_[2]);  // first: it says what the service's name is
        service(words_[0]);
        type(words_[1]);
        wait(words_[3]);
        user(words_[4]);
        server();
        together();
    }

    void service(std::string_view word)
    {
        if (word.starts_with('/')) {
            entry_.service = word;
            if (entry_.transport != Entry::Transport::Unix) complain("service", fmt::format("'{}' is a path, which needs the protocol unix", printable(word)));
            return;
        }
        if (const auto colon = host_end(word); colon != std::string_view::npos) {
            entry_.hosts = word.substr(0, colon);
            word.remove_prefix(colon + 1);
        }
        if (word.starts_with("tcpmux/")) {
            word.remove_prefix(7);
            entry_.tcpmux = true;
            entry_.tcpmux_greets = word.starts_with('+');
            if (entry_.tcpmux_greets) word.remove_prefix(1);
        } else if (rpc_) {
            const auto slash = word.find('/');
            if (slash != std::string_view::npos) entry_.versions = word.substr(slash + 1);
            word = word.substr(0, slash);
            if (entry_.versions.empty()) {
                complain("service", fmt::format("expected an RPC program and its versions such as rstatd/1-3, got '{}'", printable(words_[0])));
                entry_.versions = "1";
            }
        }
        entry_.service = word;
        // What Endpoint::parse reads, and no more: the word becomes part of a list of endpoints.
        const auto plain = [](char c) { return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || std::string_view("-_.+").find(c) != std::string_view::npos; };
        if (word.empty() || !std::all_of(word.begin(), word.end(), plain))
            complain("service", fmt::format("expected a name from /etc/services, a port, or host:service; got '{}'", printable(words_[0])));
    }

    void type(std::string_view written)
    {
        std::string_view word = written;
        // NetBSD's "stream,N:filter" or "stream:filter"
        if (const auto more = word.find_first_of(",:"); more != std::string_view::npos) {
            std::string_view rest = word.substr(more);
            const auto end = std::min(rest.find(':'), rest.size());
            const auto most = rest[0] == ',' ? text::to_int(rest.substr(1, end - 1)) : std::nullopt;
            if (most && *most >= 1 && *most <= kMost) {
                entry_.children = *most;
                rest.remove_prefix(end);
            }
            if (!rest.empty()) warn("type", fmt::format("'{}' is ignored", printable(rest)));
            word = word.substr(0, more);
        }
        entry_.type = word;
        if (word == "stream" || word == "dgram" || (word == "seqpacket" && entry_.transport == Entry::Transport::Unix)) return;
        complain("type", word == "raw" || word == "rdm" || word == "seqpacket" ? fmt::format("'{}' sockets are not supported: start the program with the daemon (a section without 'socket'), and let it open its socket itself", word)
                                                                               : fmt::format("expected stream or dgram, got '{}'", printable(written)));
        entry_.type = "stream";
    }

    void protocol(std::string_view written)
    {
        const auto items = text::split(written, ',');
        std::string_view word = items[0];
        for (std::size_t i = 1; i < items.size(); ++i) {
            if (items[i].starts_with("sndbuf=") || items[i].starts_with("rcvbuf=")) entry_.socket_options.push_back(items[i]);
            else warn("protocol", fmt::format("'{}' is ignored: expected sndbuf= or rcvbuf=", printable(items[i])));
        }
        if (word.ends_with("/ttcp")) {
            warn("protocol", "'/ttcp' is ignored: no system has T/TCP any more");
            word.remove_suffix(5);
        }
        rpc_ = word.starts_with("rpc/");
        if (rpc_) word.remove_prefix(4);
        if (word == "unix" && !rpc_) {
            entry_.transport = Entry::Transport::Unix;
            return;
        }
        if (word.starts_with("tcp") || word.starts_with("udp")) {
            entry_.transport = word[0] == 't' ? Entry::Transport::Tcp : Entry::Transport::Udp;
            const std::string_view family = word.substr(3);
            for (const auto& known : kFamilies) {
                if (known.word != family) continue;
                entry_.address = known.value;
                return;
            }
        }
        complain("protocol", fmt::format("expected tcp, udp, unix, rpc/tcp or rpc/udp, with 4, 6, 46 or 6only behind it; got '{}'", printable(written)));
    }

    void wait(std::string_view word)
    {
        const auto end = std::min(word.find_first_of(".:/"), word.size());
        const std::string_view name = word.substr(0, end);
        entry_.wait = name == "wait";
        // openbsd-inetd's silent nowait would start a single-threaded server for every caller.
        if (name != "wait" && name != "nowait") return complain("wait", fmt::format("expected wait or nowait, got '{}'", printable(word)));
        if (end == word.size()) return;
        if (word[end] == '/') return limits(word);
        const auto number = text::to_int(word.substr(end + 1));
        if (!number) warn("wait", fmt::format("expected a number behind '{}', got '{}'; the default of {} starts a minute is used", word.substr(0, end + 1), printable(word.substr(end + 1)), entry_.default_rate));
        else if (*number < 1) complain("wait", fmt::format("expected at least 1 start a minute, got {}", *number));
        else entry_.starts_per_minute = *number;
    }

    /// FreeBSD: children at once, calls a minute from one source, children for one source.
    void limits(std::string_view word)
    {
        const auto items = text::split(word, '/');
        std::int64_t* const fields[] = {&entry_.children, &entry_.source_rate, &entry_.source_children};
        if (items.size() > 4) complain("wait", fmt::format("expected at most three numbers, as in nowait/10/60/2; got '{}'", printable(word)));
        for (std::size_t i = 1; i < std::min<std::size_t>(items.size(), 4); ++i) {
            const auto number = text::to_int(items[i]);
            if (number && *number >= 0 && *number <= kMost) *fields[i - 1] = *number;
            else complain("wait", fmt::format("expected numbers as in nowait/10/60/2; got '{}'", printable(word)));
        }
    }

    void user(std::string_view word)
    {
        if (const auto slash = word.find('/'); slash != std::string_view::npos) {
            entry_.login_class = word.substr(slash + 1);
            word = word.substr(0, slash);
        }
        auto end = word.find(':');
        if (end == std::string_view::npos) {
            end = word.find('.');
            entry_.group_by_dot = end != std::string_view::npos;
        }
        entry_.user = word.substr(0, end);
        if (end != std::string_view::npos) entry_.group = word.substr(end + 1);
        if (entry_.user.empty() || (end != std::string_view::npos && entry_.group.empty()))
            complain("user", fmt::format("expected user, user:group or user.group, got '{}'", printable(words_[4])));
    }

    void server()
    {
        entry_.server = words_[5];
        entry_.arguments.assign(words_.begin() + kFields, words_.end());
        if (entry_.is_internal()) return;
        if (entry_.arguments.empty()) entry_.arguments.push_back(entry_.server.substr(entry_.server.rfind('/') + 1));
        if (entry_.arguments[0].empty()) entry_.arguments[0] = entry_.server;  // "/usr/bin/"
        if (is_definition_) return;
        const auto has = [&](auto wanted) { return std::any_of(words_.begin() + kFields, words_.end(), wanted); };
        if (has([](const std::string& word) { return word.starts_with('#'); }))
            warn("arguments", "a '#' behind an entry begins no comment: the rest of the line is arguments, as with inetd");
        if (has([](const std::string& word) { return word.find_first_of("\"'") != std::string::npos; }))
            warn("arguments", "quotes are letters here, as with openbsd-inetd; inetutils removes them");
    }

    /// What only several fields together tell.
    void together()
    {
        const bool datagrams = entry_.type == "dgram";
        const bool unix_socket = entry_.transport == Entry::Transport::Unix;
        if (unix_socket && !entry_.service.starts_with('/')) complain("service", fmt::format("expected a path with the protocol unix, got '{}'", printable(words_[0])));
        if (unix_socket && entry_.service.find_first_of(",") != std::string::npos) complain("service", fmt::format("'{}': a path with a comma cannot be written", printable(words_[0])));
        if (!unix_socket && datagrams != (entry_.transport == Entry::Transport::Udp))
            complain("protocol", fmt::format("expected stream with tcp, or dgram with udp; got {} with {}", entry_.type, printable(words_[2])));
        if (datagrams && !entry_.wait && !entry_.is_internal())
            complain("wait", "expected wait: a program for datagrams reads them itself, and nowait would start one after the other for the same datagram");
        if (entry_.tcpmux && (entry_.wait || entry_.transport != Entry::Transport::Tcp || entry_.is_internal()))
            complain("service", "a service of tcpmux needs stream, tcp, nowait and a server");
        if (entry_.is_internal() && entry_.is_rpc()) complain("server", "there is no internal RPC service");
    }

    std::vector<std::string> words_;
    bool is_definition_;
    Entry entry_;
    bool rpc_ = false;
};

}  // namespace

std::string_view Entry::protocol() const
{
    return transport == Transport::Tcp ? "tcp" : transport == Transport::Udp ? "udp" : "unix";
}

Entry read_entry(const Line& line)
{
    return EntryReader(line).run();
}

std::optional<std::string> default_host(const Line& line)
{
    if (line.words.size() != 1 || line.words[0].size() < 2 || !line.words[0].ends_with(':')) return std::nullopt;
    return line.words[0].substr(0, line.words[0].size() - 1);
}

}  // namespace xsv::config::inetd
