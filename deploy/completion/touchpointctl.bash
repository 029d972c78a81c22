# bash completion for touchpointctl; a test compares it with the program
_touchpointctl() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command='' i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --url | --token-file | --ca) ((i++)) ;;
        -*) ;;
        *) command=${COMP_WORDS[i]}; break ;;
        esac
    done
    local -A options=(
        [status]=''
        [doctor]=''
        [messages]='--state --org --object --record --campaign --error --since --until --limit --ids --json'
        [show]='--json'
        [replay]='--state --org --object --record --campaign --error --since --until --reason --yes --dry-run --wait --json'
        [discard]='--state --org --object --record --campaign --error --since --until --reason --yes --dry-run --wait --json'
        [inject]='--org --json'
        [quarantine]='--limit --json'
        [ledger]='--org --campaign --member --limit --json'
        [explain]='--org --json'
        [preview]='--org --setting --json'
        [channels]='--org --json'
        [set-date]='--where --members --date --reason --org --dry-run --wait --yes --json'
        [undo]='--reason --dry-run --wait --yes --json'
        [jobs]='--kind --state --org --limit --json'
        [job]='--wait --json'
        [cancel]='--json'
        [approve]='--json'
        [reconcile]='--org --reason --yes --all --dry-run --wait --json'
        [pause]='--reason --json'
        [resume]='--reason --json'
        [forget]='--org --email --yes --dry-run --json'
        [reload]=''
        [check-config]=''
    )
    local choice=''
    case $before in
    --token-file | --ca | --members) compopt -o default; return ;;
    --setting) choice='all responded exclude blank' ;;
    --date) choice='clear campaign_start campaign_end' ;;
    --kind) choice='replay discard reconcile dates undo held_deletions' ;;
    --state)
        choice='ready leased done failed'
        [ "$command" = jobs ] && choice='queued running done cancelled failed held approved'
        ;;
    --url | --org | --object | --record | --campaign | --error | --since | --until | --limit | --reason | --where | --member) return ;;
    *)
        if [ -z "$command" ]; then
            choice="${!options[*]}"
            [[ $word == -* ]] && choice='--url --token-file --ca --json --help --version'
        elif [[ $word == -* ]]; then
            choice=${options[$command]}
        elif [ "$command" = inject ] || [ "$command" = check-config ]; then
            compopt -o default
            return
        elif [[ " replay discard reconcile pause resume " == *" $command "* ]]; then
            choice=ALL
        fi
        ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$choice" -- "$word")
}
complete -F _touchpointctl touchpointctl
