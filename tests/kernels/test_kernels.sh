#!/bin/sh
# The release programs on other kernels: each that ./dev kernels brought boots under emulation; the BPF objects must load
# there, pass their self-test and find a hot function, by its name, in its cgroup, with a loss equation that balances.
. "$(dirname "$0")/../e2e/lib.sh"
need qemu-system-x86_64
need busybox
need gcc
ls "$tree"/build/kernels/*/vmlinuz >/dev/null 2>&1 || skip "no kernels are there (./dev kernels brings them)"

root=$work/root
mkdir -p "$root/bin" "$root/proc" "$root/sys" "$root/dev" "$root/etc" "$root/fleetprof"
cp "$(command -v busybox)" "$root/bin/busybox"
cp "$tree/tests/kernels/init" "$root/init"
for program in fleetprof fleetprof-opener fleetprof-symbolizer; do
	strip -o "$root/fleetprof/$program" "$build/$program"
	ldd "$build/$program" | grep -o '/[^ ]*' | while read -r library; do
		mkdir -p "$root$(dirname "$library")"
		cp -L "$library" "$root$library"
	done
done
gcc -O1 -g -fno-omit-frame-pointer -DLOOP=hot_loop -o "$root/bin/spin" "$tree/tests/fixtures/spin.c"

for kernel in "$tree"/build/kernels/*/vmlinuz; do
	name=$(basename "$(dirname "$kernel")")
	clock=instructions
	case $name in linux-image-[45].* | linux-image-6.[0-4].*) clock=host ;; esac # they do not find their second CPU by it
	sh "$tree/tests/kernels/boot.sh" $clock "$kernel" "$root" | tr -d '\r' >"$work/record.log" 2>&1 || true
	grep -q KERNEL "$work/record.log" || fail "$name does not boot"
	for what in host group command hotplug; do
		grep -q "STATUS $what 0" "$work/record.log" || fail "$name: recording the $what fails"
		grep -q "LOG $what: loss equation: balanced" "$work/record.log" || fail "$name: the $what does not balance"
		found='hot_loop'
		[ $what != hotplug ] || found='' # what counts there is that sampling goes on
		hot=$(grep "^FOLDED $what: .*;spin;.*$found" "$work/record.log" | awk '{ n += $NF } END { print n + 0 }')
		[ "$hot" -ge 5 ] || fail "$name: only $hot samples of the hot function, recording the $what"
		echo "$name: recording the $what: $hot samples of the hot program"
	done
	grep -q 'STATUS asleep 0' "$work/record.log" || fail "$name: recording CPUs that sleep fails"
	grep -q 'LOG asleep: loss equation: balanced' "$work/record.log" || fail "$name: CPUs that sleep do not balance"
	! grep -q 'LOG asleep: .*brought no tick' "$work/record.log" || fail "$name: a CPU brought no tick"
	grep -q '^FOLDED host: /group;spin;' "$work/record.log" || fail "$name: the cgroup is not the owner"
	grep -q '^LOG hotplug: .*CPU 1 is closed' "$work/record.log" || fail "$name: nobody saw CPU 1 go"
	[ "$(grep -c '^LOG hotplug: .*CPU 1 is open' "$work/record.log")" = 2 ] || fail "$name: nobody saw CPU 1 come back"
done
