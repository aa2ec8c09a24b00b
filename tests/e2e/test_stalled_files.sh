#!/bin/sh
# A program on a FUSE file system whose server stops answering, first opens, then reads: others lose neither samples nor
# names, and the recording ends when it should.
. "$(dirname "$0")/lib.sh"
need_root
need gcc
[ -c /dev/fuse ] || skip "no FUSE here"

gcc -O1 -o "$work/stalling_fuse" "$tree/tests/fixtures/stalling_fuse.c"
for loop in fuse_loop good_loop; do
	gcc -O1 -g -fno-omit-frame-pointer "-DLOOP=$loop" -o "$work/$loop" "$tree/tests/fixtures/spin.c"
done
mkdir "$work/fuse"
cleanup() {
	[ -z "${server:-}" ] || kill -9 "$server" 2>/dev/null
	umount -l "$work/fuse" 2>/dev/null
}
in_background "$work/stalling_fuse" "$work/fuse" "$work/fuse_loop"
server=$child
mounted() { grep -q " $work/fuse fuse" /proc/mounts || ! kill -0 "$server" 2>/dev/null; }
wait_for mounted && kill -0 "$server" || skip "FUSE does not work here"
in_background "$work/fuse/program"
stalled=$child
in_background "$work/good_loop"
good=$child

# check: both programs have their share of the samples, and the good one its names.
check() {
	balanced
	ours=$(samples "$work/s.folded" ';good_loop;.*good_loop')
	theirs=$(samples "$work/s.folded" ';program;')
	[ "$ours" -gt 50 ] || fail "$1: only $ours samples of the good program: $(cut -c1-120 "$work/s.folded" | head -5)"
	[ "$theirs" -gt 50 ] || fail "$1: only $theirs samples of the stalled program"
	lost=$(awk '/lost: / { n += $1 } END { print n + 0 }' "$work/record.log")
	[ "$lost" = 0 ] || fail "$1: $lost samples are lost"
	echo "$1: $ours samples of the good program, $theirs of the stalled one"
}

kill -USR1 "$server"
start=$(date +%s)
record -F 499 -d 2 -p "$stalled,$good" -o "$work/s.folded"
[ $(($(date +%s) - start)) -le 30 ] || fail "a stalled open holds the recording up"
check "opens stall"

# The reader is killed at its deadline; who does not want to wait for that presses Ctrl-C.
kill -USR2 "$server"
dd if="$work/fuse/program" iflag=nocache count=0 2>/dev/null # what is in memory of it and not mapped
"$fleetprof" record -F 499 -d 2 -p "$stalled,$good" -o "$work/s.folded" >"$work/record.log" 2>&1 &
recording=$!
sleep 7
kill -INT $recording 2>/dev/null || true
wait $recording || fail "with reads that stall it ends with $?"
check "reads stall"
