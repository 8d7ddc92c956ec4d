#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace xsv::xsvctl {

/// Reads lines from a person, with editing, history and completion; from a pipe it just reads them. The prompt is
/// printed in both cases. Ctrl-C outside read() leaves the shell with exit code 0.
class Prompt {
public:
    using Complete = std::function<std::vector<std::string>(const std::string& line, const std::string& word)>;

    Prompt(std::string text, std::string history_file, Complete complete);
    ~Prompt();
    Prompt(const Prompt&) = delete;
    Prompt& operator=(const Prompt&) = delete;

    std::optional<std::string> read();  ///< nullopt at the end of input
    bool was_interrupted() const;       ///< the last read() ended by Ctrl-C

private:
    std::string text_, history_file_, last_;
    bool terminal_ = false;
};

/// Asks on the terminal without echo; from a pipe it just reads a line.
std::optional<std::string> read_password(const std::string& question);

}  // namespace xsv::xsvctl
