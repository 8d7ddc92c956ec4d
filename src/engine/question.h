#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/context.h"

namespace xsv::engine {

/// A short process of ours that asks somebody who may hang, and writes the answer to its stdout: nobody here waits for it. It
/// limits its own time. Who destroys the question before its end is not told of the answer.
class Question {
public:
    using Answered = std::function<void(std::string text)>;
    struct Program {
        std::string path;
        std::vector<std::string> argv;     ///< the first one is its title
        std::optional<sys::User> user{};   ///< whose rights it has; nullopt: ours
    };
    /// Error: it could not be started. `answered` is called once, with at most `most` bytes; it may destroy the question.
    static Result<std::unique_ptr<Question>> ask(Context& context, Program program, std::size_t most, Answered answered);
    pid_t pid() const { return pid_; }

private:
    Question(std::string name, std::size_t most, Answered answered) : name_(std::move(name)), most_(most), answered_(std::move(answered)) {}
    void read();

    std::string name_;
    std::size_t most_;
    Answered answered_;
    std::string text_;
    pid_t pid_ = 0;
    sys::UniqueFd reader_;
    event::WatchPtr watch_;   // before the descriptor closes
};

}  // namespace xsv::engine
