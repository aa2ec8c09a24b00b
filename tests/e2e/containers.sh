# Sourced behind lib.sh by tests that need real containers: Docker and podman, started by hand, with one small image.
# shellcheck shell=sh disable=SC2154

# build_root FUNCTION…: a root file system with busybox and, for each function, a program /spin-FUNCTION that spends
# its time in it.
build_root() {
	mkdir -p "$work/root/bin" "$work/root/tmp" "$work/root/etc" "$work/root/proc" "$work/root/sys" "$work/root/dev"
	cp "$(command -v busybox)" "$work/root/bin/busybox"
	for tool in sh sleep; do ln -sf busybox "$work/root/bin/$tool"; done
	for function; do
		gcc -O1 -g -static -fno-omit-frame-pointer "-DLOOP=$function" -o "$work/root/spin-$function" \
			"$tree/tests/fixtures/spin.c"
	done
	tar -C "$work/root" -cf "$work/root.tar" .
}

start_docker() {
	export DOCKER_HOST="unix://$work/docker.sock"
	dockerd --data-root "$work/docker" --exec-root "$work/docker-exec" --pidfile "$work/docker.pid" -H "$DOCKER_HOST" \
		--exec-opt native.cgroupdriver=cgroupfs --storage-driver overlay2 --iptables=false --ip6tables=false \
		--ip-masq=false --ip-forward=false --bridge=none >"$work/dockerd.log" 2>&1 &
	dockerd=$!
	wait_for docker_answers && kill -0 "$dockerd" 2>/dev/null ||
		skip "dockerd does not start here: $(tail -n 3 "$work/dockerd.log")"
	docker import "$work/root.tar" spin:local >/dev/null || fail "docker import"
}

docker_answers() { docker version >/dev/null 2>&1 || ! kill -0 "$dockerd" 2>/dev/null; }

# in_docker NAME COMMAND…
in_docker() {
	name=$1
	shift
	docker run -d --name "$name" --network none spin:local "$@" >/dev/null || fail "docker run $name"
}

podman_here() {
	podman --root "$work/podman" --runroot "$work/podman-run" --tmpdir "$work/podman-tmp" --storage-driver overlay \
		--events-backend file --cgroup-manager cgroupfs --runtime runc "$@"
}

start_podman() {
	# Without CAP_SYS_RESOURCE podman cannot raise what it raises by default.
	files=$(awk '/^Max open files/ { print $5 }' /proc/self/limits)
	processes=$(awk '/^Max processes/ { print $4 }' /proc/self/limits)
	most=$(cat /proc/sys/kernel/pid_max)
	{ [ "$processes" != unlimited ] && [ "$processes" -lt "$most" ]; } || processes=$most
	printf '[containers]\ndefault_ulimits = ["nofile=%s:%s", "nproc=%s:%s"]\n' "$files" "$files" "$processes" \
		"$processes" >"$work/containers.conf"
	export CONTAINERS_CONF="$work/containers.conf"
	podman_here import "$work/root.tar" localhost/spin:local >"$work/podman.log" 2>&1 ||
		skip "podman does not work here: $(tail -n 3 "$work/podman.log")"
}

# in_podman NAME COMMAND…
in_podman() {
	name=$1
	shift
	podman_here run -d --name "$name" --network none localhost/spin:local "$@" >"$work/podman.log" 2>&1 ||
		fail "podman run $name: $(tail -n 3 "$work/podman.log")"
}

cleanup() {
	[ ! -f "$work/containers.conf" ] || podman_here rm -f -t 0 -a >/dev/null 2>&1
	if [ -n "${dockerd:-}" ]; then
		# shellcheck disable=SC2046
		docker rm -f $(docker ps -aq) >/dev/null 2>&1
		kill "$dockerd" 2>/dev/null
		wait "$dockerd" 2>/dev/null
	fi
	awk -v w="$work/" 'index($2, w) == 1 { print $2 }' /proc/mounts | sort -r | while read -r mount; do
		umount -l "$mount"
	done
}
