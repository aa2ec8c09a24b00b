#!/bin/sh
# The pprof tool reads, shows and merges our files: whole host, one owner, evil names.
set -eu
build=${FLEETPROF_BUILD:-build}
make=$build/tests/golden_make_profile
command -v go >/dev/null || { echo "skipped: no go"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Newer Go builds the tool at its first use, and wants a place for that.
[ -n "${HOME:-}" ] || export GOCACHE="$build/go-cache"
export PPROF_TMPDIR="$work" PPROF_BINARY_PATH="$work" GOTOOLCHAIN=local

pprof() { go tool pprof -symbolize=none "$@" 2>"$work/stderr" || { cat "$work/stderr"; exit 1; }; }
fail() { echo "failed: $*"; exit 1; }
# has FILE PATTERN…: each extended regular expression matches a line.
has() {
	file=$1
	shift
	for pattern; do
		grep -Eq -- "$pattern" "$file" || { cat "$file"; fail "no line matches: $pattern"; }
	done
}

"$make" known pprof >"$work/all.pb.gz"
"$make" known pprof 0 >"$work/web.pb.gz"
"$make" known pprof 1 >"$work/ssh.pb.gz"

pprof -raw "$work/all.pb.gz" >"$work/raw"
has "$work/raw" '^PeriodType: cpu nanoseconds' '^Period: 10000000' '^Duration: 1s' \
	'^Time: 2023-11-14 22:13:20' '^samples/count cpu/nanoseconds\[dflt\]' '^ +60 +600000000: 1 2 3' \
	'comm:\[app\] container:\[web\].* thread:\[worker;1\]' 'pid:\[4242 id\]' \
	'1: 0x401100 M=2 ns::hot\(int\) hot.h:12.* s=10\(_ZN2ns3hotEi\)' ' work\(void\) app.cc:34' \
	'0x1234 M=3 libc.so.6!0x1234' 'main.\(\*T\[go.shape.int\]\).Run /src/t.go:9.* s=7' \
	'^1: 0x0/0x0/0x0 \[kernel.kallsyms\] +\[FN\] *$' \
	'^2: 0x0/0x0/0x0 /usr/bin/app abcdef0123456789 \[FN\]\[FL\]\[LN\]\[IN\]' \
	'libc.so.6 00ff10 *$' '^Comment: missed: 3'

pprof -top "$work/web.pb.gz" >"$work/top"
has "$work/top" '^File: app' '^Type: cpu' 'Total samples = 950ms' ' 600ms .* ns::hot\(int\) \(inline\)' \
	' 150ms .* entry_SYSCALL_64' ' 0 .* 950ms +100% +main$' ' libc.so.6!0x1234$'
pprof -top -sample_index=samples "$work/web.pb.gz" >"$work/top"
has "$work/top" '^Type: samples' '^ +60 .* ns::hot\(int\) \(inline\)'
pprof -tags "$work/all.pb.gz" >"$work/tags"
has "$work/tags" 'container: Total' 'web$' 'ssh.service$'

pprof -proto -output="$work/merged.pb.gz" "$work/web.pb.gz" "$work/ssh.pb.gz" "$work/all.pb.gz" >/dev/null
pprof -top "$work/merged.pb.gz" >"$work/top"
has "$work/top" '^File: app' 'Duration: 3s' ' 1200ms .* ns::hot\(int\) \(inline\)' ' 100ms .* \[truncated: no table\]'

# With evil names everywhere the tool must neither fail nor lose a sample, whole or by itself.
"$make" evil pprof >"$work/evil.pb.gz"
pprof -top -nodecount=1000 "$work/evil.pb.gz" >"$work/top"
samples=$(pprof -raw "$work/evil.pb.gz" | grep -Ec '^ +1 +10000000: [0-9]+ [0-9]+ [0-9]+')
[ "$samples" -ge 60 ] || fail "$samples samples with evil names"
pprof -proto -output="$work/merged.pb.gz" "$work/evil.pb.gz" "$work/all.pb.gz" >/dev/null
# Looking for binaries, as it does when nobody forbids it: the names must lead nowhere.
go tool pprof -top "$work/evil.pb.gz" >"$work/top" 2>"$work/stderr" || { cat "$work/stderr"; exit 1; }
