#include "xsvctl/completion.h"

#include "base/text.h"
#include "xsvctl/commands.h"
#include "xsvctl/options.h"

namespace xsv::xsvctl {
namespace {

// Names come from whoever answers: they are compared and quoted, never expanded. The words are taken from the line, because
// bash splits "group:name" at the colon and wants only what follows it.
constexpr std::string_view kBash = R"script(# bash completion of xsvctl: source <(xsvctl --completion bash)
_xsvctl() {
    local line=${COMP_LINE:0:COMP_POINT} command= name i
    local -a words options=() candidates=()
    read -ra words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=('')
    local word=${words[-1]}
    for ((i = 1; i < ${#words[@]} - 1; i++)); do
        case ${words[i]} in
            @VALUE_OPTIONS@) options+=("${words[i]}" "${words[++i]}") ;;
            -*) ;;
            *) command=${words[i]}; break ;;
        esac
    done
    COMPREPLY=()
    case $command:${words[-2]} in
        :-c|:-r|:--configuration|:--history_file) command=check ;;
        :@VALUE_OPTIONS_HERE@) return ;;
    esac
    case $command in
        '') candidates=(@COMMANDS@ @OPTIONS@) ;;
        @FILES@) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        @NAMES@) mapfile -t candidates < <(xsvctl "${options[@]}" status 2>/dev/null | awk '{print $1}') ;;
    esac
    for name in "${candidates[@]}"; do
        [[ $name == "$word"* ]] || continue
        [[ $COMP_WORDBREAKS == *:* ]] && name=${name#"${word%"${word##*:}"}"}
        printf -v name %q "$name"
        COMPREPLY+=("$name")
    done
}
complete -F _xsvctl xsvctl
)script";

constexpr std::string_view kZsh = R"script(#compdef xsvctl
# zsh completion of xsvctl: source <(xsvctl --completion zsh), or this as a file _xsvctl in $fpath
_xsvctl() {
    local -a options names
    local command= i
    for ((i = 2; i < CURRENT; i++)); do
        case $words[i] in
            @VALUE_OPTIONS@) options+=("${(Q)words[i]}" "${(Q)words[i+1]}"); ((i++)) ;;
            -*) ;;
            *) command=$words[i]; break ;;
        esac
    done
    case $command:$words[CURRENT-1] in
        :-c|:-r|:--configuration|:--history_file) command=check ;;
        :@VALUE_OPTIONS_HERE@) return ;;
    esac
    case $command in
        '') compadd -- @COMMANDS@ @OPTIONS@ ;;
        @FILES@) _files ;;
        @NAMES@) names=(${(f)"$(xsvctl $options status 2>/dev/null | awk '{print $1}')"}); compadd -a names ;;
    esac
}
if [[ $funcstack[1] == _xsvctl ]]; then _xsvctl "$@"; else compdef _xsvctl xsvctl; fi
)script";

constexpr std::string_view kFish = R"script(# fish completion of xsvctl: xsvctl --completion fish | source
complete -c xsvctl -f
complete -c xsvctl -n __fish_use_subcommand -a '@COMMANDS@'
complete -c xsvctl -n '__fish_seen_subcommand_from @FILES@' -F
complete -c xsvctl -n '__fish_seen_subcommand_from @NAMES@' -a "(xsvctl status 2>/dev/null | awk '{print \$1}')"
)script";

std::string names_taking(Names first, Names second, std::string_view separator)
{
    std::vector<std::string> names;
    for (const std::string& name : command_names(false)) {
        const Names takes = find_command(name, false)->arguments;
        if (takes == first || takes == second) names.push_back(name);
    }
    return text::join(names, separator);
}

}  // namespace

Result<std::string> completion_script(std::string_view shell)
{
    std::string_view script;
    if (shell == "bash") script = kBash;
    if (shell == "zsh") script = kZsh;
    if (shell == "fish") script = kFish;
    if (script.empty()) return fail("--completion takes bash, zsh or fish, not {}", text::repr(shell));
    const std::string_view separator = shell == "fish" ? " " : "|";
    std::string out = text::replace_all(std::string(script), "@COMMANDS@", text::join(command_names(false), " "));
    const std::vector<std::string> options = option_words(), with_value = option_words(true);
    out = text::replace_all(out, "@OPTIONS@", text::join(options, " "));
    out = text::replace_all(out, "@VALUE_OPTIONS@", text::join(with_value, "|"));
    out = text::replace_all(out, "@VALUE_OPTIONS_HERE@", text::join(with_value, "|:"));
    out = text::replace_all(out, "@FILES@", names_taking(Names::Files, Names::Files, separator));
    return text::replace_all(out, "@NAMES@", names_taking(Names::Processes, Names::Groups, separator));
}

}  // namespace xsv::xsvctl
