# Looks at an attempt, and stops it.

# FOLDER ATTEMPT: goes there, or says that it is not there.
enter() {
    # shellcheck disable=SC2154
    cd "$home/$1/attempt-$2" 2>/dev/null || {
        printf 'absent\n'
        return 1
    }
}

# FOLDER ATTEMPT
status() {
    enter "$1" "$2" || return 0
    state
}

# FOLDER ATTEMPT LOG OFFSET LIMIT: one line of what has become of it, then what is in the log from there on. The state
# is looked at first: if it has ended by then, the log is complete.
follow() {
    enter "$1" "$2" || return 0
    state
    [ ! -e "$3.log" ] || tail -c "+$(($4 + 1))" "$3.log" | head -c "$5"
}

# FOLDER ATTEMPT LOG OFFSET PAUSE_S: what is in the log from there on, and what comes, until there comes no more.
tail_log() {
    enter "$1" "$2" >/dev/null || return 0
    offset=$4
    while :; do
        now=$(state)
        size=0
        [ ! -e "$3.log" ] || size=$(($(wc -c <"$3.log")))
        if [ "$size" -gt "$offset" ]; then
            tail -c "+$((offset + 1))" "$3.log" | head -c "$((size - offset))" || return
            offset=$size
        else
            case "$3 $now" in *' absent' | *' lost' | *' exited '* | 'setup running run') return 0 ;; esac
            sleep "$5"
        fi
    done
}

# FOLDER ATTEMPT GRACE_CS: asks it to end, and after the grace ends it. Returns when nothing of it is left.
stop() {
    enter "$1" "$2" >/dev/null || return 0
    ln -s stop stop 2>/dev/null || : # from here on nothing more begins
    until=$(($(uptime_cs) + $3))
    asked=' ' new=
    while going=$(members) && [ -n "$going" ] || is_alive "$(readlink runner)"; do
        signal=KILL
        if [ "$(uptime_cs)" -lt "$until" ]; then
            # Each is asked once, also one that began while the others were looked for.
            signal=TERM
            for one in $going; do
                case "$asked" in *" $one "*) ;; *) new="$new $one" ;; esac
            done
            asked="$asked$new "
            going=$new
        fi
        # shellcheck disable=SC2086
        [ -z "$going" ] || kill -s "$signal" $going 2>/dev/null
        new=
        sleep 0.05
    done
}
