#!/bin/sh
# A program that was replaced, or deleted, while it runs keeps its own names; its successor at the same path has its own.
. "$(dirname "$0")/lib.sh"
need_root
need gcc

for loop in old_loop new_loop gone_loop; do
	gcc -O1 -g -fno-omit-frame-pointer "-DLOOP=$loop" -o "$work/$loop" "$tree/tests/fixtures/spin.c"
done
mv "$work/old_loop" "$work/service"
in_background "$work/service" 60
old=$child
cp "$work/new_loop" "$work/service.next"
mv "$work/service.next" "$work/service"
in_background "$work/service" 60
new=$child
in_background "$work/gone_loop" 60
gone=$child
rm "$work/gone_loop"

record -F 499 -d 2 -p "$old,$new" -p "$gone" -o "$work/r.folded"
for loop in 'service;.*old_loop' 'service;.*new_loop' 'gone_loop;.*gone_loop'; do
	[ "$(samples "$work/r.folded" ";$loop[; ]")" -gt 30 ] || fail "no $loop: $(cut -c1-120 "$work/r.folded")"
done
named=$(samples "$work/r.folded" ';(service|gone_loop);.*(old|new|gone)_loop[; ]')
all=$(samples "$work/r.folded" .)
[ $((100 * named / all)) -ge 95 ] || fail "only $named of $all samples have a name"

# The old one alone never shows the new one's function.
record -F 499 -d 1 -p "$old" -o "$work/o.folded"
[ "$(samples "$work/o.folded" new_loop)" = 0 ] || fail "the replaced program is named after its successor"
