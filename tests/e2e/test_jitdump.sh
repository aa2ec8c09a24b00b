#!/bin/sh
# The names and lines of generated code that runtimes write as jitdump, wherever they write it: of a program of ours that
# is hostile as well, and of the runtimes that are installed.
. "$(dirname "$0")/lib.sh"
need_root
need gcc
need go # its pprof shows lines

# Nobody but us makes maps of these: whoever made one here has ended.
cleanup() { rm -f "${elsewhere:-}" $(grep -lE 'in the map|app\.js|spin:work' /tmp/perf-*.map 2>/dev/null); }
# most TITLE PATTERN PART: of the samples that match the pattern, most match the part.
most() {
	got=$(share "$work/$1.folded" "$2" "$3")
	[ "$got" != none ] && [ "$got" -gt 7000 ]
}
lines() { go tool pprof -symbolize=none -lines -top "$work/$1.pb.gz" 2>/dev/null; }

gcc -O1 -g -fno-omit-frame-pointer -o "$work/jit" "$tree/tests/fixtures/jit.c"
chmod 755 "$work"
mkdir -p "$work/.debug/jit/some-jit-20260101.aBc"

# It is preferred to the map, which knows no lines.
record -F 499 -o "$work/own.folded" -o "$work/own.pb.gz" -- "$work/jit" 2 'in the map' "$work/.debug/jit/some-jit-20260101.aBc" 'in the dump'
most own ';jit;' ';main;in the dump ' || fail "no name from the jitdump: $(cat "$work/own.folded")"
lines own | grep -q 'in the dump /srv/dump.lang:77' || fail "no line from the jitdump: $(lines own)"

# A dump that is deleted, by a process of its own user, mount and PID namespace.
elsewhere=$(mktemp /var/tmp/fleetprof-jit.XXXXXX)
cp "$work/jit" "$elsewhere"
chmod 755 "$elsewhere"
if command -v unshare >/dev/null; then
	cat >"$work/inside.sh" <<END
mount -t tmpfs none /tmp && mkdir /tmp/here || exit
$elsewhere 3 - /tmp/here 'inside a namespace' &
sleep 0.5
rm /tmp/here/jit-*.dump
wait
END
	chmod 755 "$work/inside.sh"
	record -F 499 -o "$work/namespace.folded" -- unshare --user --map-root-user --mount --pid --fork sh "$work/inside.sh"
	[ "$(samples "$work/namespace.folded" ';main;inside a namespace ')" -gt 100 ] ||
		fail "no name from the dump in a namespace: $(cat "$work/namespace.folded")"
fi

# One whose header is another process's is not believed, nor is another user's.
record -F 499 -o "$work/header.folded" -- "$work/jit" 2 'in the map' "$work" 'forged' 1
[ "$(samples "$work/header.folded" forged)" = 0 ] || fail "a dump of another process is believed"
most header ';jit;' ';main;in the map ' || fail "beside a bad dump the map is not used: $(cat "$work/header.folded")"
if command -v setpriv >/dev/null; then
	mkdir -m 777 "$work/open"
	cat >"$work/foreign.sh" <<END
: >"$work/open/jit-\$\$.dump"
chown 12345 "$work/open/jit-\$\$.dump"
chmod 666 "$work/open/jit-\$\$.dump"
exec setpriv --reuid 54321 --clear-groups "$work/jit" 2 - "$work/open" forged
END
	record -F 499 -o "$work/foreign.folded" -- sh "$work/foreign.sh"
	[ "$(samples "$work/foreign.folded" forged)" = 0 ] || fail "a dump of another user's is believed"
	[ "$(samples "$work/foreign.folded" ';jit;.*;main;')" -gt 100 ] || fail "the program did not run"
fi

# Runtimes.
cd "$work"
cat >app.js <<'JS'
function innerLoop(n) { let x = 0; for (let i = 0; i < n; i++) x = (x * 31 + i) | 0; return x; }
function handler() {
	let s = 0;
	for (let i = 0; i < 50; i++)
		s ^= innerLoop(20000);
	return s;
}
const end = Date.now() + 2500;
let total = 0;
while (Date.now() < end) total ^= handler();
console.log(total);
JS
if command -v node >/dev/null && node --perf-prof -e 0 2>/dev/null; then
	record -F 997 -o node.folded -o node.pb.gz -- node --perf-prof --interpreted-frames-native-stack app.js
	most node ';node;' ';node;.*(handler|innerLoop)[ ;]' ||
		fail "Node's functions have no names: $(sort -t' ' -k2 -n node.folded | tail -3)"
	[ "$(share node.folded ';node;' 'anonymous memory')" -lt 700 ] || fail "much of Node's code has no name"
	lines node | grep -qE '(handler|innerLoop) .*app.js:(1|4|5|6)$' || fail "Node's code has no lines: $(lines node | head -20)"
else
	echo "node is not installed, or has no --perf-prof: its part is left out"
fi

cat >spin.erl <<'ERL'
-module(spin).
-export([main/0]).
work(0, A) -> A;
work(N, A) -> work(N - 1, (A * 31 + N) band 16#ffffff).
until(End, A) ->
	case erlang:monotonic_time(millisecond) < End of
		true -> until(End, work(100000, A));
		false -> A
	end.
main() -> io:format("~p~n", [until(erlang:monotonic_time(millisecond) + 2500, 1)]).
ERL
if command -v erlc >/dev/null && erlc spin.erl && erl +JPperf true -noshell -eval 'halt().' 2>/dev/null; then
	record -F 997 -o erl.folded -o erl.pb.gz -- erl +JPperf true -noshell -eval 'spin:main(), halt().'
	most erl ';beam.smp;.*spin' ';spin:until/2;spin:work/2 ' || fail "Erlang's functions have no names: $(sort -t' ' -k2 -n erl.folded | tail -3)"
	lines erl | grep -q 'spin:work/2 .*spin.erl:4$' || fail "Erlang's code has no lines: $(lines erl | head -20)"
else
	echo "Erlang with a JIT (package erlang-base) is not installed: its part is left out"
fi
