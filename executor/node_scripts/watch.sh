# Ends the node when it has been idle: IDLE_CS PAUSE_S SESSIONS END. SESSIONS (yes|no): whether an open SSH session counts.

is_busy() {
    # shellcheck disable=SC2154
    for runner in "$home"/*/*/attempt-*/runner; do
        [ ! -L "${runner%runner}exit" ] && is_alive "$(readlink "$runner")" && return
    done
    [ "$1" = yes ] && has_session
}

# sshd writes whose session a process serves into its command line: `sshd: user@pts/0`, `sshd-session: user@notty`.
has_session() {
    for entry in /proc/[0-9]*/cmdline; do
        title=
        { read -r title <"$entry"; } 2>/dev/null
        case "$title" in 'sshd: '*@* | 'sshd-session: '*@*) return 0 ;; esac
    done
    return 1
}

main() {
    self=$(process $$)
    ln -sfn "$self" "$home/watch" || return
    printf 'started\n'
    exec </dev/null >/dev/null 2>&1
    note_activity
    while [ "$(readlink "$home/watch")" = "$self" ]; do # until another one takes over
        if is_busy "$3"; then
            note_activity
        elif [ "$(($(uptime_cs) - $(readlink "$home/active")))" -ge "$1" ]; then
            # If it fails, it is tried again.
            sh -c "$4"
        fi
        sleep "$2"
    done
}

main "$@"
