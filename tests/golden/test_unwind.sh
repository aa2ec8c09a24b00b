#!/bin/sh
# Unwind tables of small assembly files, whose every row is known: unwind/*.S and, beside each, its rows.
# "test_unwind.sh write" writes the rows anew, to be read before they are believed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=${FLEETPROF_BUILD:-$here/../../build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

layout="-nostdlib -static -Wl,-z,noseparate-code -Wl,--build-id=none -Wl,-Ttext=0x401000"
failed=0

# rows FILE [DEBUG]: the table without its counters, which depend on where it was read from.
rows() { "$build/fleetprof-symbolizer" --unwind "$@" | grep -v '^#'; }
source_of() { "$build/fleetprof-symbolizer" --unwind "$@" | sed -n '1s/# from \(.*\): .*/\1/p'; }

# expect WHAT ROWS SOURCE FILE [DEBUG]
expect() {
	what=$1 golden=$here/unwind/$2.txt source=$3
	shift 3
	rows "$@" > got || { echo "$what: no table"; failed=1; return; }
	[ "$(source_of "$@")" = "$source" ] || { echo "$what: read from $(source_of "$@"), not from $source"; failed=1; }
	diff -u "$golden" got || { echo "$what: other rows"; failed=1; }
}

# compile COMPILER SOURCE TO [OPTION…]
compile() {
	compiler=$1 from=$2 to=$3
	shift 3
	# shellcheck disable=SC2086
	"$compiler" $layout "$@" -o "$to" "$from" 2> linker.log || { cat linker.log; exit 1; }
}

arm64=aarch64-linux-gnu-gcc
compile gcc "$here/unwind/x86_64.S" x86_64 -Wl,--eh-frame-hdr
compile gcc "$here/unwind/broken.S" broken
gcc -nostdlib -shared -Wl,-z,noseparate-code,--build-id=none,-init=begins,--section-start=.init=0x800,-Ttext=0x1000,--eh-frame-hdr \
	-o init "$here/unwind/init.S"
# As lld lays files out.
gcc -nostdlib -shared -Wl,-z,noseparate-code,--build-id=none,-init=begins,-Ttext=0x1000,--section-start=.init=0x1200,--eh-frame-hdr \
	-o init_last "$here/unwind/context.S" "$here/unwind/init.S"
compile gcc "$here/unwind/start.S" start -Wl,--eh-frame-hdr "$here/unwind/parts.S"
compile gcc "$here/unwind/context.S" context -Wl,--eh-frame-hdr,-e,called
command -v $arm64 > /dev/null && compile $arm64 "$here/unwind/arm64.S" arm64 -Wl,--eh-frame-hdr
if [ "${1:-}" = write ]; then
	for name in x86_64 broken init init_last start context arm64; do rows $name > "$here/unwind/$name.txt"; done
	exit 0
fi

table=".eh_frame by its search table"
expect "x86-64" x86_64 "$table" x86_64
expect "broken instructions" broken .eh_frame broken
expect "_init" init "$table" init
expect "_init behind all other code" init_last "$table" init_last
expect "coroutines" context "$table" context
# Both sections have a CIE at the same offset; main is found with and without its symbol.
expect ".eh_frame beside .debug_frame" start "$table" start
strip --strip-unneeded --keep-section=.debug_frame start
expect "a stripped main" start "$table" start

compile gcc "$here/unwind/x86_64.S" no-table -Wl,--no-eh-frame-hdr
expect "no search table" x86_64 .eh_frame no-table

# Section headers are for linkers: e_shoff, e_shnum and e_shstrndx away.
for name in x86_64 init; do
	cp $name no-sections
	for field in 40:8 60:4; do
		dd if=/dev/zero of=no-sections bs=1 seek="${field%:*}" count="${field#*:}" conv=notrunc status=none
	done
	expect "$name, no section headers" $name "$table" no-sections
done

# The same rows from .debug_frame: plain, compressed, and in a separate debug file.
sed 's/^\t\.text$/\t.cfi_sections .debug_frame\n\t.text/' "$here/unwind/x86_64.S" > debug.S
compile gcc debug.S debug-frame
expect ".debug_frame" x86_64 .debug_frame debug-frame
for how in zlib zlib-gnu zstd; do
	if objcopy --compress-debug-sections=$how debug-frame packed 2> /dev/null; then
		expect ".debug_frame, compressed by $how" x86_64 .debug_frame packed
	fi
done
objcopy --only-keep-debug debug-frame separate.debug
strip -o stripped debug-frame
objcopy --add-gnu-debuglink=separate.debug stripped # its CRC: there is no build ID
expect "a separate debug file" x86_64 .debug_frame stripped separate.debug

if [ -f arm64 ]; then
	expect "arm64" arm64 "$table" arm64
else
	echo "without $arm64 (gcc-aarch64-linux-gnu): no arm64 table was looked at"
fi

printf 'int main(void) { return 0; }\n' > i386.c
if clang -target i386-linux-gnu -c i386.c -o i386.o 2> /dev/null && rows i386.o 2> message; then
	echo "i386 has a table" && failed=1
fi
grep -q 'not a 64-bit program' message || { echo "i386 is not refused in words: $(cat message)"; failed=1; }
exit $failed
