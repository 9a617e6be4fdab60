# Carries one attempt out, in the attempt's folder, in a session of its own: DIGEST (of the setup; empty for none) UMASK.
# What it reads exports the variables of the task: they are in no file and on no command line.

# PHASE: its script in a session of its own, output in its log. Leaves its exit code in `code`.
carry_out() {
    code=143
    [ ! -L stop ] || return
    (
        umask "$user_umask"
        # From here on names are the task's: nothing of ours is looked up any more.
        set -- "$(command -v setsid)" "$(command -v bash || command -v sh)" "$PWD/$1.sh"
        cd ../workdir && eval "$exports" && exec "$@"
    ) </dev/null >>"$1.log" 2>&1 &
    started=$!
    ln -sfn "$1 $(process "$started")" phase
    wait "$started"
    code=$?
}

main() {
    user_umask=$2
    exports=$(cat)
    case "$exports" in *'#end') ;; *) return ;; esac
    # One of all that were started for this attempt gets to make the link.
    if ! ln -s "$(process $$)" runner 2>/dev/null; then
        [ ! -L runner ] || printf 'before\n'
        return
    fi
    printf 'started\n'
    # The connection is let go of here.
    exec </dev/null >/dev/null 2>&1
    note_activity
    code=0
    phase=setup
    if [ -n "$1" ] && [ ! -L "../setup-$1" ]; then
        carry_out setup
        [ "$code" -ne 0 ] || ln -sfn "done" "../setup-$1"
    fi
    if [ "$code" -eq 0 ]; then
        phase=run
        carry_out run
    fi
    ln -s "$phase $code" exit
    note_activity
}

main "$@"
