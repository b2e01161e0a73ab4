# fish completion of lvsdr: lvsdr completion fish | source
# The candidates come from lvsdr itself, so they always fit the one installed.
function __lvsdr_complete
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    set -l lines ($before[1] __complete -- $before[2..-1] "$current" 2>/dev/null)
    if test "$lines[1]" = :files
        __fish_complete_path "$current"
    else
        printf '%s\n' $lines
    end
end
complete -c lvsdr -f -a '(__lvsdr_complete)'
