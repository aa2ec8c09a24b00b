#!/bin/sh
# One file in several roots, as that of a shared image layer is: its debug file is looked for in each of them, and who
# writes in one root names nothing in the others.
. "$(dirname "$0")/lib.sh"
need_root
for tool in gcc objcopy unshare pivot_root; do need $tool; done

# One program under two names, to tell its processes apart, and two roots that have it. Its build ID is this run's own: the
# host's root is looked in, too, where another test may have put a debug file of the same source.
mkdir -p "$work/layer"
gcc -O2 -g -static -fno-omit-frame-pointer -Wl,--build-id=uuid -o "$work/whole" "$tree/tests/fixtures/hot.c"
objcopy --only-keep-debug "$work/whole" "$work/right"
sed 's/hot_most/evilname/g' "$work/right" >"$work/forged"
strip -o "$work/layer/alice" "$work/whole"
ln "$work/layer/alice" "$work/layer/bob"
id=$(readelf -n "$work/whole" | sed -n 's/.*Build ID: //p')
debug=usr/lib/debug/.build-id/$(printf %.2s "$id")/${id#??}.debug
for who in alice bob; do mkdir -p "$work/$who/bin" "$work/$who/old" "$work/$who/${debug%/*}"; done

# in_root NAME COMMAND: runs NAME's program in its root, which the command mounts there
in_root() {
	echo "unshare --mount sh -c \"$2 && cd '$work/$1' && pivot_root . old && exec /bin/$1 2\""
}
# both COMMAND-FOR-ALICE COMMAND-FOR-BOB FIRST SECOND: of each one's samples, of 100, which name there is
both() {
	record -F 499 -o "$work/run.folded" -- sh -c "
		$(in_root "$3" "$(mounts "$1" "$3")") & sleep 0.5; $(in_root "$4" "$(mounts "$1" "$4")"); wait"
	for who in alice bob; do
		all=$(samples "$work/run.folded" ";$who;")
		[ "$all" -gt 300 ] || fail "$2: only $all samples of $who"
		for name in hot_most evilname; do
			eval "${who}_$name=$((100 * $(samples "$work/run.folded" ";$who;.*$name") / all))"
		done
	done
	echo "$2, $3 first: alice $alice_hot_most % right, $alice_evilname % forged; bob $bob_hot_most % right, $bob_evilname % forged"
}
mounts() {
	case $1 in
	bind) echo "mount --bind '$work/$2' '$work/$2' && mount --bind '$work/layer' '$work/$2/bin'" ;;
	overlay) echo "mount -t overlay -o 'lowerdir=$work/lower,upperdir=$work/$2-upper,workdir=$work/$2-work' overlay '$work/$2'" ;;
	esac
}
# forged_for_alice KIND TITLE: whoever is first
forged_for_alice() {
	for order in 'alice bob' 'bob alice'; do
		# shellcheck disable=SC2086
		both "$1" "$2" $order
		[ "$bob_evilname" = 0 ] || fail "$2: another root's file names bob's functions"
		[ "$alice_evilname" -gt 40 ] || fail "$2: alice's own file is not used"
		[ "$3" = nobody ] || [ "$bob_hot_most" -gt 40 ] || fail "$2: bob's functions have no names"
		[ "$3" = bob ] || [ "$bob_hot_most" = 0 ] || fail "$2: names from nowhere"
	done
}

cp "$work/forged" "$work/alice/$debug"
forged_for_alice bind 'a forged debug file, and none' nobody
cp "$work/right" "$work/bob/$debug"
forged_for_alice bind 'a forged debug file, and the right one' bob
grep -q '^files in further roots: [0-9]*; [1-9]' "$work/record.log" || fail "the summary does not tell of the views"

mkdir -p "$work/lower/bin" "$work/lower/old" "$work/lower/${debug%/*}"
cp -al "$work/layer/." "$work/lower/bin"
cp "$work/right" "$work/lower/$debug"
for who in alice bob; do mkdir -p "$work/$who-upper" "$work/$who-work"; done
mount -t overlay -o "lowerdir=$work/lower,upperdir=$work/bob-upper,workdir=$work/bob-work" overlay "$work/bob" ||
	skip "no overlay below $work"
umount "$work/bob"
both overlay 'one debug file in the shared layer' alice bob
[ "$alice_hot_most" -gt 40 ] && [ "$bob_hot_most" -gt 40 ] || fail "the layer's debug file is not found in each root"
grep -q '^files in further roots: [0-9]*; 0 ' "$work/record.log" || fail "equal names are not shared"
mkdir -p "$work/alice-upper/${debug%/*}"
cp "$work/forged" "$work/alice-upper/$debug"
forged_for_alice overlay 'a forged debug file in front of the layer' bob
