#!/bin/sh
# mutant_seeds.sh FOLDER: seeds for test_mutants, by whatever compilers are at hand: gcc, g++, clang, rustc, go; DWARF 4
# and 5, optimized and not, split, packed, separate, shared by dwz.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
golden=$here/../golden/dwarf
mkdir -p "$1"
cd "$1"
have() { command -v "$1" >/dev/null || { echo "no $1" >&2; return 1; }; }
bare="-ffreestanding -nostdlib -static -fno-pic -Wl,--build-id=sha1 -Wno-pedantic -Wno-unused-command-line-argument"

for cc in gcc clang; do
	have $cc || continue
	for version in 4 5; do
		for level in 0 2; do # shellcheck disable=SC2086
			$cc -O$level $bare -gdwarf-$version "$golden/shapes.cc" -fno-rtti -o $cc-$version-O$level
			# shellcheck disable=SC2086
			$cc -O$level $bare -gdwarf-$version -gsplit-dwarf -c "$golden/lto_b.c" -o split.o
			# shellcheck disable=SC2086
			$cc $bare -Wl,-e,far_away split.o -o $cc-split-$version-O$level
			mv split.dwo $cc-split-$version-O$level.dwo
		done
		for pack in zlib zstd; do
			llvm-objcopy-19 --compress-debug-sections=$pack $cc-$version-O2 $cc-$version-$pack 2>/dev/null ||
				objcopy --compress-debug-sections=$pack $cc-$version-O2 $cc-$version-$pack || :
		done
		$cc -O2 -ffunction-sections -gdwarf-$version -c "$golden/shapes.cc" -fno-rtti -o $cc-$version-object
		objcopy --only-keep-debug $cc-$version-O2 $cc-$version-separate.debug
		strip $cc-$version-O2 -o $cc-$version-separate
	done
done
rm -f split.o
if have dwz; then
	cp gcc-4-O2 shared-a && cp gcc-4-O2 shared-b && dwz -m shared-a.dwz shared-a shared-b && rm shared-b
fi
if have rustc; then
	for level in 1 2 s; do # without optimization it wants the library
		rustc --edition 2021 -C panic=abort -C opt-level=$level -g -C relocation-model=static --emit obj -o crate.o \
			"$golden/crate.rs"
		gcc -nostdlib -static -Wl,--gc-sections crate.o -o rust-O$level || echo "no rust-O$level" >&2
		cp crate.o rust-object-O$level
	done
	rm -f crate.o
fi
if have go; then
	export GOTOOLCHAIN=local
	source=$here/../fixtures/gotables.go
	go build -o go-packed "$source"
	go build -ldflags=-compressdwarf=false -o go-plain "$source"
	go build -ldflags='-s -w' -o go-stripped "$source"
fi
