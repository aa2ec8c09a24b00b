#!/bin/sh
# Symbols that were taken out of a program: from its separate debug file, by debug link and by name, and from its
# .gnu_debugdata; never from another program's file.
set -eu
build=${FLEETPROF_BUILD:-build}
tree=${FLEETPROF_SOURCE:-.}
symbolizer=$build/fleetprof-symbolizer
for tool in gcc objcopy nm xz; do
	command -v $tool >/dev/null || { echo "skipped: no $tool"; exit 77; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "failed: $*"; exit 1; }

gcc -O2 -g -Wl,--build-id=sha1 -o "$work/whole" "$tree/tests/fixtures/hot.c"
gcc -O2 -g -Wl,--build-id=sha1 -DOTHER -O1 -o "$work/other" "$tree/tests/fixtures/hot.c"
gcc -O2 -g -Wl,--build-id=none -o "$work/anonymous" "$tree/tests/fixtures/hot.c"
for program in whole other anonymous; do
	objcopy --only-keep-debug "$work/$program" "$work/$program.debug"
	strip -o "$work/$program.stripped" "$work/$program"
done
nm "$work/whole" | awk 'NF == 3 && $2 ~ /^[tT]$/ { print "0x" $1 }' | sort >"$work/addresses"
# ask FILE OPTION…: the answers to all of the addresses
ask() { program=$1; shift; "$symbolizer" -e "$program" "$@" <"$work/addresses"; }
ask "$work/whole" >"$work/want"
grep -q '^hot_most$' "$work/want" || fail "the whole program has no symbols: $(cat "$work/want")"

ask "$work/whole.stripped" >"$work/got"
! grep -q '^hot_most$' "$work/got" || fail "the stripped program still has its symbols"
ask "$work/whole.stripped" --debug "$work/whole.debug" >"$work/got"
cmp "$work/want" "$work/got" || fail "the debug file's answers are not the whole program's"
if ask "$work/whole.stripped" --debug "$work/other.debug" >"$work/got" 2>&1; then fail "another program's debug file was taken"; fi
grep -q 'does not belong to the file' "$work/got" || fail "no word of the wrong file: $(cat "$work/got")"

# By debug link, beside the program and in .debug, without build IDs by CRC.
for folder in . .debug; do
	mkdir -p "$work/linked/$folder"
	cp "$work/anonymous.debug" "$work/linked/$folder/program.debug"
	(cd "$work/linked/$folder" && objcopy --add-gnu-debuglink=program.debug "$work/anonymous.stripped" "$work/linked/program")
	nm "$work/anonymous" | awk 'NF == 3 && $2 ~ /^[tT]$/ { print "0x" $1 }' | sort >"$work/addresses"
	ask "$work/anonymous" >"$work/want"
	ask "$work/linked/program" >"$work/got"
	cmp "$work/want" "$work/got" || fail "the debug link to $folder is not followed"
	printf x >>"$work/linked/$folder/program.debug"
	ask "$work/linked/program" >"$work/got"
	! grep -q '^hot_most$' "$work/got" || fail "a debug file with another CRC was taken ($folder)"
	rm -r "$work/linked"
done

# As Fedora and Red Hat pack them: the functions that .dynsym does not have.
nm -D "$work/whole" --format=posix --defined-only | awk '{ print $1 }' | sort >"$work/dynamic"
nm "$work/whole" --format=posix --defined-only | awk '$2 ~ /[tT]/ { print $1 }' | sort | comm -13 "$work/dynamic" - >"$work/keep"
objcopy -S --remove-section .gdb_index --remove-section .comment --keep-symbols="$work/keep" "$work/whole.debug" "$work/mini" 2>/dev/null
xz -k "$work/mini"
objcopy --add-section .gnu_debugdata="$work/mini.xz" "$work/whole.stripped" "$work/packed"
nm "$work/whole" | awk 'NF == 3 && $2 ~ /^[tT]$/ { print "0x" $1 }' | sort >"$work/addresses"
ask "$work/whole" --no-inlines | grep -v ':' >"$work/want"
ask "$work/packed" --no-inlines | grep -v ':' >"$work/got"
cmp "$work/want" "$work/got" || fail "the names in .gnu_debugdata are not the program's"
# Broken xz, or one that unpacks to gigabytes, is no reason to answer nothing.
head -c 100 "$work/mini.xz" >"$work/cut.xz"
objcopy --add-section .gnu_debugdata="$work/cut.xz" "$work/whole.stripped" "$work/broken"
ask "$work/broken" >"$work/got" || fail "a broken .gnu_debugdata is an error"
head -c 100000000 /dev/zero | xz -1 >"$work/bomb.xz"
objcopy --add-section .gnu_debugdata="$work/bomb.xz" "$work/whole.stripped" "$work/bomb"
ask "$work/bomb" >"$work/got" || fail "a .gnu_debugdata that is too large is an error"
# As distributions lay them out: what two debug files share is in a third one, named from where they are.
if command -v dwz >/dev/null; then
	mkdir -p "$work/debug/bin" "$work/debug/.dwz"
	for program in one two; do
		gcc -O2 -g -Wl,--build-id=sha1 -D$program -o "$work/$program.whole" "$tree/tests/fixtures/hot.c"
		objcopy --only-keep-debug "$work/$program.whole" "$work/debug/bin/$program.debug"
		strip -o "$work/$program.stripped" "$work/$program.whole"
	done
	dwz -m "$work/debug/.dwz/both" -M ../.dwz/both "$work/debug/bin/one.debug" "$work/debug/bin/two.debug"
	nm "$work/one.whole" | awk 'NF == 3 && $2 ~ /^[tT]$/ { print "0x" $1 }' | sort >"$work/addresses"
	ask "$work/one.whole" >"$work/want"
	ask "$work/one.stripped" --debug "$work/debug/bin/one.debug" >"$work/got"
	cmp "$work/want" "$work/got" || fail "what the debug files share is not found"
fi
echo "debug files: by name, by link, packed"
