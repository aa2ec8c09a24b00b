#!/bin/sh
# Rows that are derived from code are those of the call frame information that was taken away from it.
set -eu
build=${FLEETPROF_BUILD:-build}
tree=${FLEETPROF_SOURCE:-.}
[ "$(uname -m)" = x86_64 ] || { echo "skipped: only x86-64's code is followed"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 "$tree/tests/golden/code_rows.py" "$build/fleetprof-symbolizer" "$work/without" "$build/fleetprof-symbolizer" $(ldd "$build/fleetprof-symbolizer" | grep -o "/[^ ]*\.so[^ ]*" | grep -v asan)
