#!/bin/sh
# The programs of golden/dwarf, by six compilers and DWARF 2 to 5: what is said of each address is what is written there.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
symbolizer=${FLEETPROF_BUILD:-$here/../../build}/fleetprof-symbolizer
failed=0
for expected in "$here"/dwarf/*.txt; do
	program=$(basename "${expected%.txt}")
	"$here/dwarf/answers" "$symbolizer" "$program" | diff "$expected" - || {
		echo "$program: not what golden/dwarf/$program.txt says"
		failed=1
	}
done
# The same program says the same, however it is written down.
for other in nested-gcc-2 nested-gcc-3 nested-gcc-4 nested-gcc-64 packed-zlib packed-zlib-gnu packed-zstd; do
	cmp "$here/dwarf/nested-gcc-5.txt" "$here/dwarf/$other.txt" || failed=1
done
for other in shapes-clang-2 shapes-clang-3 shapes-clang-4; do
	cmp "$here/dwarf/shapes-clang-5.txt" "$here/dwarf/$other.txt" || failed=1
done
cmp "$here/dwarf/shapes-gcc.txt" "$here/dwarf/shared-a.txt" || failed=1
# An object file's code lies elsewhere, and is the same.
lines() { sed 's/^[^ ]* //' "$here/dwarf/$1.txt" | sort -u; }
for pair in 'nested-gcc-5 object-gcc-4' 'nested-gcc-5 object-gcc-5' 'shapes-clang-5 object-clang-4' 'shapes-clang-5 object-clang-5'; do
	[ "$(lines "${pair% *}")" = "$(lines "${pair#* }")" ] || { echo "$pair: not the same lines"; failed=1; }
done
cmp "$here/dwarf/object-gcc-5.txt" "$here/dwarf/object-packed.txt" || failed=1
# Without the other file there are still names and lines, and it is said what is missing.
"$symbolizer" -e "$here/dwarf/split-gcc-5" --stats 1010 > /tmp/split.$$ 2>&1
grep -q '^far_away$' /tmp/split.$$ && grep -q 'missing: --split .*split.dwo' /tmp/split.$$ ||
	{ cat /tmp/split.$$; failed=1; }
alone=$(mktemp -d)
trap 'rm -rf "$alone"' EXIT
cp "$here/dwarf/shared-a" "$alone"
"$symbolizer" -e "$alone/shared-a" --stats 1000 1010 1020 1030 > /tmp/split.$$ 2>&1
grep -q '/src/shapes.cc:' /tmp/split.$$ && grep -q 'missing: --alt shared.dwz' /tmp/split.$$ ||
	{ cat /tmp/split.$$; failed=1; }
rm -f /tmp/split.$$
# What lies where it should is found without being asked for: dwz's file, units beside their program, a package.
same() { # PROGRAM OPTION FILE
	seq 4096 5119 | xargs printf '%x\n' > "$alone/addresses"
	"$symbolizer" -a -e "$here/dwarf/$1" "$2" "$here/dwarf/$3" < "$alone/addresses" > "$alone/want"
	"$symbolizer" -a -e "$alone/$1" < "$alone/addresses" | cmp - "$alone/want" ||
		{ echo "$1: $3 is not found beside it"; failed=1; }
}
cp "$here/dwarf/shared.dwz" "$alone" && same shared-a --alt shared.dwz
cp "$here/dwarf/split-gcc-5" "$alone" && cp "$here/dwarf/split-gcc-5.dwo" "$alone/split.dwo" &&
	same split-gcc-5 --split split-gcc-5.dwo
cp "$here/dwarf/split-clang-4" "$here/dwarf/split-clang-4.dwp" "$alone" && rm "$alone/split.dwo" &&
	same split-clang-4 --split split-clang-4.dwp
exit $failed
