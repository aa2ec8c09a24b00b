#!/bin/sh
# Installed programs find each other, wherever the prefix is, and need nothing of the tree that built them.
. "$(dirname "$0")/lib.sh"
need_root
need cmake

cmake --install "$build" --prefix "$work/usr" >"$work/record.log" 2>&1 || fail "cmake --install"
[ -x "$work/usr/bin/fleetprof" ] || fail "fleetprof is not installed: $(find "$work/usr" -type f)"
[ -x "$work/usr/bin/fleetprof-symbolizer" ] || [ -x "$work/usr/libexec/fleetprof/fleetprof-symbolizer" ] ||
	fail "the symbolizer is not installed: $(find "$work/usr" -type f)"
in_background sh -c 'while :; do :; done' # an idle machine has nothing to sample
mv "$work/usr" "$work/elsewhere" # the prefix is nowhere in the programs
ln -s "$work/elsewhere/bin/fleetprof" "$work/link"
for program in "$work/elsewhere/bin/fleetprof" "$work/link"; do
	(cd / && "$program" record -F 499 -d 1 -o "$work/i.folded") >"$work/record.log" 2>&1 || fail "$program exited with $?"
	balanced
	[ -s "$work/i.folded" ] || fail "nothing was recorded"
done
if strings "$work/elsewhere/bin/fleetprof" | grep -q -F "$build/"; then
	fail "the build folder's name is in the program"
fi
