#!/bin/sh
# Bad input and faults: a message that says what to do, a status that is not 0, and nothing lost that was recorded.
. "$(dirname "$0")/lib.sh"
need_root
need gcc
need capsh
need setpriv

# refused STATUS PATTERN COMMAND…: it ends with this status, and says so.
refused() {
	status=$1 pattern=$2
	shift 2
	got=0
	timeout 30 "$@" >"$work/record.log" 2>&1 || got=$?
	[ "$got" = "$status" ] || fail "$* ended with $got, not $status"
	grep -q -e "$pattern" "$work/record.log" || fail "$* does not say \"$pattern\""
}
record_refused() {
	status=$1 pattern=$2
	shift 2
	refused "$status" "$pattern" "$fleetprof" record "$@"
}

gcc -O1 -fno-omit-frame-pointer -DLOOP=some_loop -o "$work/spin" "$tree/tests/fixtures/spin.c"
in_background "$work/spin"

# Wrong words on the command line.
refused 2 'usage:' "$fleetprof"
refused 2 'unknown verb: recrod' "$fleetprof" recrod
record_refused 2 'unknown option --frequency' --frequency 99
record_refused 2 'unknown option -z' -z
record_refused 2 'needs a value' -F
record_refused 2 'not a whole number' -F 99.5
record_refused 2 'not a number of seconds' -d -1
record_refused 2 'must end in' -o flame.png
record_refused 2 'comes behind --' sleep 1
record_refused 2 'needs a command' --
record_refused 2 'not a process id' -p all
record_refused 2 'choose one of' -p $$ --cgroup /
limit=$(cat /proc/sys/kernel/perf_event_max_sample_rate)
if [ "$limit" -lt 100000 ]; then
	record_refused 1 'perf_event_max_sample_rate' -F $((limit + 1)) -d 1 -o "$work/x.folded"
fi

# The highest rate of all ends as well, at what the machine can bear of it.
[ "$limit" -le 100000 ] || limit=100000
refused 0 'loss equation: balanced' "$fleetprof" record -F "$limit" -d 0.5 -o "$work/x.folded"

# What is not there.
record_refused 1 'there is no process 2147483647' -p 2147483647
record_refused 1 'there is no container no-such-container' --container no-such-container -o "$work/x.folded"
record_refused 1 'there is no cgroup /no/such' --cgroup /no/such -o "$work/x.folded"
# not_run STATUS PATTERN COMMAND…: it says so once, and there is no profile of nothing.
not_run() {
	status=$1 pattern=$2
	shift 2
	record_refused "$status" "$pattern" -o "$work/none.folded" -- "$@"
	[ "$(grep -c "$1" "$work/record.log")" = 1 ] || fail "it says more than once that $1 cannot be run"
	! grep -q '^loss equation' "$work/record.log" || fail "it tells of a recording of what did not run"
	[ ! -e "$work/none.folded" ] || fail "there is a profile of what did not run"
}
not_run 127 'cannot run /no/such/command: No such file' /no/such/command
not_run 127 'cannot run no-such-command: No such file' no-such-command an-argument
not_run 126 'Permission denied' "$tree/CMakeLists.txt"
not_run 126 'Permission denied' /
record_refused 127 'balanced' -o "$work/x.folded" -- sh -c 'exit 127' # what a command says itself is its own
record_refused 7 'balanced' -o "$work/x.folded" -- sh -c 'exit 7'
record_refused 143 'balanced' -o "$work/x.folded" -- sh -c 'kill -TERM $$'

# Rights: none, one too few, a namespace of process ids, helpers that are not there.
refused 1 'needs CAP_BPF.*sudo' setpriv --reuid 65534 --regid 65534 --clear-groups "$fleetprof" record -o "$work/x.folded"
refused 1 'needs CAP_PERFMON' capsh --drop=cap_perfmon -- -c "'$fleetprof' record -o '$work/x.folded'"
refused 0 'without CAP_SYS_PTRACE programs and libraries have no names' \
	capsh --drop=cap_sys_ptrace -- -c "'$fleetprof' record -d 0.2 -o '$work/x.folded'"
balanced
refused 1 'PID namespace of its own.*--pid host' unshare --pid --fork --mount-proc "$fleetprof" record -o "$work/x.folded"
mkdir "$work/alone"
cp "$fleetprof" "$work/alone/"
refused 1 'install all of the programs together' "$work/alone/fleetprof" record -o "$work/x.folded"

# Outputs that cannot be: told before anything is recorded.
record_refused 1 "cannot write $work/none/x.html" -o "$work/none/x.html"
mkdir "$work/folder.html" "$work/readonly"
record_refused 1 'is no regular file' -o "$work/folder.html"
mount -t tmpfs -o ro none "$work/readonly"
record_refused 1 'Read-only file system' -o "$work/readonly/x.html"
umount "$work/readonly"

# … and those that cannot be any more when it ends: the recording is kept elsewhere, and said where.
kept_elsewhere() {
	kept=$(sed -n 's/.*it was written to //p' "$work/record.log")
	[ -s "$kept" ] || fail "nothing was kept"
	case $kept in *.html) grep -q '</html>' "$kept" || fail "$kept is not whole" ;; esac
	rm "$kept"
	balanced
}
mkdir "$work/small"
mount -t tmpfs -o size=64k none "$work/small"
dd if=/dev/zero of="$work/small/filler" bs=1k count=56 2>/dev/null
record_refused 1 'No space left on device' -d 0.3 -o "$work/small/x.html"
kept_elsewhere
[ "$(ls -A "$work/small")" = filler ] || fail "something is left on the full disk: $(ls -A "$work/small")"
umount "$work/small"
mkdir "$work/goes"
(wait_for samples_now "$work/goes/x.folded"; rmdir "$work/goes") &
record_refused 1 "cannot write $work/goes/x.folded" -d 2 -o "$work/goes/x.folded" -o "$work/stays.folded"
kept_elsewhere
[ -s "$work/stays.folded" ] || fail "the other output is missing"

# A process that ends before the time is up.
"$work/spin" &
brief=$!
(wait_for samples_now "$work/gone.folded"; sleep 1.5; kill $brief) &
record_refused 3 'ended after .*and the recording with it' -F 499 -d 25 -p $brief -o "$work/gone.folded"
balanced
[ "$(samples "$work/gone.folded" some_loop)" -gt 50 ] || fail "what was recorded of it is lost"

# Nobody reads what is printed, or nobody can: the files are there.
for to in '>&-' '<&- >&- 2>&-'; do
	sh -c "'$fleetprof' record -d 0.3 -o '$work/closed.folded' $to" || fail "with $to it ends with $?"
	grep -q ' [0-9]*$' "$work/closed.folded" || fail "with $to nothing was written"
	rm "$work/closed.folded"
done
refused 1 'cannot print the summary' sh -c "'$fleetprof' record -d 0.3 -o '$work/full.folded' >/dev/full"
[ -s "$work/full.folded" ] || fail "the file is missing when the summary cannot be printed"

# Signals finish the files; a second one gives up on names only. 0 is for ever.
for signal in INT TERM HUP; do
	"$fleetprof" record -d 0 -o "$work/signal.folded" >"$work/record.log" 2>&1 &
	pid=$!
	wait_for samples_now "$work/signal.folded" || fail "it does not begin to sample"
	sleep 0.5
	kill -$signal $pid
	sleep 0.05
	kill -$signal $pid 2>/dev/null || : # it may have ended
	wait $pid || fail "SIG$signal: it ends with $?"
	balanced
	[ -s "$work/signal.folded" ] || fail "SIG$signal: no file"
	rm "$work/signal.folded"
done

# Faster than it can be read: it still ends when it should, and accounts for all.
record_refused 0 'balanced' -F "$([ "$limit" -lt 20000 ] && echo "$limit" || echo 20000)" -d 0.5 -o "$work/fast.folded"
