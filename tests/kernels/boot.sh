#!/bin/sh
# boot.sh VMLINUZ FOLDER: boots the kernel under qemu with FOLDER as its whole root file system (an init in it), prints
# its console. Emulated, so that it needs no /dev/kvm.
set -eu
kernel=$1 root=$2
initrd=$(mktemp "${TMPDIR:-/tmp}/fleetprof-initrd.XXXXXX")
trap 'rm -f "$initrd"' EXIT
(cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1) >"$initrd"
timeout -k 5 140 qemu-system-x86_64 -M q35 -accel tcg,thread=multi -smp 2 -cpu max -m 1024 -nographic -no-reboot \
	-nic none -kernel "$kernel" -initrd "$initrd" -append 'console=ttyS0 quiet panic=-1' </dev/null
