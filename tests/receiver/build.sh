#!/bin/sh
# build.sh BUILD: builds the receiver into BUILD/cache, once for these sources, and prints its path. Exit status 77, with
# the reason, where that cannot be done here.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$1/cache
skip() {
	echo "skipped: $*"
	exit 77
}
command -v go >/dev/null || skip "go is not installed"
want=$(sed -n 's/^go //p' "$here/go.mod")
have=$(GOTOOLCHAIN=local go version | sed 's/.* go\([0-9.]*\).*/\1/')
[ "$(printf '%s\n%s\n' "$want" "$have" | sort -V | head -n 1)" = "$want" ] ||
	skip "the receiver's modules need go $want, this is $have"
mkdir -p "$out"
exec 9>"$out/receiver.lock"
flock 9 # tests that run side by side build it once
sum=$(cat "$here"/*.go "$here"/go.* | sha256sum | cut -c 1-16)
if [ ! -x "$out/receiver-$sum" ]; then
	rm -f "$out"/receiver-*
	(cd "$here" && GOTOOLCHAIN=local GOFLAGS=-mod=readonly CGO_ENABLED=0 go build -o "$out/receiver.tmp$$" .) \
		>"$out/receiver.log" 2>&1 || skip "cannot build the receiver: $(tail -n 1 "$out/receiver.log")"
	mv "$out/receiver.tmp$$" "$out/receiver-$sum"
fi
echo "$out/receiver-$sum"
