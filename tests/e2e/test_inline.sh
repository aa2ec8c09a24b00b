#!/bin/sh
# Inlined functions of an optimized C++ program, with their lines, in pprof and folded output.
. "$(dirname "$0")/lib.sh"
need_root
need g++

cp "$tree/tests/fixtures/inlined.cc" "$work/inlined.cc"
(cd "$work" && g++ -O2 -g -fno-omit-frame-pointer -o inlined inlined.cc)
record -F 497 -o "$work/i.folded" -o "$work/i.pb.gz" -- "$work/inlined" 2000
grep -q 'shop::checkout(shop::Basket&);.*fill<shop::Basket>.*;shop::Basket::add(unsigned long) [0-9]*$' \
	"$work/i.folded" || fail "the inline chain is not in the stacks: $(head -c 600 "$work/i.folded")"
line() { grep -n "// LINE-$1\$" "$work/inlined.cc" | cut -d: -f1; }
if command -v go >/dev/null 2>&1; then
	go tool pprof -symbolize=none -traces "$work/i.pb.gz" >"$work/traces" 2>&1 ||
		fail "pprof refuses the file: $(cat "$work/traces")"
	grep -q 'shop::Basket::add' "$work/traces" || fail "pprof shows no inlined function"
	go tool pprof -symbolize=none -lines -top "$work/i.pb.gz" 2>/dev/null >"$work/lines"
	for name in ADD CHECKOUT; do
		grep -q "inlined.cc:$(line $name)\b" "$work/lines" ||
			fail "line $(line $name) ($name) is missing: $(head -20 "$work/lines")"
	done
fi

# As the linker has them, and without parameters and template arguments.
record -F 497 -o "$work/short.folded" -o "$work/short.pb.gz" --demangle short -- "$work/inlined" 500
grep -q ';shop::checkout;.*;shop::Basket::add [0-9]*$' "$work/short.folded" ||
	fail "no short names: $(head -c 600 "$work/short.folded")"
! grep -q 'fill<' "$work/short.folded" || fail "template arguments in short names"
record -F 497 -o "$work/none.folded" --demangle none -- "$work/inlined" 500
grep -q ';_ZN4shop8checkoutERNS_6BasketE;' "$work/none.folded" || fail "no names of the linker's: $(head -c 600 "$work/none.folded")"
! "$fleetprof" record --demangle pretty -- true 2>"$work/err" || fail "--demangle pretty is taken"
grep -q 'choose full, short or none' "$work/err" || fail "it does not say what --demangle takes"
