#!/bin/sh
# make_corpus.sh: writes the seeds of fuzz_sampler_record, fuzz_wire, fuzz_codec, fuzz_symbol_cache and
# fuzz_unwind_image (by make_corpus, built with the asan preset), of fuzz_elf, fuzz_dwarf* and fuzz_minidebug (small
# programs, by clang, gcc and lld), of fuzz_x86_insn
# and of fuzz_unwind (those of ../golden/unwind, and code without call frames). Run it when a format has changed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=${1:-$here/../../build/asan}
for fuzzer in fuzz_sampler_record fuzz_wire fuzz_codec fuzz_symbol_cache fuzz_unwind_image fuzz_unwind fuzz_elf fuzz_dwarf \
	fuzz_dwarf_sections fuzz_minidebug fuzz_x86_insn; do
	rm -rf "$here/corpus/$fuzzer"
	mkdir -p "$here/corpus/$fuzzer"
done
"$build/tests/fuzz/make_corpus" "$here/corpus"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat > a.c <<'C'
int shared(int x);
__attribute__((noinline)) static int local(int x) { return x * 3; }
int shared(int x) { return local(x) + 1; }
int cxx(int x) __asm__("_ZN4shop4Cart3addEi");
int cxx(int x) { return shared(x); }
void _start(void) { cxx(1); for (;;) ; }
C
out=$here/corpus/fuzz_elf
flags="-O1 -ffreestanding -fno-asynchronous-unwind-tables"
# shellcheck disable=SC2086
{
	gcc $flags -fPIE -c a.c -o pie.o
	ld.lld -pie --build-id=sha1 -z noseparate-code pie.o -o "$out/x86_64-pie"
	ld.lld --image-base=0x400000 pie.o -o "$out/x86_64-fixed"
	ld.lld -shared --hash-style=both --build-id=sha1 -s pie.o -o "$out/x86_64-dynsym-only" || :
	llvm-objcopy --strip-sections "$out/x86_64-pie" "$out/x86_64-no-sections" ||
		llvm-objcopy-14 --strip-sections "$out/x86_64-pie" "$out/x86_64-no-sections"
	gcc $flags -c a.c -o "$out/x86_64-object"
	gcc $flags -g1 -gz=zlib -c a.c -o "$out/x86_64-compressed-dwarf"
	for target in aarch64 i386 s390x ppc64; do
		clang -target $target-linux-gnu $flags -c a.c -o "$out/$target-object"
	done
}
# Code without call frames.
cat > code.c <<'C'
int depth(int x, int *p);
__attribute__((noinline)) int leaf(int x, int *p) { int a[9]; for (int i = 0; i < 9; i++) a[i] = p[i] * x; return depth(a[x & 7], p); }
__attribute__((noinline)) int depth(int x, int *p)
{
	switch (x & 7) {
	case 0: return leaf(x - 1, p) + 1;
	case 1: return p[1] + leaf(x / 3, p) * 5;
	case 2: *p = 3; break;
	case 3: return depth(x * 3, p + 1) ^ x;
	case 4: p[2] = leaf(1, p); break;
	case 5: __builtin_trap();
	case 6: __asm__ volatile("syscall" : : "a"(39) : "rcx", "r11", "memory"); break;
	case 7: { int n[x & 63]; n[x & 15] = leaf(x >> 1, n); return n[3]; }
	}
	return x < 9 ? 0 : leaf(x - 9, p) + depth(x - 1, p);
}
void _start(void) { int p[16] = { 1, 2, 3 }; for (;;) p[0] = depth(p[1] + p[0], p); }
C
code=$here/corpus/fuzz_unwind/code
gcc -Os -ffreestanding -fno-asynchronous-unwind-tables -fno-stack-protector -fno-pie -no-pie -nostdlib -static \
	-Wl,-z,noseparate-code -Wl,--build-id=none -o "$code" code.c
strip -o "$code-stripped" "$code"
# The same at the very last addresses: p_vaddr of the first program header.
cp "$code-stripped" "$code-last"
printf '\0\375\377\377\377\377\377\377' | dd of="$code-last" bs=1 seek=80 conv=notrunc status=none
objcopy -O binary -j .text "$code" "$here/corpus/fuzz_x86_insn/compiled"
cat > odd.s <<'S'
.text
f: push %rbp
mov %rsp,%rbp
and $-32,%rsp
vmovdqu (%rsi),%ymm0
vpcmpeqb %ymm1,%ymm0,%ymm2
vpmovmskb %ymm2,%eax
vmovdqu64 (%rdi),%zmm16
tzcnt %eax,%eax
rep movsb
lock cmpxchg %rcx,(%rdx)
xbegin f
enter $16,$0
movabs $0x1122334455667788,%rax
movabs 0x1122334455667788,%al
callq *8(%rax,%rbx,4)
jmp *%rax
leaveq
retq $8
syscall
ud2
endbr64
nopw 0(%rax,%rax,1)
popw %ax
push $0x12345678
crc32b %al,%ecx
aesenc %xmm1,%xmm2
pshufb (%rax),%xmm3
bextr %eax,%ebx,%ecx
S
as -o odd.o odd.s
objcopy -O binary -j .text odd.o "$here/corpus/fuzz_x86_insn/assembled"
for layout in 116 118 120; do python3 "$here/make_gotables.py" $layout "$out/go$layout"; done
cp "$out/x86_64-pie" "$out/debuglink"
printf 'a.debug\0\001\002\003\004' > link
objcopy --add-section .gnu_debuglink=link "$out/debuglink"

# Debug information: of both compilers, of each version, split and shared, packed and not.
cat > d.c <<'C'
int outside(int x);
struct cart { int items, price; };
static inline __attribute__((always_inline)) int deepest(int x) { { int y = x * 3; return y + outside(y); } }
static inline __attribute__((always_inline)) int inner(struct cart *c)
{
	int sum = 0;
	for (int i = 0; i < c->items; i++) { int z = deepest(i); sum += z * c->price; }
	return sum;
}
__attribute__((noinline)) int outside(int x) { if (__builtin_expect(x == 7, 0)) { struct cart c = { x, 2 }; return inner(&c); } return x + 1; }
void _start(void) { struct cart c = { 3, 4 }; for (;;) c.items += inner(&c) + deepest(c.price); }
C
out=$here/corpus/fuzz_dwarf
flags="-O2 -ffreestanding -fno-asynchronous-unwind-tables -fno-pic"
link="-nostdlib -static -Wl,-n -Wl,-Ttext=0x1000 -Wl,--build-id=none"
for cc in gcc clang; do
	for version in 2 3 4 5; do
		# shellcheck disable=SC2086
		$cc $flags $link -gdwarf-$version d.c -o "$out/$cc-$version" 2> /dev/null
	done
	# shellcheck disable=SC2086
	{
		$cc $flags $link -gdwarf-5 -gdwarf64 d.c -o "$out/$cc-64"
		$cc $flags -gdwarf-4 -gsplit-dwarf -c d.c -o d4.o && $cc $link d4.o -o "$out/$cc-skeleton-4"
		$cc $flags -gdwarf-5 -gsplit-dwarf -c d.c -o d5.o && $cc $link d5.o -o "$out/$cc-skeleton-5"
	} 2> /dev/null
	cp d4.dwo "$out/$cc-dwo-4"
	cp d5.dwo "$out/$cc-dwo-5"
	objcopy --compress-debug-sections=zlib "$out/$cc-5" "$out/$cc-zlib"
	objcopy --compress-debug-sections=zlib-gnu "$out/$cc-4" "$out/$cc-zlib-gnu"
done
cp "$here/../golden/dwarf/shared-a" "$out/gcc-shared"
for file in "$out"/gcc-[2-5] "$out"/clang-[2-5] "$out"/*-64; do # those of whole programs
	python3 "$here/make_dwarf_sections.py" "$file" "$here/corpus/fuzz_dwarf_sections/${file##*/}"
done

# Call frame information; the long function's length is of no interest here.
out=$here/corpus/fuzz_unwind
link="-nostdlib -static -Wl,-n -Wl,--build-id=none -s"
for name in x86_64 broken; do
	sed 's/140000/300/' "$here/../golden/unwind/$name.S" > $name.S
	# shellcheck disable=SC2086
	gcc $link -Wl,--eh-frame-hdr $name.S -o "$out/$name" 2> /dev/null
done
sed 's/^\t\.text$/\t.cfi_sections .debug_frame\n\t.text/' x86_64.S > debug.S
# shellcheck disable=SC2086
gcc ${link% -s} debug.S -o "$out/debug_frame"
# shellcheck disable=SC2086
aarch64-linux-gnu-gcc $link -Wl,--eh-frame-hdr "$here/../golden/unwind/arm64.S" -o "$out/arm64"

# Packed symbols: the first byte says whether the fuzzer packs them.
for program in x86_64-pie x86_64-fixed; do
	{ printf 'p'; xz -0 -C none -c "$here/corpus/fuzz_elf/$program"; } > "$here/corpus/fuzz_minidebug/packed-$program"
	{ printf 'q'; cat "$here/corpus/fuzz_elf/$program"; } > "$here/corpus/fuzz_minidebug/plain-$program"
done
ls -l "$here"/corpus/fuzz_elf "$here"/corpus/fuzz_dwarf "$out"
