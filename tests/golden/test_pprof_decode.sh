#!/bin/sh
# The pprof file of the known profile, taken apart by protoc, is known_profile.txt to the last field;
# the evil one can be taken apart. UPDATE=1 writes the expected text anew.
set -eu
build=${FLEETPROF_BUILD:-build} source=${FLEETPROF_SOURCE:-.}
make=$build/tests/golden_make_profile
golden=$source/tests/golden/known_profile.txt
command -v protoc >/dev/null || { echo "skipped: no protoc"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

decode() { gunzip | protoc --decode=perftools.profiles.Profile -I"$source/proto" "$source/proto/profile.proto"; }

"$make" known pprof >"$work/known.pb.gz"
decode <"$work/known.pb.gz" >"$work/known.txt"
[ -z "${UPDATE:-}" ] || cp "$work/known.txt" "$golden"
diff -u "$golden" "$work/known.txt"

"$make" evil pprof >"$work/evil.pb.gz"
decode <"$work/evil.pb.gz" >"$work/evil.txt"
grep -q 'string_table: "\\033\[2J' "$work/evil.txt" # whole: only the sinks that draw escape
! grep -q 'profile.proto:.*error' "$work/evil.txt"
