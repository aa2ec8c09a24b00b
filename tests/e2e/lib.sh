# Sourced by every end-to-end test: where things are, how to fail, how to record, how to clean up.
# shellcheck shell=sh
set -eu
build=${FLEETPROF_BUILD:-$PWD/build}
tree=${FLEETPROF_SOURCE:-$PWD}
fleetprof=$build/fleetprof
work=$(mktemp -d "${TMPDIR:-/tmp}/fleetprof-e2e.XXXXXX")
children=

fail() {
	echo "FAILED: $*" >&2
	[ ! -f "$work/record.log" ] || sed 's/^/  record: /' "$work/record.log" >&2
	exit 1
}
skip() {
	echo "skipped: $*"
	exit 77
}
cleanup() { :; } # a test may define its own
finish() {
	status=$?
	set +e
	cleanup
	for child in $children; do kill -9 "$child" 2>/dev/null; done
	wait 2>/dev/null
	rm -rf --one-file-system "$work" # a mount that is left must not be emptied
	exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

need_root() { [ "$(id -u)" = 0 ] || skip "needs root"; }
need() { command -v "$1" >/dev/null 2>&1 || skip "$1 is not installed"; }

# wait_for COMMAND…: until it succeeds, for a minute at most.
wait_for() {
	waited=0
	until "$@"; do
		waited=$((waited + 1))
		[ $waited -lt 600 ] || return 1
		sleep 0.1
	done
}

# in_background COMMAND…: runs it until the test ends; its pid is in $child, and it has begun.
in_background() {
	"$@" &
	child=$!
	children="$children $child"
	wait_for is_itself || fail "$1 does not begin"
}
is_itself() { ! cmp -s "/proc/$$/cmdline" "/proc/$child/cmdline"; } # and not the copy of this shell that runs it

# samples_now PATTERN: a fleetprof with that in its command line has begun to sample.
samples_now() {
	for candidate in $(pgrep -f "$1"); do
		# shellcheck disable=SC2010
		! ls -l "/proc/$candidate/fd" 2>/dev/null | grep -q 'anon_inode:\[perf_event\]' || return 0
	done
	return 1
}

# record ARGUMENT…: one recording; what it prints goes to $work/record.log. Asserts the loss equation.
record() {
	"$fleetprof" record "$@" >"$work/record.log" 2>&1 || fail "fleetprof record $* exited with $?"
	balanced
}
balanced() { grep -q '^loss equation: balanced' "$work/record.log" || fail "the loss equation does not balance"; }

# share FILE.folded TOTAL_PATTERN PATTERN: the share, in hundredths of a percent, of the samples of the lines that
# match the first pattern that also match the second.
share() {
	awk -v total="$2" -v part="$3" '{ n = $NF } $0 ~ total { t += n; if ($0 ~ part) p += n }
		END { if (!t) print "none"; else printf "%d\n", 10000 * p / t + 0.5 }' "$1"
}
# samples FILE.folded PATTERN: samples of the lines that match.
samples() { awk -v part="$2" '$0 ~ part { p += $NF } END { print p + 0 }' "$1"; }
