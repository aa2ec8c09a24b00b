#!/bin/sh
# Debug information in further files: split DWARF, as many single .dwo files and as a package, and what dwz shares between
# programs. Found in the root of the process that runs the program; nothing outside of it, and nothing of another program.
. "$(dirname "$0")/lib.sh"
need_root
for tool in gcc llvm-dwp dwz unshare pivot_root; do need $tool; done

# A root of its own, as a container has, with static programs and what is put beside them.
root=$work/root
units=100
mkdir -p "$root/bin" "$root/old" "$root/src/obj" "$work/dwo"
flags="-O2 -g -static -fno-omit-frame-pointer -Wl,--build-id=sha1 -fdebug-prefix-map=$root/src=/src"

# A source file of its own, whose function inlines another one.
unit() {
	cat <<EOF
extern volatile unsigned long sink;
static inline __attribute__((always_inline)) void inner_$1(unsigned long n)
{
	for (unsigned long i = 0; i < n; i++)
		sink = sink * 3 + i;
}
__attribute__((noinline)) void outer_$1(unsigned long n) { inner_$1(n); sink++; }
EOF
}
# main_of FIRST…: calls these for two seconds.
main_of() {
	echo '#include <time.h>'
	echo 'volatile unsigned long sink;'
	for i; do echo "void outer_$i(unsigned long);"; done
	echo 'int main(void) { for (clock_t end = clock() + 2 * CLOCKS_PER_SEC; clock() < end;) {'
	for i; do echo "outer_$i(30000);"; done
	echo '} return 0; }'
}
cd "$root/src"
# shellcheck disable=SC2046
main_of $(seq "$units") >main.c
for i in $(seq "$units"); do unit "$i" >"u$i.c"; done
# shellcheck disable=SC2086
ls ./*.c | sed 's,^\./,,;s,\.c$,,' | xargs -I{} -P2 gcc $flags -gsplit-dwarf -c {}.c -o obj/{}.o ||
	fail "the units do not compile"
# shellcheck disable=SC2086
gcc $flags -o "$root/bin/split" obj/*.o
cp obj/*.dwo "$work/dwo"
rm obj/*.o
unit stranger >"$work/stranger.c"
gcc -O2 -g -gsplit-dwarf -c "$work/stranger.c" -o "$work/stranger.o"
# (binutils' own dwp knows no DWARF 5)
(cd obj && llvm-dwp ./*.dwo -o "$work/split.dwp") || fail "no package is made"
rm obj/*.dwo
cd "$work"

# run PROGRAM TITLE: of 100 samples in outer functions, $inlined have the inlined one, too
run() {
	record -F 499 -o "$work/run.folded" -- unshare --mount sh -c "
		mount --bind '$root' '$root' && cd '$root' && pivot_root . old && exec /bin/$1"
	count "$1" "$2"
}
count() {
	all=$(samples "$work/run.folded" ";$1;.*outer_")
	[ "$all" -gt 300 ] || fail "$2: only $all samples with a name"
	inlined=$((100 * $(samples "$work/run.folded" ";$1;.*outer_[0-9]*;inner_") / all))
	echo "$2: $inlined % of $all samples show the inlined function"
}
none() {
	run "$@"
	[ "$inlined" = 0 ] || fail "$2: inlined functions from nowhere"
}
most() {
	run "$@"
	[ "$inlined" -gt 90 ] || fail "$2: the inlined functions are missing"
}

none split 'no .dwo files'
cp "$work"/dwo/* "$root/src/obj"
most split "$units .dwo files in the process's root"
grep -q "^further debug files: [0-9]* found" "$work/record.log" || fail "the summary does not tell of the files"
rm "$root"/src/obj/*
cp "$work/split.dwp" "$root/bin/split.dwp"
most split 'a package beside the program'
mv "$root/bin/split.dwp" "$root/bin/other"
mkdir -p "$root/usr/lib/debug/bin"
mv "$root/bin/other" "$root/usr/lib/debug/bin/split.dwp"
most split 'a package below /usr/lib/debug'
rm -r "$root/usr"

# Files that are no units of the program, links out of the root, what is no file, what is no ELF file.
for i in $(seq "$units"); do
	to=$root/src/obj/u$i.dwo
	case $((i % 4)) in
	0) cp "$work/stranger.dwo" "$to" ;;
	1) ln -s "$work/dwo/u$i.dwo" "$to" ;;
	2) mkfifo "$to" ;;
	3) echo secret >"$to" ;;
	esac
done
ln -s "$work/split.dwp" "$root/bin/split.dwp"
none split 'wrong units, links out of the root, FIFOs'
rm "$root"/src/obj/* "$root/bin/split.dwp"

# In the host's root the paths are as they are.
mkdir "$work/host"
cp "$work"/dwo/* "$work/host"
cp "$root"/src/u[1-9].c "$work/host"
cd "$work/host"
main_of 1 2 3 4 5 6 7 8 9 >main.c
gcc -O2 -g -fno-omit-frame-pointer -gsplit-dwarf -c main.c u[1-9].c && gcc -o split ./*.o
record -F 499 -o "$work/run.folded" -- "$work/host/split"
count split "the host's own program"
[ "$inlined" -gt 90 ] || fail "no inlined functions of the host's own program"
cd "$work"

# dwz: two programs, and what they have in common in a third file.
cp "$root"/src/u[1-9].c "$work/host"
cd "$root/src"
main_of 1 2 3 >main.c
for program in one two; do
	# shellcheck disable=SC2086
	gcc $flags -o "$root/bin/$program" main.c u1.c u2.c u3.c
done
dwz -m "$work/shared" -M /bin/shared "$root/bin/one" "$root/bin/two" || fail "dwz shares nothing"
cd "$work"
none one 'without what dwz shares'
cp "$work/shared" "$root/bin/shared"
most one 'with what dwz shares'
# Found by its build ID, too; and another's is not taken.
id=$(readelf -n "$work/shared" | sed -n 's/.*Build ID: //p')
mkdir -p "$root/usr/lib/debug/.build-id/$(printf %.2s "$id")"
mv "$root/bin/shared" "$root/usr/lib/debug/.build-id/$(printf %.2s "$id")/${id#??}.debug"
cp "$root/bin/two" "$root/bin/shared"
most one "what dwz shares, by build ID, behind another's file"
rm -r "$root/usr"
none one "another program's file"
