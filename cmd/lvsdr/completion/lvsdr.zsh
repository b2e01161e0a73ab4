#compdef lvsdr
# zsh completion of lvsdr: source <(lvsdr completion zsh), or as _lvsdr in $fpath.
# The candidates come from lvsdr itself, so they always fit the one installed.
_lvsdr() {
    local -a lines described
    local line
    lines=("${(@f)$("${words[1]}" __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ $lines[1] == :files ]]; then
        _files
        return
    fi
    for line in $lines; do
        described+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    done
    _describe lvsdr described
}
if [[ $funcstack[1] == _lvsdr ]]; then
    _lvsdr "$@"
else
    compdef _lvsdr lvsdr
fi
