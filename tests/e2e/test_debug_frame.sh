#!/bin/sh
# A program whose call frames are only in its separate debug file: its stacks are complete when that is there.
. "$(dirname "$0")/lib.sh"
need_root
need gcc
need objcopy

cat >"$work/frames.c" <<'E2'
#include <time.h>

volatile unsigned long sink;

__attribute__((noinline)) static void level_3(unsigned long n)
{
	volatile char room[200];

	for (unsigned long i = 0; i < n; i++) {
		room[i % sizeof(room)] = (char)i;
		sink = sink * 3 + i;
	}
}

__attribute__((noinline)) static void level_2(unsigned long n)
{
	volatile char room[120];

	room[n % sizeof(room)] = 1;
	level_3(n);
	sink = sink + (unsigned long)room[0];
}

__attribute__((noinline)) static void level_1(unsigned long n)
{
	level_2(n);
	sink = sink + 1;
}

int main(void)
{
	for (clock_t end = clock() + 3 * CLOCKS_PER_SEC; clock() < end;)
		level_1(100000);
	return 0;
}
E2
gcc -O2 -g -fomit-frame-pointer -fno-asynchronous-unwind-tables -fno-unwind-tables -fno-exceptions -Wl,--build-id=sha1 \
	-o "$work/whole" "$work/frames.c"
objcopy --only-keep-debug "$work/whole" "$work/frames.debug"
strip -g -o "$work/frames" "$work/whole"
readelf -SW "$work/frames" | grep -q '\.debug_frame' && fail "the program has its frames"
readelf -SW "$work/frames.debug" | grep -q '\.debug_frame' || skip "the compiler writes no .debug_frame"

# run TITLE [COMMAND]: of 100 samples in the leaf, $whole have all of its callers
run() {
	record -F 499 -o "$work/run.folded" -- sh -c "${2:-} '$work/frames'"
	all=$(samples "$work/run.folded" 'level_3')
	[ "$all" -gt 300 ] || fail "$1: only $all samples"
	whole=$((100 * $(samples "$work/run.folded" ';main;level_1;level_2;level_3') / all))
	echo "$1: $whole % of $all stacks are whole"
}
run 'no debug file'
[ "$whole" -lt 50 ] || skip "the stacks are whole without the debug file, too"
mkdir "$work/.debug"
mv "$work/frames.debug" "$work/.debug"
(cd "$work/.debug" && objcopy --add-gnu-debuglink=frames.debug "$work/frames")
run 'with its debug file'
[ "$whole" -gt 80 ] || fail "the debug file's call frames are not used"

# An unwind table is every process's of that file: its frames are those of a debug file that all of their roots have.
elsewhere="unshare --mount sh -c"
run 'with its debug file in two roots' "$elsewhere '$work/frames' &"
[ "$whole" -gt 60 ] || fail "the same debug file in two roots is not everybody's"
run 'with its debug file in one of two roots' "$elsewhere 'mount -t tmpfs none $work/.debug && $work/frames' & sleep 0.5;"
[ "$whole" -lt 60 ] || fail "the call frames of one root's debug file are used in another's"
