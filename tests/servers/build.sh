#!/bin/sh
# build.sh: builds real back ends for the tests from their Go modules, once, into the cache that `build.sh path NAME` names.
# The first build of Pyroscope takes some ten minutes and 2 GB of Go's own caches.
set -eu
cache=${XDG_CACHE_HOME:-$HOME/.cache}/fleetprof/servers
pyroscope=1.21.1

say() { printf '==> %s\n' "$*" >&2; }

path() {
	case $1 in
	pyroscope) echo "$cache/pyroscope-$pyroscope" ;;
	*) echo "unknown server: $1" >&2 && return 1 ;;
	esac
}

# Its own go.mod replaces these two modules; api and lidia stand for the folders of its tree, whose commits are no versions
# of their own. go.sum supplies hashes that the checksum database lacks.
build_pyroscope() {
	go mod init pyroscope.local
	go mod edit \
		-replace=github.com/hashicorp/memberlist=github.com/grafana/memberlist@v0.3.1-0.20251126142931-6f9f62ab6f86 \
		-replace=gopkg.in/yaml.v3=github.com/colega/go-yaml-yaml@v0.0.0-20220720105220-255a8d16d094 \
		-require=github.com/grafana/pyroscope@v$pyroscope \
		-require=github.com/grafana/pyroscope/api@v1.5.0 -require=github.com/grafana/pyroscope/lidia@v0.0.2
	go mod download github.com/grafana/pyroscope@v$pyroscope
	cat "$(go env GOMODCACHE)/github.com/grafana/pyroscope@v$pyroscope/go.sum" >>go.sum
	go build -tags netgo -o "$1" github.com/grafana/pyroscope/cmd/pyroscope
}

build() {
	to=$(path "$1")
	[ ! -x "$to" ] || { say "$1 is there: $to"; return 0; }
	command -v go >/dev/null || { echo "go is not installed" >&2; return 1; }
	say "building $1 (some minutes) into $to"
	mkdir -p "$cache"
	work=$(mktemp -d "$cache/build.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	cd "$work"
	export CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS='-mod=mod -buildvcs=false'
	"build_$1" "$work/server"
	mv "$work/server" "$to"
}

case ${1:-} in
path) path "$2" ;;
*) for server in "${@:-pyroscope}"; do build "$server"; done ;;
esac
