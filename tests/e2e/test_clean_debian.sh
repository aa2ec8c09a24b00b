#!/bin/sh
# ./dev run in a clean Debian 12 root: it needs nothing that is not there or that it does not install itself.
. "$(dirname "$0")/lib.sh"
need_root
need debootstrap
need git

root=$work/debian
cleanup() {
	for mount in "$root/sys/fs/cgroup" "$root/sys" "$root/proc" "$root/dev"; do umount -R -l "$mount" 2>/dev/null; done
}
debootstrap --variant=minbase bookworm "$root" >"$work/record.log" 2>&1 ||
	skip "no Debian mirror can be reached: $(tail -n 1 "$work/record.log")"
for folder in dev proc sys; do mount --rbind "/$folder" "$root/$folder"; done
mount --make-rslave "$root/sys"
cp /etc/resolv.conf "$root/etc/" 2>/dev/null || true
cp /etc/hosts "$root/etc/"
mkdir "$root/src"
git -C "$tree" ls-files -z | (cd "$tree" && xargs -0 cp --parents -t "$root/src")
chroot "$root" /src/dev run record -d 3 -F 499 -o /tmp/all.html -o /tmp/all.folded >"$work/record.log" 2>&1 || fail "./dev run"
balanced
[ -s "$root/tmp/all.html" ] || fail "no flame graph"
grep -q '^wrote /tmp/all.html' "$work/record.log" || fail "it does not say where the flame graph is"

# Without a verb it is the daemon: it says where the page is, and ends in order.
chroot "$root" timeout -s TERM -k 20 60 /src/dev run --state-dir /tmp/state --web-listen 127.0.0.1:0 >"$work/record.log" 2>&1 &
daemon=$!
i=0
while ! grep -q 'the page listens at 127\.0\.0\.1:' "$work/record.log"; do
	i=$((i + 1))
	[ $i -lt 300 ] || fail "./dev run does not say where the page is"
	sleep 0.2
done
kill "$daemon"
wait "$daemon" || :
[ -d "$root/tmp/state/store" ] || fail "./dev run keeps nothing"
