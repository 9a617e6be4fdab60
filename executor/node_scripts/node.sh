# What all scripts on a node share; run by any POSIX sh on Linux. Each is sent over standard input with this before it.
#
#     ~/.skybroker/<deployment>/<task>/    workdir/  setup-<digest> (that setup has succeeded here)
#         attempt-<n>/                     setup.sh  run.sh  setup.log  run.log
#                                          runner  phase  exit  stop
#
# The last four, and setup-<digest>, are symbolic links whose targets are what they say. A link is made with what it
# says in one step, only once, and needs no free block on a full disk.
#
#     runner -> a process        phase -> setup|run and its process        exit -> setup|run and its exit code
#
# A process is written as its number, its start in ticks after boot, and that boot, so that no later one is taken for it.

home="$HOME/.skybroker"

# Hundredths of a second since boot: a clock that nobody sets.
uptime_cs() {
    read -r since_boot _ </proc/uptime
    printf '%s\n' "${since_boot%.*}${since_boot#*.}"
}

# PID: leaves in `fields` what follows the name in /proc/PID/stat (proc(5)): state, parent, group, session, ...; the
# start is the 20th. It takes no process of its own, as there may be thousands to look at.
look_at() {
    { read -r fields <"/proc/$1/stat"; } 2>/dev/null && fields=${fields##*) }
}

# PID -> the process as it is written down; nothing if there is none.
process() {
    look_at "$1" || return
    # shellcheck disable=SC2086
    set -- "$1" $fields
    read -r boot </proc/sys/kernel/random/boot_id
    printf '%s %s %s\n' "$1" "${21}" "$boot"
}

# Whether a process that was written down goes on. One whose end nobody has asked for yet (Z) does not.
is_alive() {
    [ -n "$1" ] && [ "$(process "${1%% *}")" = "$1" ] && look_at "${1%% *}" && [ "${fields%% *}" != Z ]
}

# All that goes on of the phase in the attempt's folder, be it in groups of its own (as that of timeout(1) is). The
# leader comes first: it is to be signalled before it can go on because of what has become of the others.
members() {
    written=$(readlink phase) || return 0
    written=${written#* }
    leader=${written%% *}
    read -r boot </proc/sys/kernel/random/boot_id
    [ "${written##* }" = "$boot" ] || return 0
    now=$(process "$leader")
    [ -z "$now" ] || [ "$now" = "$written" ] || return 0 # the number went to somebody else
    is_alive "$written" && printf '%s\n' "$leader"
    for entry in /proc/[0-9]*; do
        look_at "${entry#/proc/}" || continue
        # shellcheck disable=SC2086
        set -- "${entry#/proc/}" $fields
        if [ "$5" = "$leader" ] && [ "$1" != "$leader" ] && [ "$2" != Z ]; then
            printf '%s\n' "$1"
        fi
    done
}

note_activity() {
    ln -sfn "$(uptime_cs)" "$home/active"
}

# In an attempt's folder: what has become of it, in one line.
state() {
    runner=$(readlink runner) || {
        printf 'absent\n'
        return
    }
    running=$(readlink phase) || running=setup
    # Whether it lives is asked before how it ended: the other way round, the end may come in between.
    is_alive "$runner" && alive=yes || alive=no
    if ended=$(readlink exit); then
        printf 'exited %s\n' "$ended"
    elif [ "$alive" = yes ]; then
        printf 'running %s\n' "${running%% *}"
    else
        printf 'lost\n'
    fi
}
