# Shared by tests/run and benches/run: an environment that does not depend on the caller,
# installation of missing packages, and cleanup on exit. A bash script sources it after
# `set -euo pipefail`. It changes the directory to the root of the project. On every exit it
# calls `tidy`, if the script defines that.

# shellcheck shell=bash

script=$(basename "$(dirname "$0")")/$(basename "$0")
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit

# Removes the caller's settings for countersign, libpq, make's job server, and proxies for
# 127.0.0.1.
unset "${!PG@}" "${!COUNTERSIGN_@}" "${!MAKE@}" MFLAGS
unset "${!DATABASE_URL@}" "${!SMTP_URL@}" MAIL_FROM PUBLIC_URL BIND RUST_LOG
cargo_home=${CARGO_HOME:-~/.cargo}
export PATH="$PATH:/usr/sbin:/sbin:$cargo_home/bin"
export LC_ALL=C.UTF-8 NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost
umask 022

say() { printf '%s: %s\n' "$script" "$*" >&2; }

# --- Cleanup ----------------------------------------------------------------

job=       # the running process group
planted=() # files in /etc and /usr/sbin that exist during the installation of packages

# Ends the remaining processes of the job: all of them after an interrupt, and servers that a
# failed test has left running after a normal end.
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
    remove_faketime_files
}

# Removes what libfaketime leaves in memory when its process is killed. Each name ends with the id of that process.
remove_faketime_files() {
    local file
    for file in /dev/shm/{faketime_shm,sem.faketime_sem}_*; do
        [[ -d /proc/${file##*_} ]] || rm -f "$file" 2>/dev/null || true
    done
}

tidy() { :; }

cleanup() {
    trap '' HUP INT TERM # a second Ctrl-C must not interrupt the cleanup
    end_job
    tidy
    forget_planted
}

trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# Runs a command in its own process group, which can be ended as a whole. The command runs in
# the background, because bash handles signals only between foreground commands. Therefore it
# has no terminal input.
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

# --- Packages ---------------------------------------------------------------

# The programs of the newest PostgreSQL server: Debian has a directory per version, not in PATH.
find_postgres() {
    local initdb
    initdb=$(printf '%s\n' /usr/lib/postgresql/*/bin/initdb | sort --version-sort | tail -n 1)
    [[ -x $initdb ]] || initdb=$(type -P initdb) || return 1
    dirname "$initdb"
}

# The library that sets a process's clock wrong.
find_faketime() {
    local library
    library=$(printf '%s\n' /usr/lib/*/faketime/libfaketimeMT.so.1 | head -n 1)
    [[ -e $library ]] || return 1
    echo "$library"
}

as_root() {
    if ((EUID == 0)); then "$@"; else sudo -n "$@"; fi
}

# plant FILE MODE < contents: creates a file that exists during the installation of packages.
# An existing file is not changed.
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
        say "please install these packages (Debian names): $*"
        exit 1
    fi
    say "installing $*"
    # Debian starts the servers that it installs. These files prevent that services are started
    # and that a PostgreSQL cluster is created.
    plant /usr/sbin/policy-rc.d 755 <<<$'#!/bin/sh\nexit 101'
    if [[ " $* " == *" postgresql "* ]]; then
        plant /etc/postgresql-common/createcluster.d/countersign.conf 644 <<<'create_main_cluster = false'
    fi
    # A failed update is reported by the installation below, if it matters.
    as_root apt-get update -qq || true
    as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
        apt-get install -y -qq --no-install-recommends \
        -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 "$@" </dev/null >&2
    forget_planted
    # Prevents that the newly installed nginx takes port 80 at the next boot.
    if [[ " $* " == *" nginx "* && -d /run/systemd/system ]]; then
        as_root systemctl disable --quiet --now nginx.service
    fi
}

# install_node_packages SOURCE TARGET: installs the packages of SOURCE/package-lock.json in TARGET, if TARGET
# does not have them.
install_node_packages() {
    # npm writes this file last.
    if [[ ! -e $2/node_modules/.package-lock.json ]] || ! cmp -s "$1/package-lock.json" "$2/package-lock.json"; then
        say "creating $2"
        mkdir -p "$2"
        cp "$1/package.json" "$1/package-lock.json" "$2"
        npm ci --prefix "$PWD/$2" --ignore-scripts --no-audit --no-fund --silent
    fi
}
