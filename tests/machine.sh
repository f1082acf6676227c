# What tests/run and benches/run share: an environment that does not depend on
# who calls, packages that are installed when they are missing, and nothing left
# behind. To be sourced, by a script of bash that has done `set -euo pipefail`;
# leaves it in the root of the project. `tidy`, if the script defines it, is
# called at the end, however that comes.

# shellcheck shell=bash

script=$(basename "$(dirname "$0")")/$(basename "$0")
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit

# Nothing below may depend on who calls: not on a database or a mail server that
# the caller's shell configures for countersign or libpq, nor on make's job
# server or a proxy between the script and 127.0.0.1.
unset "${!PG@}" "${!COUNTERSIGN_@}" "${!MAKE@}" MFLAGS
unset "${!DATABASE_URL@}" "${!SMTP_URL@}" MAIL_FROM PUBLIC_URL BIND RUST_LOG
cargo_home=${CARGO_HOME:-~/.cargo}
export PATH="$PATH:/usr/sbin:/sbin:$cargo_home/bin"
export LC_ALL=C.UTF-8 NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost
umask 022

say() { printf '%s: %s\n' "$script" "$*" >&2; }

# --- Leaving nothing behind -------------------------------------------------

job=       # the process group at work
planted=() # files put into /etc and /usr/sbin while packages are installed

# Ends what the job has left running: all of it after an interrupt, and the
# servers that a failed test forgot about after a normal end.
end_job() {
    local tenths
    [[ $job ]] || return 0
    kill -TERM -- "-$job" 2>/dev/null || true
    wait "$job" 2>/dev/null || true
    for ((tenths = 0; tenths < 50; tenths++)); do
        kill -0 -- "-$job" 2>/dev/null || break
        sleep 0.1
    done
    kill -KILL -- "-$job" 2>/dev/null || true
    job=
}

tidy() { :; }

cleanup() {
    trap '' HUP INT TERM # a second Ctrl-C must not leave half of it
    end_job
    tidy
    forget_planted
}

trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# Runs a command in a process group of its own, which can be ended as a whole.
# In the background, because bash attends to a signal only between foreground
# commands; and therefore without the terminal's input.
run() {
    local status=0
    set -m
    "$@" </dev/null &
    job=$!
    set +m
    wait "$job" || status=$?
    end_job
    return "$status"
}

# --- What the machine must have ---------------------------------------------

# The programs of the newest PostgreSQL server: Debian keeps a directory per
# version, none of them on PATH.
find_postgres() {
    local initdb
    initdb=$(printf '%s\n' /usr/lib/postgresql/*/bin/initdb | sort --version-sort | tail -n 1)
    [[ -x $initdb ]] || initdb=$(type -P initdb) || return 1
    dirname "$initdb"
}

as_root() {
    if ((EUID == 0)); then "$@"; else sudo -n "$@"; fi
}

# plant FILE MODE < contents: a file that is there while packages are installed.
# One that somebody else has put there stays as it is.
plant() {
    [[ ! -e $1 ]] || return 0
    planted+=("$1")
    as_root mkdir -p "$(dirname "$1")"
    as_root tee "$1" >/dev/null
    as_root chmod "$2" "$1"
}

forget_planted() {
    ((${#planted[@]} == 0)) || as_root rm -f "${planted[@]}"
    planted=()
}

install_packages() {
    if [[ ! $(type -P apt-get) ]] || { ((EUID)) && ! sudo -n true 2>/dev/null; }; then
        say "please install (these are Debian's names): $*"
        exit 1
    fi
    say "installing $*"
    # Debian starts the servers that it installs; we start our own. So no
    # service is started now, and no PostgreSQL cluster is made to be started later.
    plant /usr/sbin/policy-rc.d 755 <<<$'#!/bin/sh\nexit 101'
    if [[ " $* " == *" postgresql "* ]]; then
        plant /etc/postgresql-common/createcluster.d/countersign.conf 644 <<<'create_main_cluster = false'
    fi
    # A package list that cannot be had is apt's to explain, if it matters, in the next line.
    as_root apt-get update -qq || true
    as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
        apt-get install -y -qq --no-install-recommends \
        -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 "$@" </dev/null >&2
    forget_planted
    # Nor does nginx take port 80 at the next boot, on a machine that had none.
    if [[ " $* " == *" nginx "* && -d /run/systemd/system ]]; then
        as_root systemctl disable --quiet --now nginx.service
    fi
}
