#!/bin/sh
# Copies of one file share its names and the room of its unwind table, and a file that only looks like it (its build ID,
# its size) has names of its own.
. "$(dirname "$0")/lib.sh"
need_root
need gcc
need python3
need readelf
case $(stat -f -c %T "$work") in
ext2/ext3 | xfs | btrfs | f2fs) ;; # the first is ext4 as well
*) skip "$work is on a file system whose files are not shared" ;;
esac

# The third differs in the name of its function alone, in the symbol table and in the debug information.
cat > "$work/twin.c" <<'C'
static volatile unsigned long sink;
__attribute__((noinline)) void honest_work(void) { for (int i = 0; i < 100000; i++) sink += i; }
int main(void) { for (;;) honest_work(); }
C
mkdir "$work/a" "$work/b" "$work/c"
gcc -O1 -g -Wl,--build-id -o "$work/a/first" "$work/twin.c"
cp "$work/a/first" "$work/b/second"
python3 -c '
import sys
b = open(sys.argv[1], "rb").read()
assert b"honest_work" in b
open(sys.argv[2], "wb").write(b.replace(b"honest_work", b"forged_work"))' "$work/a/first" "$work/c/third"
chmod +x "$work/c/third"
same_id=$(for f in a/first b/second c/third; do readelf -n "$work/$f" | sed -n 's/.*Build ID: //p'; done | sort -u | wc -l)
[ "$same_id" = 1 ] || fail "the build IDs differ"
[ "$(stat -c %s "$work/a/first")" = "$(stat -c %s "$work/c/third")" ] || fail "the sizes differ"
cmp -s "$work/a/first" "$work/b/second" || fail "the copy is none"
sleep 0.3 # none was written just now

in_background "$work/c/third"
pids=$child
in_background "$work/a/first"
pids=$pids,$child
in_background "$work/b/second"
pids=$pids,$child
record -F 297 -d 4 -p "$pids" -o "$work/all.folded"
grep '^files that look alike: 3 hashed, .* 1 share' "$work/record.log" || fail "not one file of three shares its names"

# Each has an unwind table of its own making, but room is taken once for what is equal.
shared=$(sed -n "s/^unwind tables: .* \([0-9]*\) of them an equal file's.*/\1/p" "$work/record.log")
[ "${shared:-0}" -ge 1 ] || fail "equal files do not share an unwind table: $(grep '^unwind tables' "$work/record.log")"

# named PROCESS FUNCTION OTHER_FUNCTION; what was sampled before there was an unwind table has the names, but not all callers
named() {
	grep -v -e 'not there yet' -e 'gap bridged' "$work/all.folded" >"$work/whole.folded" || :
	[ "$(samples "$work/whole.folded" ";$1;")" -gt 50 ] || fail "$1: too few samples"
	got=$(share "$work/whole.folded" ";$1;" ";$1;.*;main;$2")
	echo "$1: $got of 10000 stacks have $2"
	[ "$(samples "$work/all.folded" ";$1;.*$3")" = 0 ] || fail "$1 has the names of another file"
	[ "$got" -ge 9500 ] || { grep ";$1;" "$work/all.folded" | cut -c1-300 | head -5 >&2; fail "$1: wrong names"; }
}
named first honest_work forged_work
named second honest_work forged_work
named third forged_work honest_work
