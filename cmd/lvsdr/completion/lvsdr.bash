# bash completion of lvsdr: source <(lvsdr completion bash)
# The candidates come from lvsdr itself, so they always fit the one installed.
_lvsdr() {
    local IFS=$'\n'
    COMPREPLY=($("${COMP_WORDS[0]}" __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
    if [[ ${COMPREPLY[0]} == :files ]]; then
        COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]#=}"))
        compopt -o filenames 2>/dev/null
        return 0
    fi
    COMPREPLY=("${COMPREPLY[@]%%$'\t'*}")
}
complete -F _lvsdr lvsdr
