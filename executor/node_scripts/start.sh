# Starts an attempt, and the watch over idleness.

# FILE TEXT, in one step: a script of that name may be being read.
put() {
    printf '%s' "$2" >"$1.$$" && mv -f "$1.$$" "$1"
}

# FOLDER ATTEMPT DIGEST RUNNER SETUP RUN EXPORTS: says `started`, or `before` if it was.
start() {
    user_umask=$(umask)
    # shellcheck disable=SC2154
    mkdir -p "$home/$1/workdir" || return
    umask 077
    mkdir -p "$home/$1/attempt-$2" && cd "$home/$1/attempt-$2" || return
    if [ ! -L runner ]; then
        put runner.sh "$4" && put setup.sh "$5" && put run.sh "$6" || return
    fi
    # It ends when the runner has let go of its output.
    said=$(printf '%s' "$7" | setsid sh ./runner.sh "$3" "$user_umask" 2>&1 &)
    printf '%s\n' "$said"
}

# WATCH IDLE_CS PAUSE_S SESSIONS END
watch() {
    umask 077
    mkdir -p "$home" && cd "$home" && put watch.sh "$1" || return
    shift
    said=$(setsid sh ./watch.sh "$@" </dev/null 2>&1 &)
    printf '%s\n' "$said"
}
