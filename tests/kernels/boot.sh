#!/bin/sh
# boot.sh CLOCK VMLINUZ FOLDER: boots the kernel under qemu with FOLDER as its whole root file system (an init in it),
# prints its console. Emulated, so that it needs no /dev/kvm. CLOCK: host, or instructions, which it counts (8 ns each), so
# that it sees no difference between a machine that is busy and one that is not.
set -eu
clock=$1 kernel=$2 root=$3
case $clock in
instructions) how="-accel tcg,thread=single -icount shift=3,sleep=off" ;;
host) how="-accel tcg,thread=multi" ;;
esac
initrd=$(mktemp "${TMPDIR:-/tmp}/fleetprof-initrd.XXXXXX")
trap 'rm -f "$initrd"' EXIT
(cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1) >"$initrd"
# shellcheck disable=SC2086
timeout -k 5 280 qemu-system-x86_64 -M q35 $how -smp 2 \
	-cpu max -m 1024 -nographic -no-reboot -nic none -kernel "$kernel" -initrd "$initrd" -append 'console=ttyS0 quiet panic=-1' </dev/null
