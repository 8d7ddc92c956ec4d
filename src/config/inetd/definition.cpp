#include "config/inetd/definition.h"

#include <algorithm>
#include <map>
#include <optional>

#include "base/text.h"

namespace xsv::config::inetd {
namespace {

constexpr std::size_t kMostOptions = 100, kMostValues = 1000;
constexpr std::string_view kKeys[] = {"bind",  "socktype", "accept_max", "acceptfilter", "protocol", "sndbuf", "recvbuf", "wait",
                                      "service_max", "ip_max", "user", "group", "exec", "args", "ipsec"};

class DefinitionReader {
public:
    explicit DefinitionReader(Cursor& cursor) : at_(cursor) {}

    Result<std::vector<Option>> run()
    {
        std::vector<Option> options;
        for (bool is_last = false; !is_last;) {
            Option option;
            if (auto key = read_key(option); !key) return tl::unexpected(std::move(key).error());
            auto end = read_values(option.values);
            if (!end) return tl::unexpected(std::move(end).error());
            is_last = *end == ';';
            options.push_back(std::move(option));
            if (options.size() > kMostOptions) return fail("more than {} options", kMostOptions);
        }
        return options;
    }

private:
    char peek() const { return at_.position < at_.text.size() ? at_.text[at_.position] : '\n'; }
    bool at_end() const { return at_.position >= at_.text.size(); }
    static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v'; }

    /// False: the file ends.
    bool skip_blanks()
    {
        for (; !at_end(); ++at_.position) {
            if (peek() == '#') at_.position = std::min(at_.text.find('\n', at_.position), at_.text.size());
            if (at_end()) break;
            if (peek() == '\n') ++at_.line;
            else if (!is_blank(peek())) return true;
        }
        return false;
    }

    static auto ends() { return fail("the file ends within a definition: expected ';'"); }

    Status read_key(Option& option)
    {
        if (!skip_blanks()) return ends();
        option.line = at_.line;
        while (!at_end() && (((peek() | 0x20) >= 'a' && (peek() | 0x20) <= 'z') || peek() == '_')) option.key += at_.text[at_.position++];
        if (!skip_blanks()) return ends();
        if (option.key.empty() || peek() != '=')
            return fail("expected 'key = value, …;', got '{}'", text::escape_control(option.key.empty() ? std::string(1, peek()) : option.key + " " + peek()));
        ++at_.position;
        return {};
    }

    /// Up to a ',' or ';', which is returned.
    Result<char> read_values(std::vector<std::string>& values)
    {
        for (;;) {
            if (!skip_blanks()) return ends();
            if (peek() == ',' || peek() == ';') return at_.text[at_.position++];
            auto value = read_value();
            if (!value) return tl::unexpected(std::move(value).error());
            values.push_back(*std::move(value));
            if (values.size() > kMostValues) return fail("more than {} values", kMostValues);
        }
    }

    Result<std::string> read_value()
    {
        std::string value;
        while (!at_end() && !is_blank(peek()) && std::string_view("#,;\n").find(peek()) == std::string_view::npos) {
            if (peek() != '"' && peek() != '\'') value += at_.text[at_.position++];
            else if (auto quoted = read_quoted(value); !quoted) return tl::unexpected(std::move(quoted).error());
        }
        return value;
    }

    Status read_quoted(std::string& value)
    {
        const char quote = at_.text[at_.position++];
        while (!at_end() && peek() != '\n') {
            const char c = at_.text[at_.position++];
            if (c == quote) return {};
            if (c != '\\') {
                value += c;
                continue;
            }
            const auto escaped = read_escape();
            if (!escaped) return tl::unexpected<Error>(escaped.error());
            value += *escaped;
        }
        return fail("a quote that is opened here does not end in its line");
    }

    Result<char> read_escape()
    {
        constexpr std::string_view kLetters = "\\ntr'\"", kMeanings = "\\\n\t\r'\"";
        const char c = at_end() ? '\n' : at_.text[at_.position++];
        if (const auto known = kLetters.find(c); known != std::string_view::npos) return kMeanings[known];
        const auto digit = [](char d) { return d >= '0' && d <= '9' ? d - '0' : (d | 0x20) >= 'a' && (d | 0x20) <= 'f' ? (d | 0x20) - 'a' + 10 : -1; };
        if (c == 'x' && at_.position + 2 <= at_.text.size()) {
            const int high = digit(at_.text[at_.position]), low = digit(at_.text[at_.position + 1]);
            at_.position += 2;
            if (high >= 0 && low >= 0 && high + low > 0) return static_cast<char>(high * 16 + low);
        }
        return fail("expected one of \\\\ \\n \\t \\r \\' \\\" \\xHH");
    }

    Cursor& at_;
};

class FieldsWriter {
public:
    FieldsWriter(const std::string& service, const std::vector<Option>& options) : service_(service)
    {
        for (const Option& option : options) {
            if (std::find(std::begin(kKeys), std::end(kKeys), option.key) == std::end(kKeys)) mistake(option.key.substr(0, 64), "unknown option");
            else if (!options_.emplace(option.key, &option.values).second) mistake(option.key, "the option is given twice");
        }
    }

    Fields run()
    {
        const std::string protocol = one("protocol").value_or("");
        if (protocol.empty()) mistake("protocol", "expected protocol = tcp, udp, unix, …: the option is missing");
        const bool datagrams = protocol.starts_with("udp") || protocol.starts_with("rpc/udp");
        const auto type = one("socktype");
        if (!type && protocol == "unix") mistake("socktype", "expected socktype = stream or dgram: the option is missing");
        words_ = {address(), type.value_or(datagrams ? "dgram" : "stream"), protocol.empty() ? "tcp" : protocol + buffers(), waiting(), identity(),
                  one("exec", true).value_or("internal")};
        if (const auto* arguments = find("args")) words_.insert(words_.end(), arguments->begin(), arguments->end());
        fields_.accept_max = one("accept_max").value_or("");
        fields_.ip_max = one("ip_max").value_or("");
        if (!fields_.ip_max.empty() && find("service_max") != nullptr) warn("service_max", "is ignored beside ip_max: there is one max_rate");
        if (find("acceptfilter") != nullptr) warn("acceptfilter", "is ignored");
        if (const auto* policy = find("ipsec"); policy != nullptr && !policy->empty())
            mistake("ipsec", "IPsec policies are not supported: set it with the kernel's tools and remove the option");
        fields_.words = std::move(words_);
        return std::move(fields_);
    }

private:
    void mistake(std::string option, std::string text) { fields_.mistakes.emplace_back(std::move(option), std::move(text)); }
    void warn(std::string option, std::string text) { fields_.warnings.emplace_back(std::move(option), std::move(text)); }

    const std::vector<std::string>* find(const std::string& key) const
    {
        const auto found = options_.find(key);
        return found == options_.end() ? nullptr : found->second;
    }

    /// The one value of an option, a word as it could stand in a line unless it may be `anything`.
    std::optional<std::string> one(const std::string& key, bool anything = false)
    {
        const auto* values = find(key);
        if (values == nullptr) return std::nullopt;
        const auto is_strange = [](char c) { return static_cast<unsigned char>(c) <= ' ' || std::string_view("\"'#,;").find(c) != std::string_view::npos; };
        const bool good = values->size() == 1 && !values->front().empty() &&
                          (anything || std::none_of(values->front().begin(), values->front().end(), is_strange));
        if (good) return values->front();
        mistake(key, "expected one word");
        return std::nullopt;
    }

    std::string address()
    {
        const auto host = one("bind");
        if (!host) return service_;
        if (service_.starts_with('/')) return warn("bind", "is ignored: a path has no address"), service_;
        if (service_.find(':') != std::string::npos) return mistake("bind", "the service names an address already"), service_;
        return host->find(':') == std::string::npos || host->starts_with('[') ? *host + ":" + service_ : "[" + *host + "]:" + service_;
    }

    std::string buffers()
    {
        std::string text;
        if (const auto size = one("sndbuf")) text += ",sndbuf=" + *size;
        if (const auto size = one("recvbuf")) text += ",rcvbuf=" + *size;
        return text;
    }

    std::string waiting()
    {
        const bool is_internal = find("exec") == nullptr || *find("exec") == std::vector<std::string>{"internal"};
        const auto word = one("wait");
        if (word && *word != "yes" && *word != "no") mistake("wait", fmt::format("expected yes or no, got '{}'", text::escape_control(*word)));
        if (find("wait") == nullptr && !is_internal) mistake("wait", "expected wait = yes or no: the option is missing");
        const auto most = one("service_max");
        return (word == "yes" ? "wait" : "nowait") + (most ? "." + *most : std::string());
    }

    std::string identity()
    {
        if (find("user") == nullptr) mistake("user", "the option is missing");
        const auto group = one("group");
        return one("user").value_or("root") + (group ? ":" + *group : "");
    }

    const std::string& service_;
    std::map<std::string, const std::vector<std::string>*> options_;
    std::vector<std::string> words_;
    Fields fields_;
};

}  // namespace

Result<std::vector<Option>> read_definition(Cursor& cursor)
{
    return DefinitionReader(cursor).run();
}

void skip_definition(Cursor& cursor)
{
    bool is_empty = false;   // the line so far
    for (; cursor.position < cursor.text.size(); ++cursor.position) {
        const char c = cursor.text[cursor.position];
        if (c == ';') return void(++cursor.position);
        if (c == '\n' && is_empty) return;
        if (c == '\n') ++cursor.line;
        is_empty = c == '\n' || (is_empty && (c == ' ' || c == '\t'));
    }
}

Fields fields_of(const std::string& service, const std::vector<Option>& options)
{
    return FieldsWriter(service, options).run();
}

}  // namespace xsv::config::inetd
