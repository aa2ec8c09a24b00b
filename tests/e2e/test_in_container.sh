#!/bin/sh
# fleetprof in a container of its own, on overlayfs and with nothing but the capabilities that it says it needs: its
# self-test passes there, and it finds and names the programs of another container and of the host.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/containers.sh"
need_root
need gcc
need busybox
need podman
need runc

build_root alpha_loop
# The programs and their libraries, into the same image.
mkdir -p "$work/root/fleetprof"
for program in fleetprof fleetprof-opener fleetprof-symbolizer; do
	strip -o "$work/root/fleetprof/$program" "$build/$program"
	ldd "$build/$program" | grep -o '/[^ ]*' | while read -r library; do
		mkdir -p "$work/root$(dirname "$library")"
		cp -L "$library" "$work/root$library"
	done
done
tar -C "$work/root" -cf "$work/root.tar" .
start_podman
in_podman fp-alpha /spin-alpha_loop
gcc -O1 -g -fno-omit-frame-pointer -DLOOP=host_loop -o "$work/host_loop" "$tree/tests/fixtures/spin.c"
in_background "$work/host_loop"

# owner NAME: a pattern of the container's name, or of its id where the host's first process hides its root.
owner() {
	echo "($1|$(podman_here inspect -f '{{.Id}}' "$1" | cut -c1-12)[0-9a-f]*)"
}

# inside ARGUMENT…: runs fleetprof in a container.
inside() {
	podman_here run --rm --network none --pid host --cap-drop ALL --cap-add BPF,PERFMON,SYSLOG,SYS_PTRACE \
		--cap-add DAC_READ_SEARCH,CHECKPOINT_RESTORE,SETUID,SETGID,SETPCAP --security-opt seccomp=unconfined \
		"$@" >"$work/record.log" 2>&1
}
mkdir "$work/out"
inside -v "$work/out:/out" localhost/spin:local /fleetprof/fleetprof record -F 499 -d 2 -o /out/c.folded ||
	fail "in a container it exits with $?"
balanced
[ "$(samples "$work/out/c.folded" "^$(owner fp-alpha);spin-alpha_loop;.*alpha_loop")" -gt 50 ] ||
	fail "the other container's program is not there, or has no names: $(cut -c1-150 "$work/out/c.folded" | head -8)"
[ "$(samples "$work/out/c.folded" ';host_loop;.*host_loop')" -gt 50 ] ||
	fail "the host's program is not there, or has no names: $(cut -c1-150 "$work/out/c.folded" | head -8)"

# Two programs of one name and one path, in two containers: each keeps its own functions.
cp "$work/root/spin-alpha_loop" "$work/same"
gcc -O1 -g -static -fno-omit-frame-pointer -DLOOP=other_loop -o "$work/root/spin-alpha_loop" "$tree/tests/fixtures/spin.c"
tar -C "$work/root" -cf "$work/other.tar" .
podman_here import "$work/other.tar" localhost/other:local >/dev/null 2>&1 || fail "podman import"
podman_here run -d --name fp-other --network none localhost/other:local /spin-alpha_loop >/dev/null 2>&1 || fail "podman run"
inside -v "$work/out:/out" localhost/spin:local /fleetprof/fleetprof record -F 499 -d 2 -o /out/c.folded ||
	fail "in a container it exits with $?"
for pair in fp-alpha:alpha_loop fp-other:other_loop; do
	name=${pair%:*} loop=${pair#*:}
	name=$(owner "$name")
	all=$(samples "$work/out/c.folded" "^$name;spin-alpha_loop;.*_loop[; ]")
	right=$(samples "$work/out/c.folded" "^$name;spin-alpha_loop;.*$loop[; ]")
	[ "$all" -gt 50 ] && [ "$all" = "$right" ] || fail "$name: $right of $all samples are its own function's"
done

# Without the host's processes it says so.
if podman_here run --rm --network none --cap-add BPF,PERFMON,SYSLOG,SYS_PTRACE,DAC_READ_SEARCH,CHECKPOINT_RESTORE \
	--security-opt seccomp=unconfined localhost/spin:local /fleetprof/fleetprof record -d 1 >"$work/record.log" 2>&1; then
	fail "it runs in a PID namespace of its own"
fi
grep -q -e '--pid host' "$work/record.log" || fail "it does not say what to do"
# With a seccomp profile that refuses bpf(2), too.
if podman_here run --rm --network none --pid host --cap-add BPF,PERFMON,SYSLOG,SYS_PTRACE,DAC_READ_SEARCH,CHECKPOINT_RESTORE \
	localhost/spin:local /fleetprof/fleetprof record -d 1 >"$work/record.log" 2>&1; then
	echo "this podman's seccomp profile lets bpf(2) through"
else
	grep -q 'seccomp' "$work/record.log" || fail "it does not name seccomp"
fi
