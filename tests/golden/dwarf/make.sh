#!/bin/sh
# make.sh SYMBOLIZER: builds the programs of this folder and writes what the symbolizer says of each of their addresses.
# Look at the difference before it is committed: symbols_agree.py says where llvm-symbolizer and eu-addr2line differ.
set -eu
symbolizer=$(realpath "$1")
cd "$(dirname "$0")"
link="-nostdlib -static -Wl,-n -Wl,-Ttext=0x1000 -Wl,--build-id=none"
flags="-ffreestanding -fno-asynchronous-unwind-tables -fno-pic -ffile-prefix-map=$PWD=/src"
gcc="gcc -O2 $flags $link"
clang="clang -O2 $flags $link"
for version in 2 3 4 5; do
	$gcc -Wno-pedantic -z noexecstack -gdwarf-$version nested.c -o nested-gcc-$version 2> /dev/null
	$clang -gdwarf-$version shapes.cc -fno-rtti -o shapes-clang-$version
done
$gcc -g -gdwarf64 nested.c -o nested-gcc-64 2> /dev/null
g++ -O2 $flags $link -g -fno-rtti shapes.cc -o shapes-gcc
gcc -O2 $flags -g -flto -c lto_a.c lto_b.c
gcc -O2 $flags -g -flto $link lto_a.o lto_b.o -o lto-gcc 2> /dev/null
gfortran -O2 -fno-asynchronous-unwind-tables -fno-pic -ffile-prefix-map=$PWD=/src -g -c field.f90 && gcc $link field.o -o field-gfortran
rustc --edition 2021 -C panic=abort -C opt-level=2 -g -C relocation-model=static --remap-path-prefix "$PWD=/src" --emit obj \
	-o crate.o crate.rs && gcc $link -Wl,--gc-sections crate.o -o crate-rustc
for cc in gcc clang; do
	for version in 4 5; do
		$cc -O2 $flags -gdwarf-$version -gsplit-dwarf -c lto_b.c -o split.o
		$cc $link -Wl,-e,far_away split.o -o split-$cc-$version
		mv split.dwo split-$cc-$version.dwo
	done
done
dwp split-clang-4.dwo -o split-clang-4.dwp
cp shapes-gcc shared-a && cp shapes-gcc shared-b && dwz -m shared.dwz shared-a shared-b
objcopy --compress-debug-sections=zlib nested-gcc-5 packed-zlib
objcopy --compress-debug-sections=zlib-gnu nested-gcc-4 packed-zlib-gnu
llvm-objcopy-19 --compress-debug-sections=zstd nested-gcc-5 packed-zstd
for version in 4 5; do
	gcc -O2 $flags -gdwarf-$version -c nested.c -o object-gcc-$version
	clang -O2 $flags -gdwarf-$version -ffunction-sections -c shapes.cc -fno-rtti -o object-clang-$version
done
objcopy --compress-debug-sections=zlib object-gcc-5 object-packed
rm -f ./*.o ./*.mod ./shared-b
for program in nested-* shapes-* lto-* field-* crate-* split-* packed-* object-* shared-a; do
	case $program in *.txt | *.dwo | *.dwp) continue ;; esac
	./answers "$symbolizer" "$program" > "$program.txt"
done
