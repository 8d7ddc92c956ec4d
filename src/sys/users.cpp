#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <set>

#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "base/time.h"
#include "sys/files.h"

namespace xsv::sys {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 10s;
constexpr auto kHostPatience = 5s;  // there may be many of them, and an engine that reads them again is taken for hanging after 10 s
constexpr auto kRemembered = 5s;  // one load of a thousand programs asks once per name; the next load asks again
constexpr uid_t kFirstSpareUid = 61184, kLastSpareUid = 65519;

/// What the helper found, as it goes through the pipe: "uid\0gid\0name\0home\0shell\0group\0group\0…".
using Answer = std::vector<std::string>;

Answer encode(const passwd& entry)
{
    Answer answer{std::to_string(entry.pw_uid), std::to_string(entry.pw_gid), entry.pw_name, entry.pw_dir, entry.pw_shell};
    int count = 64;
    std::vector<gid_t> groups(static_cast<std::size_t>(count));
    while (::getgrouplist(entry.pw_name, entry.pw_gid, groups.data(), &count) < 0) groups.resize(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) answer.push_back(std::to_string(groups[static_cast<std::size_t>(i)]));
    return answer;
}

User decode(const Answer& answer)
{
    User user;
    user.uid = static_cast<uid_t>(text::to_int(answer[0]).value_or(-1));
    user.gid = static_cast<gid_t>(text::to_int(answer[1]).value_or(-1));
    user.name = answer[2];
    user.home = answer[3];
    user.shell = answer[4];
    for (std::size_t i = 5; i < answer.size(); ++i) user.groups.push_back(static_cast<gid_t>(text::to_int(answer[i]).value_or(-1)));
    return user;
}

Answer look_up_user(const std::string& name)
{
    const auto number = text::to_int(name);
    const passwd* entry = number ? ::getpwuid(static_cast<uid_t>(*number)) : ::getpwnam(name.c_str());
    return entry ? encode(*entry) : Answer{};
}

Answer look_up_group(const std::string& name)
{
    const auto number = text::to_int(name);
    const group* entry = number ? ::getgrgid(static_cast<gid_t>(*number)) : ::getgrnam(name.c_str());
    return entry ? Answer{std::to_string(entry->gr_gid)} : Answer{};
}

/// IPv4, as Supervisor's sockets are.
Answer look_up_address(const std::string& name)
{
    addrinfo hints{}, *found = nullptr;
    hints.ai_family = AF_INET;
    hints.ai_socktype = SOCK_STREAM;
    std::array<char, NI_MAXHOST> host{};
    if (::getaddrinfo(name.c_str(), nullptr, &hints, &found) != 0) return {};
    if (::getnameinfo(found->ai_addr, found->ai_addrlen, host.data(), host.size(), nullptr, 0, NI_NUMERICHOST) != 0) return {};
    return {host.data()};
}

/// Nothing but addresses, or a '!', the reason and its code.
Answer look_up_addresses(const std::string& name)
{
    auto addresses = ask_addresses(name);
    return addresses ? *std::move(addresses) : Answer{"!", addresses.error().message, std::to_string(addresses.error().code)};
}

Answer look_up_spare(const std::string&)
{
    for (uid_t uid = kFirstSpareUid; uid <= kLastSpareUid; ++uid) {
        if (!::getpwuid(uid) && !::getgrgid(uid)) return {std::to_string(uid)};
    }
    return {};
}

[[noreturn]] void answer_and_exit(int fd, Answer (*look_up)(const std::string&), const std::string& name)
{
    std::string bytes = "+";  // an empty answer is an answer; an empty pipe is a helper that died
    for (const std::string& item : look_up(name)) bytes.append(item).push_back('\0');
    std::string_view rest = bytes;
    while (!rest.empty()) {
        const auto count = ::write(fd, rest.data(), rest.size());
        if (count <= 0) break;
        rest.remove_prefix(static_cast<std::size_t>(count));
    }
    ::_exit(0);
}

/// Reads until the helper closes its end, or the patience is over.
Result<std::string> read_answer(int fd, const std::string& name, std::chrono::seconds patience)
{
    const Time deadline = BootClock::now() + patience;
    std::string bytes;
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - BootClock::now()).count();
        pollfd readable{fd, POLLIN, 0};
        if (left <= 0 || ::poll(&readable, 1, static_cast<int>(left)) == 0) {
            return fail("looking up '{}': the directory service did not answer within {} s", name, patience.count());
        }
        std::array<char, 4096> buffer;
        const auto count = ::read(fd, buffer.data(), buffer.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail_errno("looking up '" + name + "'", errno);
        if (count == 0) break;
        bytes.append(buffer.data(), static_cast<std::size_t>(count));
    }
    if (bytes.empty() || bytes.front() != '+') return fail("looking up '{}': the helper process ended without an answer", name);
    return bytes.substr(1);
}

/// Directory services hang, so another process asks them (rule P5).
Result<Answer> ask(Answer (*look_up)(const std::string&), const std::string& name, std::chrono::seconds patience = kPatience)
{
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) < 0) return fail_errno("pipe", errno);
    UniqueFd reader(ends[0]), writer(ends[1]);
    const pid_t helper = ::fork();
    if (helper < 0) return fail_errno("fork", errno);
    if (helper == 0) answer_and_exit(writer.get(), look_up, name);
    writer.reset();
    auto bytes = read_answer(reader.get(), name, patience);
    if (!bytes) ::kill(helper, SIGKILL);  // not reaped yet, so the number is surely its own
    while (::waitpid(helper, nullptr, 0) < 0 && errno == EINTR) {}
    if (!bytes) return tl::unexpected(std::move(bytes).error());
    Answer answer;
    for (std::size_t from = 0, end; (end = bytes->find('\0', from)) != std::string::npos; from = end + 1) {
        answer.push_back(bytes->substr(from, end - from));
    }
    return answer;
}

template <class T>
class Remembered {
public:
    const T* find(const std::string& name)
    {
        const auto found = items_.find(name);
        return found != items_.end() && BootClock::now() - found->second.first < kRemembered ? &found->second.second : nullptr;
    }
    void keep(const std::string& name, const T& value, Time at = BootClock::now()) { items_[name] = {at, value}; }
    /// However old.
    const T* last(const std::string& name)
    {
        const auto found = items_.find(name);
        return found != items_.end() ? &found->second.second : nullptr;
    }

private:
    std::map<std::string, std::pair<Time, T>> items_;
};

Remembered<std::vector<std::string>>& known_addresses()
{
    static Remembered<std::vector<std::string>> known;
    return known;
}

/// Is it a number that can be an id? 4294967295 means "leave it" to the kernel.
bool is_possible_id(std::int64_t number) { return number >= 0 && number < 0xffffffffLL; }

}  // namespace

Result<User> find_user(const std::string& name)
{
    static Remembered<User> remembered;
    if (const User* user = remembered.find(name)) return *user;
    const auto number = text::to_int(name);
    if (number && !is_possible_id(*number)) return fail("Invalid user id {}", name);
    if (name.empty() || name.find('\0') != std::string::npos) return fail("Invalid user name '{}'", name);
    auto answer = ask(look_up_user, name);
    if (!answer) return tl::unexpected(std::move(answer).error());
    if (answer->size() < 5) return number ? fail("Invalid user id {}", name) : fail("Invalid user name {}", name);
    const User user = decode(*answer);
    remembered.keep(name, user);
    return user;
}

Result<gid_t> find_group(const std::string& name)
{
    static Remembered<gid_t> remembered;
    if (const gid_t* gid = remembered.find(name)) return *gid;
    const auto number = text::to_int(name);
    if (number && !is_possible_id(*number)) return fail("Invalid group id {}", name);
    if (name.empty() || name.find('\0') != std::string::npos) return fail("Invalid group name '{}'", name);
    auto answer = ask(look_up_group, name);
    if (!answer) return tl::unexpected(std::move(answer).error());
    if (answer->empty()) return number ? fail("Invalid group id {}", name) : fail("Invalid group name {}", name);
    const auto gid = static_cast<gid_t>(text::to_int(answer->front()).value_or(-1));
    remembered.keep(name, gid);
    return gid;
}

Result<std::string> find_address(const std::string& name)
{
    static Remembered<std::string> remembered;
    if (const std::string* address = remembered.find(name)) return *address;
    if (name.empty() || name.find('\0') != std::string::npos) return fail("Invalid host name '{}'", name);
    auto answer = ask(look_up_address, name);
    if (!answer) return tl::unexpected(std::move(answer).error());
    if (answer->empty()) return fail("the host name '{}' has no IPv4 address", name);
    remembered.keep(name, answer->front());
    return answer->front();
}

Result<std::vector<std::string>> ask_addresses(const std::string& name)
{
    addrinfo hints{}, *found = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    if (const int error = ::getaddrinfo(name.c_str(), nullptr, &hints, &found); error != 0) {
        const bool is_known = error == EAI_NONAME || error == EAI_NODATA;
        return tl::unexpected(Error{fmt::format("the host name '{}' has no address ({})", name, ::gai_strerror(error)), is_known ? 0 : EAGAIN});
    }
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
    std::set<std::string> all;
    for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
        std::array<char, NI_MAXHOST> host{};
        if (::getnameinfo(one->ai_addr, one->ai_addrlen, host.data(), host.size(), nullptr, 0, NI_NUMERICHOST) == 0)
            all.insert(host.data());
    }
    if (all.empty()) return fail("the host name '{}' has no address", name);
    return std::vector<std::string>(all.begin(), all.end());
}

Result<std::vector<std::string>> find_addresses(const std::string& name)
{
    static Time silent_until{};
    auto& remembered = known_addresses();
    if (const auto* addresses = remembered.find(name)) return *addresses;
    if (name.empty() || name.find('\0') != std::string::npos) return fail("Invalid host name '{}'", name);
    Result<Answer> answer = tl::unexpected(Error{fmt::format("looking up '{}': the directory service does not answer", name), EAGAIN});
    if (BootClock::now() >= silent_until) {
        answer = ask(look_up_addresses, name, kHostPatience);
        if (!answer) {
            answer.error().code = EAGAIN;
            silent_until = BootClock::now() + kRemembered;
        }
    }
    if (answer && answer->size() == 3 && answer->front() == "!")
        answer = tl::unexpected(Error{(*answer)[1], static_cast<int>(text::to_int((*answer)[2]).value_or(0))});
    if (answer) return remembered.keep(name, *answer), *std::move(answer);
    const auto* last = remembered.last(name);
    if (last == nullptr || last->empty()) return tl::unexpected(std::move(answer).error());
    log::warn("{}; its last addresses stay: {}", answer.error().message, text::join(*last, ", "));
    return *last;
}

void remember_addresses(const std::string& name, const std::vector<std::string>& addresses)
{
    known_addresses().keep(name, addresses, Time{});
}

Result<User> helper_user()
{
    User user;
    user.uid = ::geteuid();
    user.gid = ::getegid();
    user.home = "/";
    if (user.uid != 0) {
        user.groups = {user.gid};
        return user;
    }
    if (auto own = find_user("xsvd"); own && own->uid != 0) return own;
    auto answer = ask(look_up_spare, "unused uid");
    if (!answer) return tl::unexpected(std::move(answer).error());
    if (answer->empty()) return fail("no unused uid from {} to {}, add a user 'xsvd'", kFirstSpareUid, kLastSpareUid);
    user.uid = user.gid = static_cast<uid_t>(text::to_int(answer->front()).value_or(-1));
    return user;
}

}  // namespace xsv::sys
