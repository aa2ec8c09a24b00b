#!/bin/sh
# The settings as a person meets them: the example is good and the default, mistakes are told where they are.
set -eu
build=${FLEETPROF_BUILD:-build}
fleetprof=$build/fleetprof
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { echo "failed: $*"; exit 1; }
refused() { # WORDS ARGUMENT…
	words=$1
	shift
	rc=0
	"$fleetprof" agent "$@" >"$work/out" 2>&1 || rc=$?
	[ "$rc" = 2 ] || fail "agent $*: status $rc, not 2"
	grep -Fq -- "$words" "$work/out" || { cat "$work/out"; fail "agent $* does not say: $words"; }
}

"$fleetprof" agent --example-config >"$work/example.yaml"
[ "$("$fleetprof" agent --check-config "$work/example.yaml")" = "$work/example.yaml: good" ] || fail "the example"
# With every example in it uncommented, it is good as well.
sed 's/^#\([^ ]\|  \)/\1/' "$work/example.yaml" >"$work/all.yaml"
cmp -s "$work/example.yaml" "$work/all.yaml" && fail "nothing was uncommented"
"$fleetprof" agent --check-config "$work/all.yaml" >/dev/null || fail "the uncommented example"
awk 'length($0) > 110 { exit 1 }' "$work/example.yaml" || fail "long lines in the example"
"$fleetprof" agent --help >"$work/help"
for word in --rate FLEETPROF_MEMORY_LIMIT --upload --check-config basic.password_file /etc/fleetprof/fleetprof.yaml; do
	grep -q -- "$word" "$work/help" || fail "--help does not say $word"
done

printf 'rate: 19\nuplod:\n  - url: http://x\n' >"$work/key.yaml"
refused "$work/key.yaml:2:1: unknown key \"uplod\" (did you mean \"upload\"?)" --check-config "$work/key.yaml"
printf 'memory:\n  limit: 12MB\n' >"$work/type.yaml"
refused "$work/type.yaml:2:10:" --check-config "$work/type.yaml"
# What only the exporter can know is asked of it.
printf 'relabel:\n  - {source_labels: [a], regex: "x(", target_label: b}\n' >"$work/regex.yaml"
refused 'the exporter refuses these settings: --relabel' --check-config "$work/regex.yaml"
refused 'web.allow_remote: true' --check-config "$work/example.yaml" --web-listen 0.0.0.0:80
refused '--rate: ' --check-config "$work/example.yaml" --rate 0
refused 'did you mean --rate?' --raet 5
refused 'No such file' --config "$work/none.yaml"
FLEETPROF_RATE=fast refused 'FLEETPROF_RATE: ' --check-config "$work/example.yaml"
mkfifo "$work/fifo"
refused 'not a regular file' --check-config "$work/fifo"

# No secret gets into an exporter's arguments.
printf 'upload: {url: "http://u:p@x"}\n' >"$work/secret.yaml"
refused 'basic.password_file' --check-config "$work/secret.yaml"
printf 'upload: {url: "http://x", headers: {Authorization: "Basic abc"}}\n' >"$work/secret.yaml"
refused 'looks like a secret' --check-config "$work/secret.yaml"
