#!/bin/sh
# Storms of short-lived processes, 200 a second: of one binary and of 200 different ones, living 5 ms and 200 ms. Every
# sample has its process's name and its owner; the function's name too where the binary was seen before.
. "$(dirname "$0")/lib.sh"
need_root
need gcc

gcc -O1 -g -fno-omit-frame-pointer -o "$work/brief" "$tree/tests/fixtures/brief.c"
gcc -O2 -o "$work/storm" "$tree/tests/fixtures/storm.c"
i=0
while [ $i -lt 200 ]; do
	cp "$work/brief" "$work/brief$i"
	i=$((i + 1))
done

# storm TITLE LIFE_MS LEAST_NAMED PROGRAM…
storm() {
	title=$1 life=$2 least=$3
	shift 3
	record -F 997 -o "$work/storm.folded" -- "$work/storm" 3 200 "$life" "$@"
	grep -q '^started 600$' "$work/record.log" || fail "the storm did not start all of its processes"
	all=$(samples "$work/storm.folded" '.')
	[ "$all" -gt 600 ] || fail "$title: only $all samples"
	owned=$(samples "$work/storm.folded" '^[^;]+;(brief[0-9]*|storm|fleetprof-run)[; ]')
	[ $((all - owned)) -le $((1 + all / 1000)) ] || fail "$title: $((all - owned)) of $all samples without process or owner: $(
		grep -v -E '^[^;]+;(brief[0-9]*|storm|fleetprof-run)[; ]' "$work/storm.folded" | head -3)"
	work_samples=$(samples "$work/storm.folded" ';brief[0-9]*;.*(brief_work|brief[0-9]*!0x)')
	named=$(samples "$work/storm.folded" ';brief[0-9]*;.*brief_work')
	[ "$work_samples" -gt 100 ] || fail "$title: only $work_samples samples in the programs' own code"
	share=$((1000 * named / work_samples))
	echo "$title, $life ms: $all samples, all but $((all - owned)) with process and owner; $share per mille named"
	[ $share -ge "$least" ] || fail "$title: only $share per mille are named"
}

storm 'one binary' 5 990 "$work/brief"
storm 'one binary' 200 990 "$work/brief"
storm '200 binaries' 5 500 "$work"/brief[0-9]*
storm '200 binaries' 200 900 "$work"/brief[0-9]*
