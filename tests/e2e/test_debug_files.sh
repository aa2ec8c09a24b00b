#!/bin/sh
# Names from separate debug files: found in the root of the process that runs the program, else in the host's; and not
# those of a file that is another program's.
. "$(dirname "$0")/lib.sh"
need_root
need gcc
need objcopy
need unshare
need pivot_root

# A root of its own, as a container has, with one static program and what is put beside it. Its build ID is this run's own: a
# part of what is put there is put into the host's root, where others would find it.
root=$work/root
mkdir -p "$root/bin" "$root/old" "$root/usr/lib/debug/.build-id"
gcc -O2 -g -static -fno-omit-frame-pointer -Wl,--build-id=uuid -o "$work/whole" "$tree/tests/fixtures/hot.c"
gcc -O1 -g -static -fno-omit-frame-pointer -Wl,--build-id=uuid -o "$work/other" "$tree/tests/fixtures/hot.c"
for program in whole other; do
	objcopy --only-keep-debug "$work/$program" "$work/$program.debug"
done
strip -o "$root/bin/hot" "$work/whole"
id=$(readelf -n "$work/whole" | sed -n 's/.*Build ID: //p')
first=$(printf %.2s "$id") rest=${id#??}
host=/usr/lib/debug/.build-id/$first/$rest.debug
cleanup() { rm -f "$host"; rmdir "${host%/*}" 2>/dev/null; }

# names TITLE: samples of a run that have the function's name, of 100
names() {
	record -F 499 -o "$work/run.folded" -- unshare --mount sh -c "
		mount --bind '$root' '$root' && cd '$root' && pivot_root . old && exec /bin/hot 2"
	all=$(samples "$work/run.folded" ';hot;')
	[ "$all" -gt 300 ] || fail "$1: only $all samples"
	got=$((100 * $(samples "$work/run.folded" ';hot;.*hot_most') / all))
	echo "$1: $got % of the samples in a function with its name"
}

names 'no debug file'
[ "$got" = 0 ] || fail "names without a debug file"
mkdir "$root/usr/lib/debug/.build-id/$first"
cp "$work/other.debug" "$root/usr/lib/debug/.build-id/$first/$rest.debug"
names "another program's debug file"
[ "$got" = 0 ] || fail "names of another program"
mkdir -p "${host%/*}"
cp "$work/whole.debug" "$host"
names "another program's debug file, and the right one in the host's root"
[ "$got" -gt 40 ] || fail "the next place is not looked at"
rm -f "$host"
cp "$work/whole.debug" "$root/usr/lib/debug/.build-id/$first/$rest.debug"
names "in the process's root, by build ID"
[ "$got" -gt 40 ] || fail "no names from the debug file in the process's root"

rm -r "$root/usr/lib/debug/.build-id/$first"
mkdir -p "${host%/*}"
cp "$work/whole.debug" "$host"
names "in the host's root, by build ID"
[ "$got" -gt 40 ] || fail "no names from the debug file in the host's root"
rm -f "$host"

mkdir "$root/bin/.debug"
cp "$work/whole.debug" "$root/bin/.debug/hot.dbg"
(cd "$root/bin/.debug" && objcopy --add-gnu-debuglink=hot.dbg "$root/bin/hot")
names "in the process's root, by debug link"
[ "$got" -gt 40 ] || fail "no names from the linked debug file"
# A link that leads out of the root stays within it.
rm "$root/bin/.debug/hot.dbg"
ln -s "$work/whole.debug" "$root/bin/.debug/hot.dbg"
names 'a link out of the root'
[ "$got" = 0 ] || fail "a link out of the process's root is followed"
