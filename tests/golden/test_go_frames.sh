#!/bin/sh
# Functions, lines, inlined calls and unwind rows of stripped Go programs: as the whole ones' own DWARF tells them.
set -eu
build=${FLEETPROF_BUILD:-build}
tree=${FLEETPROF_SOURCE:-.}
command -v go >/dev/null || { echo "skipped: no go"; exit 77; }
command -v llvm-symbolizer >/dev/null || { echo "skipped: no llvm-symbolizer"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -n "${HOME:-}" ] || export GOCACHE="$build/go-cache"
export GOTOOLCHAIN=local CGO_ENABLED=0 GOFLAGS=

# compare NAME GO ARGUMENT…: builds by GO, strips, compares.
compare() {
	name=$1 go=$2
	shift 2
	"$go" build "$@" -o "$work/$name" "$tree/tests/fixtures/gotables.go"
	strip -o "$work/$name.stripped" "$work/$name"
	echo "$("$go" env GOVERSION) $name:"
	python3 "$tree/tests/golden/go_frames.py" "$build/fleetprof-symbolizer" "$work/$name" "$work/$name.stripped" 2000
	[ "$name" = pie ] || [ "$name" = older-pie ] || # the others' .debug_frame has the addresses that they run at
		python3 "$tree/tests/golden/go_unwind.py" "$build/fleetprof-symbolizer" "$work/$name" "$work/$name.stripped"
	# Without section headers the table is found by its own look.
	cp "$work/$name.stripped" "$work/$name.headless"
	printf '\0\0\0\0\0\0\0\0' | dd of="$work/$name.headless" bs=1 seek=40 conv=notrunc status=none
	printf '\0\0\0\0\0\0' | dd of="$work/$name.headless" bs=1 seek=58 conv=notrunc status=none
	address=$(nm "$work/$name" | sed -n 's/^\([0-9a-f]*\) T main\.outer$/0x\1/p')
	"$build/fleetprof-symbolizer" -e "$work/$name.headless" "$address" | grep -qx main.outer || {
		echo "failed: main.outer is not found without section headers"
		exit 1
	}
}

compare program go
compare pie go -buildmode=pie
compare trimmed go -trimpath
for go in /usr/lib/go-1.19/bin/go; do # the layout before Go 1.20
	[ ! -x "$go" ] || compare "older" "$go"
	[ ! -x "$go" ] || compare "older-pie" "$go" -buildmode=pie
done
