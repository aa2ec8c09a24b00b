#!/bin/sh
# Processes whose lives take a turn: leaders that end before their threads, exec, forks, new names, other users, roots and
# mount namespaces of their own, programs that nobody else may read. Each keeps its own name, and its functions theirs.
. "$(dirname "$0")/lib.sh"
need_root
need gcc
need setpriv
need unshare

gcc -O1 -g -fno-omit-frame-pointer -o "$work/lives" "$tree/tests/fixtures/lives.c" -lpthread
gcc -O1 -g -static -fno-omit-frame-pointer -DLOOP=static_loop -o "$work/static" "$tree/tests/fixtures/spin.c"
chmod 755 "$work"
pids=
# Those that forked are nobody's children: found by their program.
cleanup() {
	for exe in /proc/[0-9]*/exe; do
		case $(readlink "$exe") in "$work"/*) pid=${exe#/proc/} && kill -9 "${pid%/exe}" ;; esac
	done
}
for mode in thread exec fork rename forks; do
	cp "$work/lives" "$work/l_$mode"
	in_background "$work/l_$mode" $mode
done
# Another user's, in a folder and a file that only he may enter and read.
mkdir "$work/private"
cp "$work/lives" "$work/private/l_private"
chmod 0700 "$work/private" "$work/private/l_private"
chown -R 65534 "$work/private"
in_background setpriv --reuid 65534 --regid 65534 --clear-groups "$work/private/l_private"
# A root of its own, and a mount that nobody else sees.
mkdir "$work/jail"
cp "$work/static" "$work/jail/l_jailed"
in_background chroot "$work/jail" /l_jailed
mkdir "$work/hidden"
in_background unshare -m sh -c "mount -t tmpfs none '$work/hidden' && cp '$work/static' '$work/hidden/l_hidden' &&
	exec '$work/hidden/l_hidden'"
# works NAME: the newest process of that name, $pid, has used its CPU for a tenth of a second: it has taken its turn.
works() {
	pid=$(pgrep -n -x "$1") && [ "$(awk '{ print $14 }' "/proc/$pid/stat" 2>/dev/null || echo 0)" -ge 10 ]
}
names="l_thread l_exec l_fork renamed l_forks l_private l_jailed l_hidden"
for name in $names; do
	wait_for works "$name" || fail "$name does not run"
	pids=$pids${pids:+,}$pid
done

record -F 997 -d 3 -p "$pids" -o "$work/l.folded"
for name in $names; do
	all=$(samples "$work/l.folded" "^[^;]*;$name;")
	named=$(samples "$work/l.folded" "^[^;]*;$name;.*(lives|static)_loop[; ]")
	[ "$all" -gt 20 ] || fail "$name: only $all samples: $(cut -d ';' -f 2 "$work/l.folded" | sort | uniq -c)"
	[ "$named" -ge $((all * 9 / 10)) ] || fail "$name: $named of $all samples have names: $(grep ";$name;" "$work/l.folded" | cut -c1-150 | head -4)"
done
