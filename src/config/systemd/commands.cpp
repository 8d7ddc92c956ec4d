#include <algorithm>

#include "base/text.h"
#include "config/systemd/program.h"
#include "config/systemd/text.h"

/// ExecStart= and its relatives. Native commands know no variables; what can be known when the configuration is read is
/// put in then, and for the rest a shell stands in front: "/bin/sh -c 'set -f; exec prog $OPTIONS'". It replaces itself,
/// so the pid (and LISTEN_PID) is the program's.
namespace xsv::config::systemd {
namespace {

// What only the start tells.
constexpr std::string_view kStartVariables[] = {
    "MAINPID", "SERVICE_RESULT", "EXIT_CODE", "EXIT_STATUS", "REMOTE_ADDR", "REMOTE_PORT", "SO_COOKIE",
    "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "FDSTORE",
};

// The instance name of a connection, as systemd 252 makes it: "N-LOCAL:PORT-REMOTE:PORT", "N-PID-UID".
constexpr std::string_view kInstance =
    "\"$XSVD_CONNECTION-${IPCREMOTEPID:+$IPCREMOTEPID-$IPCREMOTEEUID}"
    "${TCPLOCALIP:+$TCPLOCALIP:$TCPLOCALPORT-$REMOTE_ADDR:$REMOTE_PORT}\"";

bool is_name_letter(char c)
{
    return c == '_' || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

bool is_variable(std::string_view name)
{
    return !name.empty() && !(name[0] >= '0' && name[0] <= '9') && std::all_of(name.begin(), name.end(), is_name_letter);
}

/// A part of a word: text, a variable in braces, or the connection's instance.
struct Piece {
    enum Kind { Text, Variable, Instance } kind = Text;
    std::string text;
};

/// "$NAME" alone is split into words; "${NAME}" is part of its word; "$$" is a dollar.
struct Word {
    bool splits = false;
    std::vector<Piece> pieces;   ///< one Variable when it splits
};

void add_text(Word& word, std::string_view text)
{
    if (text.empty()) return;
    if (word.pieces.empty() || word.pieces.back().kind != Piece::Text) word.pieces.push_back({Piece::Text, ""});
    word.pieces.back().text += text;
}

Word analyse(std::string_view text, bool literal)
{
    Word word;
    if (!literal && text.size() > 1 && text[0] == '$' && is_variable(text.substr(1))) return {true, {{Piece::Variable, std::string(text.substr(1))}}};
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto close = text.find('}', i);
        if (text[i] == kConnection) {
            word.pieces.push_back({Piece::Instance, ""});
        } else if (!literal && text.substr(i, 2) == "$$") {
            add_text(word, "$");
            ++i;
        } else if (!literal && text.substr(i, 2) == "${" && close != std::string_view::npos && is_variable(text.substr(i + 2, close - i - 2))) {
            word.pieces.push_back({Piece::Variable, std::string(text.substr(i + 2, close - i - 2))});
            i = close;
        } else {
            add_text(word, text.substr(i, 1));
        }
    }
    return word;
}

const std::string* value_of(const Environment& environment, std::string_view name)
{
    for (auto variable = environment.rbegin(); variable != environment.rend(); ++variable)
        if (variable->first == name) return &variable->second;
    return nullptr;
}

bool is_known_at_start(std::string_view name)
{
    return std::find(std::begin(kStartVariables), std::end(kStartVariables), name) != std::end(kStartVariables);
}

}  // namespace

void ProgramBuilder::commands(const Directive& directive, const Values& values)
{
    auto& list = commands_[std::string(directive.word)];
    for (const Assignment* line : values.items) parse_commands(*line, list);
}

/// systemd skips a start whose condition does not hold, and nobody has failed.
void ProgramBuilder::start_condition(const Directive& directive, const Values& values)
{
    commands(directive, values);
    if (!serves_one_caller()) note(values.place(), std::string(directive.key), "one that does not hold is a failed start here: it is looked at again after growing pauses");
}

void ProgramBuilder::parse_commands(const Assignment& line, std::vector<Command>& to)
{
    auto words = split_words(line.value);
    if (!words) return mistake(line.place, line.key, words.error().message);
    Command command;
    bool starts = true, wants_argv0 = false;
    const auto finish = [&] {
        if (wants_argv0) mistake(line.place, line.key, "'@' needs a second word: the name the program is called by");
        else if (command.words.empty()) mistake(line.place, line.key, "expected a command");
        else to.push_back(command);
    };
    for (const std::string& written : *words) {
        if (written == ";" && !starts) {
            finish();
            command = {};
            starts = true;
            wants_argv0 = false;
            continue;
        }
        const std::string text = text::replace_all(written, "\\;", ";");
        std::string_view rest = text;
        if (starts) {
            command.place = line.place;
            command.key = line.key;
            for (; !rest.empty() && std::string_view("@-:+!|").find(rest.front()) != std::string_view::npos; rest.remove_prefix(1)) {
                if (rest.front() == '-') command.may_fail = true;
                else if (rest.front() == '+') command.privileged = true;
                else if (rest.front() == ':') command.literal = true;
                else if (rest.front() == '@') wants_argv0 = true;
                else if (rest.front() == '|') return mistake(line.place, line.key, "the prefix '|' (through the user's shell) is not supported");
                else if (rest.substr(0, 2) == "!!") rest.remove_prefix(1);   // a fallback for old kernels
                else command.privileged = true;                            // "!": no change of identity
            }
            starts = false;
        }
        const auto expanded = specifiers_->expand(rest);
        if (!expanded) return mistake(line.place, line.key, expanded.error().message);
        if (wants_argv0 && !command.words.empty()) command.argv0 = *expanded, wants_argv0 = false;
        else command.words.push_back(*expanded);
    }
    finish();
}

/// What the program of a connection does first: nothing else runs beside it.
std::string ProgramBuilder::preparations()
{
    std::string line;
    for (const Command& command : commands_["start_pre"]) {
        if (command.privileged && !(user_.empty() && group_.empty()))
            warn(command.place, command.key, "ignored: needs more rights than the program has, whose user is set before anything runs for a connection: do it once");
        else
            line += shell_words(command) + " </dev/null" + (streams_to_caller_ ? " >/dev/null 2>&1" : " >&2") + (command.may_fail ? "; " : " || exit; ");
    }
    return line;
}

/// The command as a shell reads it.
std::string ProgramBuilder::shell_words(const Command& command)
{
    std::string line;
    for (std::size_t i = 0; i < command.words.size(); ++i) {
        const Word word = analyse(command.words[i], command.literal || i == 0);
        if (i > 0) line += ' ';
        if (word.pieces.empty()) line += "''";
        for (const Piece& piece : word.pieces) {
            if (piece.kind == Piece::Text) line += quoted_word(piece.text);
            else if (piece.kind == Piece::Instance) line += kInstance;
            else line += word.splits ? "$" + piece.text : "\"${" + piece.text + "}\"";
        }
    }
    return line;
}

std::string ProgramBuilder::rendered(const Command& command, bool main)
{
    std::vector<std::string> words;
    const std::string before = main && serves_one_caller() ? preparations() : std::string();
    std::string for_shell;
    const bool has_files = !environment_files_.empty() || !environment_pass_.empty();
    for (std::size_t i = 0; i < command.words.size(); ++i) {
        const Word word = analyse(command.words[i], command.literal || i == 0);
        std::string whole;
        for (const Piece& piece : word.pieces) {
            if (piece.kind == Piece::Text) {
                whole += piece.text;
                continue;
            }
            const std::string* value = piece.kind == Piece::Variable ? value_of(environment_, piece.text) : nullptr;
            if (piece.kind == Piece::Instance || has_files || is_known_at_start(piece.text)) for_shell = piece.kind == Piece::Instance ? "%i" : "$" + piece.text;
            else if (value != nullptr) whole += *value;
            else warn(command.place, command.key, fmt::format("the variable {} in a command is not set, so it is empty", piece.text));
        }
        if (!word.splits) {
            words.push_back(whole);
        } else if (auto split = split_words(whole)) {
            words.insert(words.end(), split->begin(), split->end());
        } else {
            mistake(command.place, command.key, fmt::format("the variable {}: {}", word.pieces.front().text, split.error().message));
        }
    }
    if (main && !command.argv0.empty()) section_.set("argv0", command.argv0, command.place);
    if (for_shell.empty() && before.empty()) return command_line(words);
    if (!for_shell.empty()) note(command.place, command.key, fmt::format("a shell puts {} in at each start, and becomes the program", for_shell));
    if (!before.empty()) note(command.place, command.key, "a shell runs the commands of ExecStartPre= and makes the folders for each connection, and becomes the program");
    if (!command.argv0.empty()) warn(command.place, command.key, fmt::format("the name '{}' after '@' is ignored: a shell starts the program", command.argv0));
    if (main && !command.argv0.empty()) section_.set("argv0", "/bin/sh", command.place);
    const std::vector<std::string> shell = {"/bin/sh", "-c", "set -f; " + before + "exec " + shell_words(command)};
    return command_line(shell);
}

void ProgramBuilder::finish_command()
{
    auto& start = commands_["start"];
    const Place& place = service_ != nullptr ? service_->place : parts_.front().unit->place;
    if (service_ == nullptr) return;
    if (start.empty() && type_ == "oneshot") return section_.set("command", "/bin/true", place);   // only its end matters
    if (start.empty()) return mistake(place, "ExecStart", "the service starts nothing: expected ExecStart=");
    if (start.size() > 1 && type_ != "oneshot")
        return mistake(start[1].place, "ExecStart", "expected one command; several are possible with Type=oneshot only");
    // Those before the last one run to their end first.
    auto& pre = commands_["start_pre"];
    pre.insert(pre.end(), start.begin(), start.end() - 1);
    exec_place_ = start.back().place;
    section_.set("command", rendered(start.back(), true), exec_place_);
}

void ProgramBuilder::finish_hooks()
{
    if (serves_one_caller()) {
        for (const std::string_view key : {"start_post", "stop_command", "stop_post"})
            for (const Command& command : commands_[std::string(key)])
                warn(command.place, command.key, "ignored: for a connection only the commands before the program are run");
        return;
    }
    for (const std::string_view key : {"start_pre", "start_post", "stop_command", "stop_post", "reload_command"}) {
        const auto found = commands_.find(key);
        if (found == commands_.end() || found->second.empty()) continue;
        std::vector<std::string> lines;
        for (const Command& command : found->second) {
            // "kill -HUP $MAINPID" is a signal, and needs no process to be sent.
            const auto& w = command.words;
            const bool is_kill = key == "reload_command" && w.size() == 3 && w[0].ends_with("/kill") && w[1].starts_with('-') && (w[2] == "$MAINPID" || w[2] == "${MAINPID}");
            if (is_kill && found->second.size() == 1) {
                section_.set("reload_signal", w[1].substr(w[1].starts_with("-s") && w[1].size() > 5 ? 2 : 1), command.place);
                continue;
            }
            lines.push_back(std::string(command.may_fail ? "-" : "") + (command.privileged ? "+" : "") + rendered(command, false));
        }
        if (!lines.empty()) section_.set(key, text::join(lines, "\n"), found->second.front().place);
    }
}

}  // namespace xsv::config::systemd
