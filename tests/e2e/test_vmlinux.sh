#!/bin/sh
# Kernel frames with lines and inlined functions, from the kernel's own debug information where it is installed: a file
# made for the kernel that runs, which says of one of its functions what only it can know. And not from another kernel's.
. "$(dirname "$0")/lib.sh"
need_root
need gcc
need python3
[ "$(uname -m)" = x86_64 ] || skip "the function is x86-64's"
[ -r /sys/kernel/notes ] || skip "the kernel does not say its build ID"

address() { awk -v name="$1" '$3 == name && NF == 3 { print "0x" $1; exit }' /proc/kallsyms; }
stext=$(address _stext) target=$(address do_syscall_64)
case $stext$target in '' | *0x0000000000000000*) skip "the kernel hides its addresses" ;; esac
id=$(python3 -c '
import struct
notes, at = open("/sys/kernel/notes", "rb").read(), 0
while at + 12 <= len(notes):
    name, size, kind = struct.unpack_from("=3I", notes, at)
    begin = at + 12 + (name + 3) // 4 * 4
    if kind == 3 and notes[at + 12:at + 16] == b"GNU\0":
        print(notes[begin:begin + size].hex())
        break
    at = begin + (size + 3) // 4 * 4')
[ -n "$id" ] || skip "the kernel has no build ID"
file=/usr/lib/debug/boot/vmlinux-$(uname -r)
[ ! -e "$file" ] || skip "the kernel's debug information is installed"
cleanup() { rm -f "$file"; rmdir -p "${file%/*}" 2>/dev/null; }

cat >"$work/calls.c" <<'E2'
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int main(void)
{
	for (clock_t end = clock() + 2 * CLOCKS_PER_SEC; clock() < end;)
		for (int i = 0; i < 10000; i++)
			syscall(SYS_getppid);
	return 0;
}
E2
gcc -O2 -o "$work/calls" "$work/calls.c"
mkdir -p "${file%/*}"

# run TITLE: how many samples have the function, and how many its inlined one
run() {
	record -F 999 -o "$work/run.folded" -o "$work/run.pb.gz" -- "$work/calls"
	all=$(samples "$work/run.folded" ';(do_syscall_64|kernel_target)')
	[ "$all" -gt 50 ] || fail "$1: only $all samples in system calls"
	inlined=$(samples "$work/run.folded" ';kernel_target;inlined_part')
	echo "$1: $inlined of $all samples in system calls show what is inlined"
}
# The kernel as its file has it, not moved: its text begins where the link put it.
moved=$(python3 -c "print(hex(0xffffffff81000000 + $target - $stext))")
"$tree/tests/fixtures/make_vmlinux.sh" "$file" 0xffffffff81000000 "$moved" "0x$(echo "$id" | tr 0-9a-f f0-9a-e)"
run "another kernel's file"
[ "$inlined" = 0 ] || fail "another kernel's file is believed"
"$tree/tests/fixtures/make_vmlinux.sh" "$file" 0xffffffff81000000 "$moved" "0x$id"
run "this kernel's file"
[ "$inlined" = "$all" ] || fail "the kernel's file is not asked for all of its addresses"
