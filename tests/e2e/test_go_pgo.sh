#!/bin/sh
# A Go program's profile: the linker's names arrive, also from a stripped binary, and Go's compiler takes the file as input
# of profile-guided optimization.
. "$(dirname "$0")/lib.sh"
need_root
need go
[ -n "${HOME:-}" ] || export GOCACHE="$build/go-cache"
export GOTOOLCHAIN=local GOFLAGS= CGO_ENABLED=0
case $(go env GOVERSION) in go1.1[0-9]* | go1.20*) skip "$(go env GOVERSION) is older than profile-guided optimization" ;; esac

mkdir "$work/loop"
cat >"$work/loop/main.go" <<'GO'
package main

import (
	"fmt"
	"os"
	"time"
)

//go:noinline
func step(x uint64) uint64 {
	for i := 0; i < 200; i++ {
		x = x*6364136223846793005 + 1442695040888963407
	}
	return x
}

//go:noinline
func leaf(x uint64) uint64 { return step(x) + 1 }

// Busy itself, too: Go's compiler counts a sample for the call to its leaf only.
func inlined(x uint64) uint64 {
	for i := 0; i < 20; i++ {
		x = x*2862933555777941757 + 3037000493
	}
	return leaf(x) ^ x
}

//go:noinline
func loop(until time.Time) (x uint64) {
	for time.Now().Before(until) {
		x = inlined(x)
	}
	return x
}

func main() { fmt.Fprintln(os.Stderr, loop(time.Now().Add(3*time.Second))) }
GO
printf 'module loop\ngo 1.21\n' >"$work/loop/go.mod"
(cd "$work/loop" && go build -ldflags='-s -w' -o "$work/program" .) || fail "go build"
record -F 997 -o "$work/go.pb.gz" -o "$work/go.folded" -- "$work/program"
# step has no frame: by frame pointers alone its caller leaf would be passed over.
got=$(share "$work/go.folded" ';program;' 'main\.main;main\.loop;main\.inlined;main\.leaf;main\.step[ ;]')
[ "$got" != none ] && [ "$got" -gt 6000 ] ||
	fail "main.main;main.loop;main.inlined;main.leaf;main.step is not the hot stack ($got): $(sort -t' ' -k2 -n "$work/go.folded" | tail -3)"
# The compiler says nothing of a profile it can use, and refuses one that it cannot.
(cd "$work/loop" && go build -pgo="$work/go.pb.gz" -o "$work/optimized" .) || fail "go build -pgo refuses the profile"
if go tool preprofile -i "$work/go.pb.gz" -o "$work/edges" 2>"$work/stderr"; then
	grep -A1 '^main\.loop$' "$work/edges" | grep -q '^main\.inlined$' || fail "no edge main.loop → main.inlined: $(head "$work/edges")"
	echo "edges that Go's compiler sees: $(($(wc -l <"$work/edges") / 3))"
else
	grep -q 'no such tool' "$work/stderr" || fail "go tool preprofile: $(cat "$work/stderr")"
fi
