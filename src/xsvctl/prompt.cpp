#include "xsvctl/prompt.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include <editline/readline.h>
#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include "base/text.h"
#include "sys/fd.h"
#include "sys/files.h"
#include "xsvctl/session.h"

namespace xsv::xsvctl {
namespace {

// libedit keeps its state in globals, so there is one prompt.
volatile std::sig_atomic_t reading = 0, interrupted = 0;
Prompt::Complete completer;
constexpr int kHistoryLines = 1000;
constexpr std::size_t kHistoryBytes = 16 << 20;

void on_interrupt(int)
{
    if (reading) {
        interrupted = 1;  // the read returns with EINTR, libedit restores the terminal and gives up the line
        return;
    }
    [[maybe_unused]] const auto written = ::write(STDOUT_FILENO, "\n", 1);
    ::_exit(0);
}

// One line each, as Supervisor's client keeps it; libedit's own form would be unreadable to that, and the other way round.
void load_history(const std::string& file)
{
    if (file.empty()) return;
    auto text = sys::read_file(file, kHistoryBytes);
    if (!text) return;
    for (const std::string& line : text::split(*text, '\n')) {
        if (!line.empty()) add_history(line.c_str());
    }
}

// At once: the shell may end by a signal, and there may be two of them.
void append_to_history(const std::string& file, std::string line)
{
    if (file.empty()) return;
    line += '\n';
    const sys::UniqueFd fd(::open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
    if (fd) [[maybe_unused]] auto written = ::write(fd.get(), line.data(), line.size());
}

char** complete_word(const char* word, int, int)
{
    rl_attempted_completion_over = 1;  // or file names would follow
    static std::vector<std::string> found;
    found = completer(std::string(rl_line_buffer).substr(0, static_cast<std::size_t>(rl_point)), word);
    if (found.empty()) return nullptr;
    return rl_completion_matches(word, [](const char*, int state) -> char* {
        const auto index = static_cast<std::size_t>(state);
        return index < found.size() ? ::strdup(found[index].c_str()) : nullptr;
    });
}

}  // namespace

Prompt::Prompt(std::string text, std::string history_file, Complete complete)
    : text_(std::move(text)),
      history_file_(std::move(history_file)),
      terminal_(::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1)
{
    struct sigaction action {};
    action.sa_handler = on_interrupt;  // no SA_RESTART: read() must return
    ::sigaction(SIGINT, &action, nullptr);
    if (!terminal_) return;
    completer = std::move(complete);
    rl_readline_name = "xsvctl";
    rl_initialize();
    rl_attempted_completion_function = complete_word;
    rl_completer_word_break_characters = const_cast<char*>(" \t\n");
    using_history();
    stifle_history(kHistoryLines);
    load_history(history_file_);
}

Prompt::~Prompt()
{
    std::signal(SIGINT, SIG_DFL);
}

std::optional<std::string> Prompt::read()
{
    interrupted = 0;
    reading = 1;
    std::optional<std::string> line;
    if (terminal_) {
        std::fflush(stdout);
        const std::unique_ptr<char, void (*)(void*)> got(::readline(text_.c_str()), std::free);
        if (got) line = got.get();
    } else {
        std::fwrite(text_.data(), 1, text_.size(), stdout);
        std::fflush(stdout);
        line = read_line();
    }
    reading = 0;
    if (terminal_ && line && !line->empty() && *line != last_) {
        add_history(line->c_str());
        append_to_history(history_file_, *line);
        last_ = *line;
    }
    return line;
}

bool Prompt::was_interrupted() const
{
    return interrupted != 0;
}

std::optional<std::string> read_password(const std::string& question)
{
    std::fflush(stdout);
    sys::UniqueFd terminal(::open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC));
    termios before{};
    if (!terminal || ::tcgetattr(terminal.get(), &before) < 0) {
        std::fputs(question.c_str(), stderr);
        return read_line();
    }
    termios silent = before;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(terminal.get(), TCSAFLUSH, &silent);
    [[maybe_unused]] auto written = ::write(terminal.get(), question.data(), question.size());
    std::string line;
    char c = 0;
    ssize_t got = 0;
    interrupted = 0;
    reading = 1;  // Ctrl-C must not leave the terminal without echo
    while ((got = ::read(terminal.get(), &c, 1)) == 1 && c != '\n') line += c;
    reading = 0;
    ::tcsetattr(terminal.get(), TCSAFLUSH, &before);
    written = ::write(terminal.get(), "\n", 1);
    if (interrupted) ::_exit(0);
    if (got <= 0 && line.empty()) return std::nullopt;
    return line;
}

}  // namespace xsv::xsvctl
