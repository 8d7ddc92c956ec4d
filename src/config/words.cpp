#include "config/words.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"

namespace xsv::config {
namespace {

/// Python's shlex.split(): POSIX words without comments.
class Shell {
public:
    explicit Shell(std::string_view text) : text_(text) {}

    Result<std::vector<std::string>> run()
    {
        while (next_ < text_.size()) {
            const char c = text_[next_++];
            if (std::string_view(" \t\r\n").find(c) != std::string_view::npos) {
                finish_word();
                continue;
            }
            in_word_ = true;
            if (c == '\\') {
                if (next_ == text_.size()) return fail("No escaped character");
                word_ += text_[next_++];
            } else if (c == '\'' || c == '"') {
                if (auto done = take_quoted(c); !done) return tl::unexpected<Error>(std::move(done).error());
            } else {
                word_ += c;
            }
        }
        finish_word();
        return std::move(words_);
    }

private:
    void finish_word()
    {
        if (in_word_) words_.push_back(std::move(word_));
        word_.clear();
        in_word_ = false;
    }

    /// Inside double quotes a backslash escapes only itself and the quote; inside single ones nothing.
    Status take_quoted(char quote)
    {
        while (next_ < text_.size()) {
            const char c = text_[next_++];
            if (c == quote) return {};
            if (c != '\\' || quote == '\'') {
                word_ += c;
                continue;
            }
            if (next_ == text_.size()) return fail("No escaped character");
            const char escaped = text_[next_++];
            if (escaped != '\\' && escaped != quote) word_ += '\\';
            word_ += escaped;
        }
        return fail("No closing quotation");
    }

    std::string_view text_;
    std::size_t next_ = 0;
    std::vector<std::string> words_;
    std::string word_;
    bool in_word_ = false;
};

tl::unexpected<Error> refuse(int code, std::string text)
{
    return tl::unexpected<Error>(Error{std::move(text), code});
}

std::string search_path(const Environment& environment)
{
    for (auto variable = environment.rbegin(); variable != environment.rend(); ++variable)
        if (variable->first == "PATH") return variable->second;
    const char* const path = ::getenv("PATH");
    return path != nullptr ? path : "/bin:/usr/bin:/usr/local/bin";
}

/// The first file of that name in the search path, executable or not.
std::string find_in_path(const std::string& name, const Environment& environment)
{
    struct stat status {};
    const std::string path = search_path(environment);
    for (std::size_t start = 0; start <= path.size();) {
        const auto end = std::min(path.find(':', start), path.size());
        const std::string folder = path.substr(start, end - start);
        const std::string candidate = folder.empty() ? name : folder + (folder.ends_with('/') ? "" : "/") + name;
        if (::stat(candidate.c_str(), &status) == 0) return candidate;
        start = end + 1;
    }
    return {};
}

}  // namespace

Result<std::vector<std::string>> shell_words(std::string_view command)
{
    return Shell(command).run();
}

std::optional<std::string> builtin_name(std::string_view command)
{
    constexpr std::string_view kPrefix = "builtin:";
    if (!command.starts_with(kPrefix)) return std::nullopt;
    return std::string(command.substr(kPrefix.size()));
}

Result<Program> resolve_command(std::string_view command, const Environment& environment)
{
    auto words = shell_words(command);
    if (!words) return refuse(EACCES, fmt::format("can't parse command {}: {}", text::repr(command), words.error().message));
    if (words->empty()) return refuse(EACCES, "command is empty");
    Program program;
    const std::string& name = words->front();
    program.path = name.find('/') != std::string::npos ? name : find_in_path(name, environment);
    struct stat status {};
    if (program.path.empty() || ::stat(program.path.c_str(), &status) != 0)
        return refuse(ENOENT, "can't find command " + text::repr(name));
    if (S_ISDIR(status.st_mode)) return refuse(EACCES, fmt::format("command at {} is a directory", text::repr(program.path)));
    if ((status.st_mode & 0111) == 0)
        return refuse(EACCES, fmt::format("command at {} is not executable", text::repr(program.path)));
    if (::access(program.path.c_str(), X_OK) != 0)
        return refuse(EACCES, "no permission to run command " + text::repr(program.path));
    program.argv = *std::move(words);
    return program;
}

}  // namespace xsv::config
