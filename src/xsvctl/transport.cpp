#include "xsvctl/transport.h"

#include <cerrno>
#include <cstring>

#include <curl/curl.h>
#include <poll.h>
#include <sys/un.h>

#include "base/result.h"
#include "wire/xmlrpc.h"

namespace xsv::xsvctl {
namespace {

struct EasyFree {
    void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct MultiFree {
    void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
struct ListFree {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Easy = std::unique_ptr<CURL, EasyFree>;
using Headers = std::unique_ptr<curl_slist, ListFree>;

constexpr std::string_view kUnix = "unix://";
constexpr std::string_view kHttp = "http://";
constexpr std::string_view kHttps = "https://";

std::size_t collect(char* data, std::size_t, std::size_t size, void* target)
{
    static_cast<std::string*>(target)->append(data, size);
    return size;
}

// The reason phrase stands in the status line only; a later one (100 Continue before it) replaces it.
std::size_t keep_status_line(char* data, std::size_t, std::size_t size, void* target)
{
    std::string_view line(data, size);
    if (line.starts_with("HTTP/")) {
        while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
        *static_cast<std::string*>(target) = line;
    }
    return size;
}

std::string reason_of(std::string_view status_line)
{
    const auto first = status_line.find(' ');
    const auto second = first == std::string_view::npos ? first : status_line.find(' ', first + 1);
    return second == std::string_view::npos ? std::string() : std::string(status_line.substr(second + 1));
}

// Only host and port of the address count, as with Supervisor's client.
std::string host_of(std::string_view url)
{
    auto host = url.substr(url.find("://") + 3);
    host = host.substr(0, host.find_first_of("/?#"));
    if (const auto at = host.rfind('@'); at != std::string_view::npos) host = host.substr(at + 1);
    return std::string(host);
}

std::string encode_path(std::string_view path)
{
    static constexpr char kHex[] = "0123456789ABCDEF";
    std::string out;
    for (const unsigned char c : path) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                           std::strchr("/-_.~:*@!$&'()+,;=", c) != nullptr;
        if (plain && c != 0) {
            out += static_cast<char>(c);
        } else {
            out += '%';
            out += kHex[c >> 4];
            out += kHex[c & 15];
        }
    }
    return out;
}

void use_certificates(CURL* easy, const Server& server)
{
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    if (!server.ca_certificate.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, server.ca_certificate.c_str());
    if (server.certificate.empty()) return;
    const std::string& key = server.certificate_key.empty() ? server.certificate : server.certificate_key;
    curl_easy_setopt(easy, CURLOPT_SSLCERT, server.certificate.c_str());
    curl_easy_setopt(easy, CURLOPT_SSLKEY, key.c_str());
}

std::optional<CallError> point_at(CURL* easy, const Server& server, std::string_view path)
{
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");  // or $http_proxy gets our local requests
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, 3000L);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "xsvctl/" XSV_VERSION);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 512L * 1024L);  // the answer about 1,000 programs is of this size
    std::string base;
    if (server.url.starts_with(kUnix)) {
        const std::string socket = server.url.substr(kUnix.size());
        if (socket.size() >= sizeof(sockaddr_un::sun_path)) {
            return CallError{CallError::Kind::System, ENAMETOOLONG, "AF_UNIX path too long"};
        }
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, socket.c_str());
        base = "http://localhost";
    } else if (server.url.starts_with(kHttp)) {
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, nullptr);
        base = "http://" + host_of(server.url);
    } else if (server.url.starts_with(kHttps)) {
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, nullptr);
        base = "https://" + host_of(server.url);
        use_certificates(easy, server);
    } else {
        return CallError{CallError::Kind::Value, 0, "Unknown protocol for serverurl " + server.url};
    }
    curl_easy_setopt(easy, CURLOPT_URL, (base + encode_path(path)).c_str());
    if (server.username && server.password) {
        curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
        curl_easy_setopt(easy, CURLOPT_USERNAME, server.username->c_str());
        curl_easy_setopt(easy, CURLOPT_PASSWORD, server.password->c_str());
    }
    return std::nullopt;
}

CallError describe(CURL* easy, CURLcode code)
{
    long os_error = 0;
    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_error);
    switch (code) {
        case CURLE_COULDNT_CONNECT:
            return {CallError::Kind::System, os_error ? static_cast<int>(os_error) : ECONNREFUSED, ""};
        case CURLE_OPERATION_TIMEDOUT: return {CallError::Kind::System, ETIMEDOUT, ""};
        case CURLE_COULDNT_RESOLVE_HOST: return {CallError::Kind::Resolve, -2, "Name or service not known"};
        case CURLE_GOT_NOTHING:
        case CURLE_PARTIAL_FILE: return {CallError::Kind::Broken, 0, "Remote end closed connection without response"};
        case CURLE_SEND_ERROR:
        case CURLE_RECV_ERROR: return {CallError::Kind::Broken, ECONNRESET, "Connection reset by peer"};
        case CURLE_URL_MALFORMAT: return {CallError::Kind::Value, 0, "Unknown protocol for serverurl"};
        default: return {CallError::Kind::BadAnswer, 0, curl_easy_strerror(code)};
    }
}

}  // namespace

struct Transport::Impl {
    Server server;
    Easy easy;

    CURLcode perform(const std::string& request, std::string& body, std::string& status_line)
    {
        body.clear();
        curl_easy_setopt(easy.get(), CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.size()));
        curl_easy_setopt(easy.get(), CURLOPT_POSTFIELDS, request.data());
        curl_easy_setopt(easy.get(), CURLOPT_WRITEFUNCTION, collect);
        curl_easy_setopt(easy.get(), CURLOPT_WRITEDATA, &body);
        curl_easy_setopt(easy.get(), CURLOPT_HEADERFUNCTION, keep_status_line);
        curl_easy_setopt(easy.get(), CURLOPT_HEADERDATA, &status_line);
        return curl_easy_perform(easy.get());
    }
};

Transport::Transport(Server server) : impl_(std::make_unique<Impl>())
{
    // Nothing of what libcurl could set up (TLS, Winsock) is used here, and it costs milliseconds.
    curl_global_init(CURL_GLOBAL_NOTHING);
    use(std::move(server));
}

Transport::Transport(Transport&&) noexcept = default;
Transport& Transport::operator=(Transport&&) noexcept = default;
Transport::~Transport() = default;

const Server& Transport::server() const
{
    return impl_->server;
}

void Transport::use(Server server)
{
    impl_->server = std::move(server);
    impl_->easy.reset();
}

Answer Transport::call(std::string_view method, const wire::Value::Array& params, bool repeatable)
{
    if (!impl_->easy) impl_->easy.reset(curl_easy_init());
    CURL* easy = impl_->easy.get();
    if (auto error = point_at(easy, impl_->server, "/RPC2")) return tl::unexpected(std::move(*error));

    Headers headers(curl_slist_append(nullptr, "Content-Type: text/xml"));
    curl_slist_append(headers.get(), "Accept: text/xml");
    curl_slist_append(headers.get(), "Expect:");
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers.get());

    const std::string request = wire::xmlrpc::render_call(method, params);
    std::string body, status_line;
    CURLcode code = impl_->perform(request, body, status_line);
    const bool broke =
        code == CURLE_GOT_NOTHING || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR || code == CURLE_PARTIAL_FILE;
    if (broke && repeatable) {
        curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
        code = impl_->perform(request, body, status_line);
        curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 0L);
    }
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, nullptr);  // the list ends with this function
    if (code != CURLE_OK) return tl::unexpected(describe(easy, code));

    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200) {
        return tl::unexpected(CallError{CallError::Kind::Http, static_cast<int>(status), reason_of(status_line)});
    }
    auto response = wire::xmlrpc::parse_response(body);
    if (!response) return tl::unexpected(CallError{CallError::Kind::BadAnswer, 0, response.error().message});
    if (auto* fault = std::get_if<wire::Fault>(&*response)) {
        return tl::unexpected(CallError{CallError::Kind::Fault, fault->code, fault->text});
    }
    return std::get<wire::Value>(std::move(*response));
}

namespace {

struct Stream {
    std::string path;
    Easy easy;
    const StreamEvents* events;
};

std::size_t pass_on(char* data, std::size_t, std::size_t size, void* target)
{
    auto* stream = static_cast<Stream*>(target);
    long status = 0;
    curl_easy_getinfo(stream->easy.get(), CURLINFO_RESPONSE_CODE, &status);
    if (status != 200) return 0;  // ends the transfer; the status is reported then
    stream->events->on_data({data, size});
    return size;
}

void report_end(Stream& stream, CURLcode code)
{
    long status = 0;
    curl_easy_getinfo(stream.easy.get(), CURLINFO_RESPONSE_CODE, &status);
    if (status != 0 && status != 200) {
        stream.events->on_error(stream.path, fmt::format("Cannot read, status code {}", status));
    } else if (code != CURLE_OK && status == 0) {
        std::string what = describe(stream.easy.get(), code).exception();
        const auto comma = what.find(", ");
        stream.events->on_error(
            stream.path, fmt::format("Cannot connect, error: {} ({})", what.substr(0, comma), what.substr(comma + 2)));
    }
}

}  // namespace

void Transport::follow(const std::vector<std::string>& paths, const StreamEvents& events, std::span<const int> fds,
                       const std::function<bool(const std::vector<bool>&)>& wake)
{
    std::unique_ptr<CURLM, MultiFree> multi(curl_multi_init());
    std::vector<Stream> streams;
    streams.reserve(paths.size());  // the write callback holds addresses of its elements
    for (const std::string& path : paths) {
        Stream& stream = streams.emplace_back(Stream{path, Easy(curl_easy_init()), &events});
        if (auto error = point_at(stream.easy.get(), impl_->server, path)) {
            events.on_error(path, "Cannot connect, error: " + error->exception());
            continue;
        }
        curl_easy_setopt(stream.easy.get(), CURLOPT_WRITEFUNCTION, pass_on);
        curl_easy_setopt(stream.easy.get(), CURLOPT_WRITEDATA, &stream);
        curl_multi_add_handle(multi.get(), stream.easy.get());
    }

    std::vector<curl_waitfd> waits;
    std::vector<pollfd> polled;
    for (int fd : fds) {
        waits.push_back({fd, CURL_WAIT_POLLIN, 0});
        polled.push_back({fd, POLLIN, 0});
    }
    bool go_on = true;
    for (int running = 1; go_on;) {
        curl_multi_perform(multi.get(), &running);
        int left = 0;
        while (const CURLMsg* message = curl_multi_info_read(multi.get(), &left)) {
            for (Stream& stream : streams) {
                if (stream.easy.get() == message->easy_handle) report_end(stream, message->data.result);
            }
        }
        if (running == 0 && !events.outlives_streams) break;
        curl_multi_poll(multi.get(), waits.data(), static_cast<unsigned>(waits.size()), 60'000, nullptr);
        // Asked again here: libcurl does not report a pipe whose other end is gone (POLLHUP alone).
        if (::poll(polled.data(), polled.size(), 0) <= 0) continue;
        std::vector<bool> readable;
        for (const auto& each : polled) readable.push_back(each.revents != 0);
        go_on = wake(readable);
    }
    for (Stream& stream : streams) curl_multi_remove_handle(multi.get(), stream.easy.get());
}

}  // namespace xsv::xsvctl
