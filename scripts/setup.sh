#!/bin/sh
# Makes this checkout ready: virtual environment, hash-locked packages, weights. `make` calls it; it needs no root.
#   scripts/setup.sh run    what a kiosk needs
#   scripts/setup.sh test   the tools of the tests besides
# Everything that is done already is skipped, so it may be interrupted and called again.
set -eu
cd "$(dirname "$0")/.."

what=${1:?run or test}
venv=.venv
log=$venv/setup.log

say() { printf 'set-up: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    for p in ${PYTHON:-python3.13 python3.12 python3.11 python3}; do
        if fits "$p"; then python=$p; return; fi
    done
    [ -z "${PYTHON:-}" ] || fail "PYTHON=$PYTHON is not a Python 3.11 or later. Name another, or leave PYTHON unset."
    fail "Python 3.11 or later is missing. Install it (Debian, Ubuntu: sudo apt install python3 python3-venv), then run this again."
}

make_venv() {
    if [ -e $venv/unfinished ]; then
        # A package that was being unpacked may look whole to pip; what was downloaded is in pip's cache.
        say "the last set-up was interrupted; unpacking the packages anew"
        rm -rf $venv
    fi
    if fits $venv/bin/python && $venv/bin/python -m pip --version >/dev/null 2>&1; then return; fi
    find_python
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "$python cannot make virtual environments. Install the module (Debian, Ubuntu: sudo apt install python3-venv), then run this again."
    room 2000000 "the packages"
    say "making $venv with $("$python" --version)"
    rm -rf $venv
    "$python" -m venv $venv || fail "$venv could not be made. Check the free space and the permissions of $PWD."
}

# room KIB WHAT: refuse early what would fill the disk half-way
room() {
    free=$(df -Pk . | awk 'NR == 2 { print $4 }')
    [ "$free" -ge "$1" ] ||
        fail "$PWD has $((free / 1000)) MB free, and $2 need $(($1 / 1000)) MB. Free some space, then run this again."
}

# pip_install WORDS…: pip with its many lines shortened to a count, and its failures to a sentence
pip_install() {
    total=$(grep -c '^[a-z].*==' "$lock") || total=1
    { $venv/bin/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation \
        --progress-bar off "$@" 2>&1 || echo "pip failed"; } | tee $log | {
        n=0
        while IFS= read -r line; do
            case $line in
            "pip failed") exit 1 ;;
            Collecting*) name=${line#Collecting }; n=$((n + 1)); count "$n" "$total" "${name%%==*}" ;;
            "Installing collected"*) newline; [ "$n" -eq 0 ] || say "unpacking $n packages" ;;
            esac
        done
    } || { newline; explain; }
}

# A terminal gets one line that is written over, a log one line for each tenth package.
count() {
    if [ -t 2 ]; then printf '\rset-up: %3d of %d  %-40s' "$1" "$2" "$3" >&2
    elif [ $(($1 % 10)) -eq 0 ]; then say "$1 of $2"
    fi
}

newline() { [ ! -t 2 ] || printf '\n' >&2; }

explain() {
    last=$(grep -i '^error' $log | head -n 1)
    if grep -qi 'no space left' $log; then fail "no space is left on the disk. Free some, then run this again."
    elif grep -q 'DO NOT MATCH THE HASHES' $log; then
        fail "a package differs from its hash in $lock ($log names it). Do not go on: check your package registry."
    elif grep -qE 'NewConnectionError|Failed to establish|name resolution|Timeout|ProxyError|SSLError|Connection' $log; then
        fail "the package registry cannot be reached. Check the network and pip's settings (pip config list), then run this again."
    elif grep -q 'No matching distribution' $log; then
        fail "the registry cannot be reached, or has no package for this Python or machine: ${last#ERROR: }. Check the network and pip's settings; Python 3.11 to 3.13 on 64-bit Linux will do."
    fi
    fail "pip failed: ${last:-no reason given}. The whole story is in $log."
}

install_packages() {
    if [ "$what" = test ]; then lock=requirements/dev.lock; else lock=requirements/run.lock; fi
    # The stamp holds what the environment depends on; dev.lock contains run.lock, so `test` serves `run` as well.
    now=$({ pwd; $venv/bin/python --version; cat requirements/*.lock pyproject.toml; } | cksum)
    for stamp in $venv/ready-test $venv/ready-$what; do
        if [ "$(cat "$stamp" 2>/dev/null)" = "$now" ]; then return; fi
    done
    packages=$lock
    say "installing the packages of $lock (about 400 MB the first time)"
    : >$venv/unfinished
    lock=requirements/tools.lock
    pip_install --require-hashes -r $lock
    lock=$packages
    pip_install --require-hashes -r "$lock"
    pip_install --no-index --editable .
    printf '%s\n' "$now" >"$venv/ready-$what"
    rm $venv/unfinished
    say "packages ready"
}

make_venv
install_packages
say "weights: only what is missing is fetched (1 GB the first time)"
exec $venv/bin/kiosk models fetch
