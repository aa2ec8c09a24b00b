#!/bin/sh
# fleetprof report on known files, on several at once, on Go's own profiles, and on what is no profile.
set -eu
build=${FLEETPROF_BUILD:-build}
make=$build/tests/golden_make_profile
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { echo "failed: $*"; exit 1; }
report() { "$build/fleetprof" report "$@" 2>"$work/stderr" >"$work/out" || { cat "$work/stderr"; fail "report $*"; }; }
refused() { # STATUS WORDS ARGUMENT…
	status=$1 words=$2
	shift 2
	rc=0
	"$build/fleetprof" report "$@" >"$work/out" 2>"$work/stderr" || rc=$?
	[ "$rc" = "$status" ] || fail "report $*: status $rc, not $status"
	grep -Fq -- "$words" "$work/stderr" || { cat "$work/stderr"; fail "report $* does not say: $words"; }
}
has() {
	for pattern; do
		grep -Eq -- "$pattern" "$work/out" || { cat "$work/out"; fail "no line matches: $pattern"; }
	done
}

"$make" known pprof >"$work/known.pb.gz"
"$make" known folded >"$work/known.folded"
"$make" evil pprof >"$work/evil.pb.gz"
"$make" big pprof >"$work/big.pb.gz"

report "$work/known.pb.gz"
has '^1\.00 s of cpu in 1\.0 s, 4 different stacks$' '^ 60\.00%   60\.00%   ns::hot\(int\)$' \
	'^ 15\.00%   15\.00% k entry_SYSCALL_64$' '^ 95\.00%  web$' '^  5\.00%  ssh\.service$'
# Twice the same is twice as much; a pipe has no colours.
report "$work/known.pb.gz" "$work/known.pb.gz" --limit 1
has '^2\.00 s of cpu in 2\.0 s' '^ 60\.00%   60\.00%   ns::hot' 'more functions'
! grep -q "$(printf '\033')" "$work/out" || fail "colours in a pipe"
report - --type samples <"$work/known.pb.gz"
has '^100 of samples'
report --owner ssh.service "$work/known.pb.gz"
has '^0\.05 s of cpu' '^100\.00%  100\.00%   \[truncated: no table\]$'
report --tree --min 0 "$work/known.folded"
has '^ 95\.00% .*web$' '^ 60\.00%   60\.00% .*ns::hot\(int\)$'
report --diff "$work/known.pb.gz" "$work/known.pb.gz"
has 'nothing changed'
report --tree "$work/evil.pb.gz"
! grep -q "$(printf '\033')" "$work/out" || fail "an escape sequence of a name came through"
report "$work/big.pb.gz" --limit 3

refused 1 'no owner "nobody" in it (it has: web, ssh.service)' --owner nobody "$work/known.pb.gz"
refused 1 'it has no type "heap" (it has: samples, cpu)' --type heap "$work/known.pb.gz"
refused 1 'by --type' --diff "$work/known.pb.gz" "$work/known.folded"
refused 1 'No such file' "$work/none.pb.gz"
refused 1 'is a folder' "$work"
refused 2 'which file?'
refused 2 'takes two files' --diff "$work/known.pb.gz"
head -c 100 "$work/known.pb.gz" >"$work/cut.pb.gz"
refused 1 'damaged or cut off' "$work/cut.pb.gz"

command -v go >/dev/null || { echo "no go: its own profiles are not read here"; exit 0; }
[ -n "${HOME:-}" ] || export GOCACHE="$build/go-cache"
cat >"$work/main.go" <<'END'
package main

import (
	"os"
	"runtime/pprof"
)

var kept [][]byte

func keep() {
	for i := 0; i < 64; i++ {
		kept = append(kept, make([]byte, 1<<20))
	}
}

func main() {
	keep()
	pprof.Lookup("heap").WriteTo(os.Stdout, 0)
}
END
(cd "$work" && GOTOOLCHAIN=local GO111MODULE=off go build -o heap main.go)
"$work/heap" >"$work/heap.pb.gz"
report "$work/heap.pb.gz"
has 'MiB of inuse_space' 'main\.keep$'
report --type alloc_objects "$work/heap.pb.gz"
has 'of alloc_objects'
