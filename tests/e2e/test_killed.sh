#!/bin/sh
# SIGKILL of any of our processes, at random moments: nothing stays behind, neither program, map, process nor file; a
# killed opener or symbolizer is started again, and costs names but no sample.
. "$(dirname "$0")/lib.sh"
need_root
need gcc
need bpftool
need pgrep

mkdir "$work/out"
gcc -O1 -g -fno-omit-frame-pointer -DLOOP=some_loop -o "$work/spin" "$tree/tests/fixtures/spin.c"
in_background "$work/spin"
spin=$child

# start ARGUMENT…: a recording in a session of its own; sets $session.
start() {
	setsid "$fleetprof" record -F 499 "$@" >"$work/record.log" 2>&1 &
	session=$!
	wait_for gets_going || fail "the recording does not get going: $(ps -s "$session" -o pid,ppid,args)"
}
gets_going() { [ -n "$(one_of core)" ] && [ -n "$(one_of worker)" ] && [ -n "$(one_of child)" ]; }

# one_of WHICH: the pid of one such process of the session, or nothing.
one_of() {
	case $1 in
	keeper) echo "$session" ;;
	core) pgrep -s "$session" -P "$session" -x fleetprof ;;
	run) pgrep -s "$session" -P "$session" -x fleetprof-run ;;
	opener) pgrep -s "$session" -P "$session" -f fleetprof-opener ;;
	symbolizer) pgrep -s "$session" -P "$session" -f fleetprof-symbolizer ;;
	worker) for parent in $(one_of opener); do pgrep -P "$parent"; done ;;
	child) for parent in $(one_of symbolizer); do pgrep -P "$parent"; done ;;
	esac | head -n 1
}

# objects PID: the ids of the BPF programs and maps that it holds, as "prog ID" and "map ID".
objects() {
	sed -n 's/^\(prog\|map\)_id:[[:space:]]*\([0-9]*\)/\1 \2/p' "/proc/$1"/fdinfo/* 2>/dev/null | sort -u
}

# nothing_left: every process of the session is gone, and with them what was loaded and half-written files.
nothing_left() {
	wait_for is_gone || fail "left behind: $(ps -s "$session" -o pid,args) $(echo "$loaded" | tr '\n' ' ')"
	left=$(find "$work/out" /tmp /var/tmp /dev/shm -maxdepth 1 -name '.fleetprof-*' -newer "$work/spin")
	[ -z "$left" ] || fail "a temporary file is left: $left"
}
is_gone() {
	! pgrep -s "$session" >/dev/null && ! echo "$loaded" | while read -r kind id; do
		! bpftool "$kind" show id "$id" >/dev/null 2>&1 || echo there
	done | grep -q there
}
moment() { sleep "0.$(od -An -N1 -tu1 /dev/urandom | tr -d ' ')"; }

# Helpers, each killed several times within one recording.
start -d 6 -p "$spin" -o "$work/out/helpers.folded"
loaded=$(objects "$(one_of core)")
[ "$(echo "$loaded" | wc -l)" -gt 5 ] || fail "the core's programs and maps are not seen: $loaded"
for which in child worker opener symbolizer child worker symbolizer opener; do
	victim=$(one_of "$which")
	[ -z "$victim" ] || kill -9 "$victim" 2>/dev/null || true
	moment
done
wait "$session" || fail "with its helpers killed it ends with $?"
balanced
grep -q 'fleetprof-opener (pid [0-9]*) ended; starting it again' "$work/record.log" || fail "no word of the opener's end"
grep -q 'fleetprof-symbolizer (pid [0-9]*) ended; starting it again' "$work/record.log" || fail "no word of the symbolizer's end"
all=$(samples "$work/out/helpers.folded" .)
[ "$all" -gt 300 ] || fail "only $all samples"
[ "$(samples "$work/out/helpers.folded" some_loop)" -gt $((all * 9 / 10)) ] || fail "the names did not come back: $(
	cut -c1-120 "$work/out/helpers.folded" | head -3)"
nothing_left

# The core, while it samples and (a large program, many names) while it symbolizes.
for when in sampling naming; do
	start -d 60 -o "$work/out/core.html"
	loaded=$(objects "$(one_of core)")
	victim=$(one_of core)
	moment
	[ $when = sampling ] || { kill -INT "$session"; moment; }
	kill -9 "$victim" 2>/dev/null || true
	status=0
	wait "$session" || status=$?
	[ $status = 137 ] || [ $status = 0 ] || fail "with its core killed it ends with $status"
	[ $status = 0 ] || grep -q 'the core was killed' "$work/record.log" || fail "no word of the core's end"
	nothing_left
done

# The keeper: the recording ends, and the core writes the files itself as far as it may.
start -d 20 -o "$work/out/keeper.folded"
loaded=$(objects "$(one_of core)")
moment
kill -9 "$session"
wait "$session" 2>/dev/null || true
nothing_left
[ -s "$work/out/keeper.folded" ] || fail "the keeper is killed and the recording lost: $(cat "$work/record.log")"
balanced

# The command's own parent, and with it the command.
start -o "$work/out/run.folded" -- "$work/spin"
loaded=$(objects "$(one_of core)")
victim=$(one_of run)
[ -n "$victim" ] || fail "the command has no parent"
moment
kill -9 "$victim"
status=0
wait "$session" || status=$?
[ $status != 0 ] || fail "with its command killed it ends with 0"
balanced
nothing_left
