#!/bin/sh
# Two Docker containers and a podman one, each with a program of its own: each has its own profile, named after the
# container, and no foreign sample; --container finds one by name and by id.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/containers.sh"
need_root
need gcc
need busybox
need dockerd
need docker
need podman
need runc

build_root alpha_loop beta_loop gamma_loop
start_docker
start_podman
in_docker fp-one /spin-alpha_loop
in_docker fp-two /spin-beta_loop
in_podman fp-three /spin-gamma_loop
id=$(docker inspect -f '{{.Id}}' fp-one)

# own FILE: every sample of a container's program is booked on it, and nothing else is.
own() {
	while read -r name loop; do
		mine=$(samples "$1" "^$name;spin-$loop;.*$loop[ ;]")
		[ "$mine" -ge 10 ] || fail "$1: $mine samples of $loop in $name: $(cut -c1-120 "$1" | head -20)"
		all=$(samples "$1" "$loop")
		[ "$(samples "$1" "^$name;")" = "$(samples "$1" "^$name;spin-$loop;")" ] ||
			fail "$1: $name has foreign samples: $(grep "^$name;" "$1" | grep -v "^$name;spin-$loop;" | head -3)"
		[ "$all" = "$(samples "$1" "^$name;.*$loop")" ] ||
			fail "$1: samples of $loop are booked elsewhere: $(grep "$loop" "$1" | grep -v "^$name;" | cut -c1-150 | head -3)"
		echo "$name: $mine samples"
	done
}

record -F 199 -d 4 -o "$work/all.folded" -o "$work/all.pb.gz" -o "$work/all.html"
own "$work/all.folded" <<END
fp-one alpha_loop
fp-two beta_loop
fp-three gamma_loop
END
grep -q 'docker .*fp-one' "$work/record.log" || fail "the summary does not say that fp-one is Docker's"
grep -q 'podman .*fp-three' "$work/record.log" || fail "the summary does not say that fp-three is podman's"

for what in fp-one "$id" "$(echo "$id" | cut -c1-12)"; do
	record -F 199 -d 2 --container "$what" -o "$work/one.folded"
	own "$work/one.folded" <<END
fp-one alpha_loop
END
	[ "$(samples "$work/one.folded" .)" = "$(samples "$work/one.folded" '^fp-one;')" ] || fail "--container $what lets others in"
done
record -F 199 -d 2 --container fp-three -o "$work/three.folded"
own "$work/three.folded" <<END
fp-three gamma_loop
END

# The same name twice: it has to say which.
in_podman fp-two /spin-beta_loop
if "$fleetprof" record -d 1 --container fp-two -o "$work/x.folded" >"$work/record.log" 2>&1; then
	fail "an ambiguous name is taken"
fi
grep -q "$(docker inspect -f '{{.Id}}' fp-two | cut -c1-12)" "$work/record.log" || fail "the candidates are not named"
