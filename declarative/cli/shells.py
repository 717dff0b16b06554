"""The completion scripts of the shells. Each asks the command itself, and evaluates nothing that it answers.

The command answers one line that says what follows (`words`, `open`: words that no space may follow, `files`,
`folders`), and then a word a line; for zsh and fish with a tab and its description. No word holds anything that a
shell acts on, but brackets, which are escaped for bash.
"""

from __future__ import annotations

VARIABLE = "_DECLARATIVE_COMPLETE"

_BASH = """\
# Completion of declarative for bash, 3.2 and later. Into ~/.bashrc: eval "$(declarative completion bash)"
_declarative() {
    local line="" kind=""
    COMPREPLY=()
    while IFS= read -r line; do
        if [ -z "$kind" ]; then kind=$line; else COMPREPLY+=("$line"); fi
    done < <(_DECLARATIVE_COMPLETE=bash "$1" "${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" 2>/dev/null </dev/null)
    case $kind in
        open) compopt -o nospace 2>/dev/null ;;
        files | folders)
            while IFS= read -r line; do COMPREPLY+=("$line"); done < <(
                if [ "$kind" = files ]; then compgen -f -- "$2"; else compgen -d -- "$2"; fi
            )
            compopt -o filenames 2>/dev/null
            ;;
    esac
    return 0
}
complete -F _declarative declarative
"""

_ZSH = """\
#compdef declarative
# Completion of declarative for zsh. Into ~/.zshrc, after compinit: eval "$(declarative completion zsh)"
_declarative() {
    local -a lines values told
    local line kind
    line=$(_DECLARATIVE_COMPLETE=zsh "${words[1]}" "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null </dev/null)
    lines=("${(@f)line}")
    kind=${lines[1]}
    case $kind in
        files) _files; return ;;
        folders) _files -/; return ;;
    esac
    for line in "${(@)lines[2,-1]}"; do
        [[ -n $line ]] || continue
        values+=("${line%%$'\\t'*}")
        told+=("${line/$'\\t'/  -- }")
    done
    (( $#values )) || return 1
    if [[ $kind == open ]]; then
        compadd -S '' -l -d told -a -- values
    else
        compadd -l -d told -a -- values
    fi
}
if [[ "${funcstack[1]}" == _declarative ]]; then
    _declarative "$@"
else
    compdef _declarative declarative
fi
"""

_FISH = """\
# Completion of declarative for fish. Into ~/.config/fish/config.fish: declarative completion fish | source
function __declarative_complete
    set -l words (commandline -opc)
    set -l last (commandline -ct | string unescape)
    set -l lines (env _DECLARATIVE_COMPLETE=fish $words[1] $words[2..-1] "$last" 2>/dev/null </dev/null)
    switch "$lines[1]"
        case files
            __fish_complete_path (commandline -ct)
        case folders
            __fish_complete_directories (commandline -ct)
        case '*'
            printf '%s\\n' $lines[2..-1]
    end
end
complete -c declarative -f -a '(__declarative_complete)'
"""

SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
