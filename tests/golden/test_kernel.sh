#!/bin/sh
# Kernel addresses: the names of kallsyms' text, and the lines and inlined functions of the kernel's own file, wherever
# the kernel was moved to when it was started. The kernel is a small one of this test's.
set -eu
build=${FLEETPROF_BUILD:-build}
tree=${FLEETPROF_SOURCE:-.}
symbolizer=$build/fleetprof-symbolizer
command -v gcc >/dev/null || { echo "skipped: no gcc"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "failed: $*"; exit 1; }

"$tree/tests/fixtures/make_vmlinux.sh" "$work/vmlinux" 0xffffffff81000000 0xffffffff81234000 none
cp "$tree/tests/fixtures/vmlinux.c" "$work"
line() { grep -n "// LINE-$1\$" "$work/vmlinux.c" | cut -d: -f1; }

# at SLIDE OFFSET: an address of the kernel's (a shell counts to 2⁶³)
at() { printf 'ffffffff%08x' $((0x80000000 + $1 + $2)); }
# kallsyms SLIDE: the text as the kernel shows it when it was moved so far.
kallsyms() {
	cat <<EOF
0000000000000000 A fixed_percpu_data
$(at "$1" 0x1000000) T _stext
$(at "$1" 0x1000000) T _text
$(at "$1" 0x1234000) t kernel_target
$(at "$1" 0x1300000) t not_in_the_file
ffffffffc0400000 t nf_hook	[nf_tables]
ffffffffc0500000 t bpf_prog_6deef7357e7b4530_sample	[bpf]
EOF
}
# ask FILE ADDRESS: what is said of it, on one line
ask() { "$symbolizer" -e "$1" --kallsyms "$work/kallsyms" "$2" | sed "s,[^ ]*/vmlinux,vmlinux," | tr '\n' ' ' | sed 's/ *$//'; }
expect() {
	got=$(ask "$work/vmlinux" "$1")
	[ "$got" = "$2" ] || fail "$1 is '$got', not '$2'"
}

for slide in 0 0x1e000000; do
	kallsyms $slide >"$work/kallsyms"
	moved=$(at $slide 0x1234010)
	expect "$moved" "inlined_part vmlinux.c:$(line INLINED) kernel_target vmlinux.c:$(line CALL)"
	expect "$(at $slide 0x1300010)" "not_in_the_file ??:0"
	expect ffffffffc0400123 "nf_hook [nf_tables]:0"
	expect ffffffffc0500001 "bpf_prog_6deef7357e7b4530_sample [bpf]:0"
	expect 1000 "?? ??:0"
done
# Where the kernel hides its addresses, or is another one, there is nothing to compare.
sed 's/ _stext$/ _sother/' "$work/kallsyms" >"$work/other" && mv "$work/other" "$work/kallsyms"
expect "$moved" "kernel_target ??:0"
kallsyms 0 | sed 's/^[0-9a-f]*/0000000000000000/' >"$work/kallsyms"
expect "$moved" "?? ??:0"
echo "kernel addresses: moved and not, modules, BPF programs"
