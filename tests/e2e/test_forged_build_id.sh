#!/bin/sh
# A program that carries libc's build ID is unwound by its own table, and everybody else by libc's.
. "$(dirname "$0")/lib.sh"
need_root
need gcc
need readelf

cat > "$work/victim.c" <<'C'
#include <stdlib.h>
static volatile unsigned long sink;
static int compare(const void *a, const void *b)
{
	for (int i = 0; i < 2000; i++)
		sink += i;
	return *(const int *)a - *(const int *)b;
}
int main(void)
{
	for (;;) {
		int numbers[64];

		for (int i = 0; i < 64; i++)
			numbers[i] = i * 31 % 64;
		qsort(numbers, 64, sizeof(*numbers), compare);
	}
}
C
gcc -O2 -g -fomit-frame-pointer -o "$work/victim" "$work/victim.c"
libc=$(ldd "$work/victim" | sed -n 's,.*libc\.so\.6 => \([^ ]*\) .*,\1,p')
id=$(readelf -n "$libc" | sed -n 's/.*Build ID: //p')
[ -n "$id" ] || skip "libc has no build ID here"
gcc -O1 -g -fomit-frame-pointer -static -Wl,--build-id=0x"$id" -o "$work/forger" "$tree/tests/fixtures/deep.c"
[ "$(readelf -n "$work/forger" | sed -n 's/.*Build ID: //p' | head -1)" = "$id" ] || fail "the build ID is not forged"

in_background "$work/forger" 32
in_background "$work/victim"
record -F 997 -d 4 -o "$work/both.folded"

# complete PROCESS PATTERN: its stacks that have the pattern, in hundredths of a percent of those with a table
complete() {
	grep -e ";$1;" "$work/both.folded" | grep -v -e 'not there yet' -e 'gap bridged' > "$work/$1.folded" || :
	[ "$(samples "$work/$1.folded" .)" -gt 100 ] || fail "$1: too few samples"
	got=$(share "$work/$1.folded" . "$2")
	echo "$1: $got of 10000 stacks are right"
	[ "$got" -ge 9900 ] || { cut -c1-300 "$work/$1.folded" | head -5 >&2; fail "$1: wrong stacks"; }
}
complete victim ';victim;[^;]*(_start|!0x[0-9a-f]*);.*libc_start.*;main;.*(sort|!0x).*;compare|;main( |;|$)'
complete forger ';forger;_start;.*;main;'
