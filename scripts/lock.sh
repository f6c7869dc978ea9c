#!/bin/sh
# Writes requirements/*.lock anew from the .in files: every version and hash, for every machine and Python from 3.11 on.
# The order matters: the tests' packages fix the versions of the kiosk's, so that one environment can serve both.
set -eu
cd "$(dirname "$0")/../requirements"

uv=$(command -v uv || true)
if [ -z "$uv" ]; then
    box=$(mktemp -d)
    trap 'rm -rf "$box"' EXIT
    echo "lock: uv is not on the PATH; putting one into a temporary environment" >&2
    ../.venv/bin/python -m venv "$box"
    "$box/bin/python" -m pip install --quiet --disable-pip-version-check uv
    uv=$box/bin/uv
fi

compile() {
    echo "lock: $2" >&2
    in=$1
    out=$2
    shift 2
    "$uv" pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
        --override overrides.txt "$@" "$in" --output-file "$out"
}

compile tools.in tools.lock "$@"
compile dev.in dev.lock --constraint tools.lock "$@"
compile run.in run.lock --constraint dev.lock "$@"
