#!/bin/sh
# Programs as linkers may lay them out: from the sampled address to file offset to ELF address to name, for each of them,
# on the live process and by hand with fleetprof-symbolizer.
. "$(dirname "$0")/lib.sh"
need_root
need gcc
need strip

source=$tree/tests/fixtures/spin.c
pids=
expected=0
# layout NAME FLAG…: builds and starts a program called NAME whose time goes into loop_NAME.
layout() {
	name=$1
	shift
	if ! gcc -O1 -g -fno-omit-frame-pointer "-DLOOP=loop_$name" -o "$work/$name" "$source" "$@" 2>"$work/gcc.log"; then
		echo "$name: not with this compiler: $(head -n 1 "$work/gcc.log")"
		return 0
	fi
	[ -z "${after:-}" ] || $after "$work/$name"
	in_background "$work/$name"
	pids=$pids${pids:+,}$child
	names="${names:-} $name"
	expected=$((expected + 1))
}

layout pie -pie -fPIE
layout fixed -no-pie -fno-pie
layout static -static -no-pie
layout static_pie -static-pie
layout one_segment -Wl,-z,noseparate-code
layout huge_pages -Wl,-z,max-page-size=2097152
layout small_pages -Wl,-z,max-page-size=4096,-z,common-page-size=4096
layout far -no-pie -fno-pie -Wl,-Ttext-segment=0x10000000
layout odd_text -no-pie -fno-pie -Wl,--section-start=.text=0x12345230
layout relro -Wl,-z,relro,-z,now
layout compressed -gz=zlib
layout dwarf4 -gdwarf-4
layout dwarf_split -gsplit-dwarf
layout no_build_id -Wl,--build-id=none
layout prelinked -Wl,--emit-relocs
# Without debug information: by .symtab; then by .dynsym alone.
after='strip --strip-debug'
layout symtab_only
after='strip'
layout dynsym_only -rdynamic -DLINKAGE=
after=
[ $expected -ge 12 ] || fail "only $expected layouts can be built"

record -F 997 -d 4 -p "$pids" -o "$work/l.folded"
for name in $names; do
	all=$(samples "$work/l.folded" ";$name;.*")
	named=$(samples "$work/l.folded" ";$name;.*loop_$name[; ]")
	[ "$all" -gt 20 ] || fail "$name: only $all samples"
	[ "$named" -ge $((all * 9 / 10)) ] || fail "$name: $named of $all samples have the name: $(grep ";$name;" "$work/l.folded" | cut -c1-160 | head -4)"
	wrong=$(samples "$work/l.folded" ";$name;.*loop_" )
	[ "$wrong" = "$named" ] || fail "$name: $((wrong - named)) samples have another's name"
done

# By hand: every layout's own address of the function, found by nm, has its name and, with DWARF, its line.
for name in $names; do
	case $name in dynsym_only) table=-D ;; *) table= ;; esac
	address=$(nm $table "$work/$name" | awk -v f="loop_$name" '$3 == f { print "0x" $1 }')
	"$build/fleetprof-symbolizer" -e "$work/$name" "$address" >"$work/s.log" 2>&1 || fail "$name: $(cat "$work/s.log")"
	grep -q "loop_$name" "$work/s.log" || fail "$name: $address is $(cat "$work/s.log")"
	case $name in
	*_only|dwarf_split) ;;
	*) grep -q 'spin.c:[0-9]' "$work/s.log" || fail "$name: no line: $(cat "$work/s.log")" ;;
	esac
done
# What is no file to read is said, and waits for nobody.
mkfifo "$work/fifo"
for odd in "$work/fifo" /dev/null "$work" "$work/none" "$source"; do
	if timeout 10 "$build/fleetprof-symbolizer" -e "$odd" 0 >"$work/s.log" 2>&1; then
		fail "$odd is taken for a program"
	else
		[ $? = 1 ] || fail "$odd: $(cat "$work/s.log")"
	fi
done
echo "$expected layouts: $names"
