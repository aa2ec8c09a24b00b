#!/bin/sh
# Generated code has the names that its runtime writes: of Node, of a program in a PID and mount namespace of its own, and
# not those that somebody else wrote for it.
. "$(dirname "$0")/lib.sh"
need_root
need gcc
need unshare

gcc -O1 -g -fno-omit-frame-pointer -o "$work/jit" "$tree/tests/fixtures/jit.c"
chmod 755 "$work"
# Nobody but us makes maps of these: whoever made one here has ended.
cleanup() { rm -f "${elsewhere:-}" $(grep -lE 'generated|forged|app\.js|old_name' /tmp/perf-*.map 2>/dev/null); }

record -F 499 -o "$work/own.folded" -- "$work/jit" 2 'JS:*hot /srv/app.js:3:14'
# most TITLE PATTERN PART: of the samples that match the pattern, most match the part.
most() {
	got=$(share "$work/$1.folded" "$2" "$3")
	[ "$got" != none ] && [ "$got" -gt 7000 ]
}
most own ';jit;' ';main;hot[ ;]' || fail "no name from the perf map: $(cat "$work/own.folded")"

elsewhere=$(mktemp /var/tmp/fleetprof-jit.XXXXXX) # its own /tmp hides ours
cp "$work/jit" "$elsewhere"
chmod 755 "$elsewhere"
record -F 499 -o "$work/namespace.folded" -- unshare --mount --pid --fork \
	sh -c "mount -t tmpfs none /tmp && exec $elsewhere 2 'inside a namespace'"
[ "$(samples "$work/namespace.folded" ';main;inside a namespace ')" -gt 100 ] ||
	fail "no name from the map in a namespace: $(cat "$work/namespace.folded")"

# A map that another user wrote in advance, and one that is a link: neither is believed.
if command -v setpriv >/dev/null; then
	cat >"$work/foreign.sh" <<END
path=/tmp/perf-\$\$.map
echo "0 7fffffffffff forged" >\$path
chown 12345 \$path
exec setpriv --reuid 54321 --clear-groups "$work/jit" 2 -
END
	record -F 499 -o "$work/foreign.folded" -- sh "$work/foreign.sh"
	[ "$(samples "$work/foreign.folded" forged)" = 0 ] || fail "a map of another user's is believed"
	most foreign ';jit;' ';main;.anonymous memory.' || fail "the program did not run"
fi
cat >"$work/link.sh" <<END
echo "0 7fffffffffff forged" >"$work/elsewhere"
ln -s "$work/elsewhere" /tmp/perf-\$\$.map
exec "$work/jit" 2 -
END
record -F 499 -o "$work/link.folded" -- sh "$work/link.sh"
[ "$(samples "$work/link.folded" forged)" = 0 ] || fail "a link is followed"

if command -v node >/dev/null; then
	cat >"$work/app.js" <<'JS'
function innerLoop(n) { let x = 0; for (let i = 0; i < n; i++) x = (x * 31 + i) | 0; return x; }
function handler() { let s = 0; for (let i = 0; i < 50; i++) s ^= innerLoop(20000); return s; }
const end = Date.now() + 3000;
let total = 0;
while (Date.now() < end) total ^= handler();
console.log(total);
JS
	cd "$work" # Node writes a log beside it
	record -F 997 -o "$work/node.folded" -o "$work/node.pb.gz" -- node --perf-basic-prof --interpreted-frames-native-stack "$work/app.js"
	# The compiler puts innerLoop into handler when it likes.
	most node ';node;' ';node;.*(handler|innerLoop)[ ;]' ||
		fail "Node's functions have no names: $(sort -t' ' -k2 -n "$work/node.folded" | tail -3)"
	[ "$(share "$work/node.folded" ';node;' 'anonymous memory')" -lt 700 ] || fail "much of Node's code has no name"
else
	echo "node is not installed: its part is left out"
fi

# The daemon knows the same names.
if command -v curl >/dev/null; then
	in_background "$work/jit" 60 'JS:*hot /srv/app.js:3:14'
	in_background "$fleetprof" agent --state-dir "$work/state" --window 10s --web-listen 127.0.0.1:0 --rate 97 \
		--kill-switch '' >"$work/agent.log" 2>&1
	for _ in $(seq 40); do
		url=$(cat "$work/state/url" 2>/dev/null) || url=
		[ -z "$url" ] || curl -sf -H "Authorization: Bearer ${url#*#}" -o "$work/agent.folded" \
			"${url%#*}api/v1/profile?from=$(($(date +%s) - 600))000&to=$(($(date +%s) + 60))000&format=folded" || :
		! grep -q ';jit;.*;main;hot' "$work/agent.folded" 2>/dev/null || break
		sleep 1
	done
	grep -q ';jit;.*;main;hot' "$work/agent.folded" || fail "the daemon does not know the name: $(cat "$work/agent.log")"
	for _ in $(seq 30); do # they are told behind each window, and every 10 s
		curl -sf -H "Authorization: Bearer ${url#*#}" -o "$work/metrics" "${url%#*}metrics" || :
		! grep -q '^fleetprof_generated_code_files [1-9]' "$work/metrics" || break
		sleep 1
	done
	grep -q '^fleetprof_generated_code_files [1-9]' "$work/metrics" || fail "the metrics know of no perf map"
fi
