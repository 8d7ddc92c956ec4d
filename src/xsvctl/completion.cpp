#include "xsvctl/completion.h"

#include "base/text.h"
#include "xsvctl/commands.h"

namespace xsv::xsvctl {
namespace {

constexpr std::string_view kBash = R"script(# bash completion of xsvctl: source <(xsvctl --completion bash)
_xsvctl() {
    local word=${COMP_WORDS[COMP_CWORD]} command= i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            -c|-s|-u|-p|-r) ((i++)) ;;
            -*) ;;
            *) command=${COMP_WORDS[i]}; break ;;
        esac
    done
    COMP_WORDBREAKS=${COMP_WORDBREAKS//:}
    case $command in
        '') COMPREPLY=($(compgen -W '@COMMANDS@' -- "$word")) ;;
        @FILES@) COMPREPLY=($(compgen -f -- "$word")) ;;
        @NAMES@) COMPREPLY=($(compgen -W "$(xsvctl status 2>/dev/null | awk '{print $1}')" -- "$word")) ;;
    esac
}
complete -F _xsvctl xsvctl
)script";

constexpr std::string_view kZsh = R"script(#compdef xsvctl
# zsh completion of xsvctl: source <(xsvctl --completion zsh)
_xsvctl() {
    local -a names
    if (( CURRENT == 2 )); then
        compadd -- @COMMANDS@
        return
    fi
    case $words[2] in
        @FILES@) _files ;;
        @NAMES@) names=(${(f)"$(xsvctl status 2>/dev/null | awk '{print $1}')"}); compadd -- $names ;;
    esac
}
compdef _xsvctl xsvctl
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
    out = text::replace_all(out, "@FILES@", names_taking(Names::Files, Names::Files, separator));
    return text::replace_all(out, "@NAMES@", names_taking(Names::Processes, Names::Groups, separator));
}

}  // namespace xsv::xsvctl
