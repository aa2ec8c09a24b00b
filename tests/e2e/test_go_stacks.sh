#!/bin/sh
# Go's stacks through C and back, on the runtime's own stack, in the vDSO, in signal handlers: whole, and with the right callers.
. "$(dirname "$0")/lib.sh"
need_root
need gcc
need go
[ -n "${HOME:-}" ] || export GOCACHE="$build/go-cache"
export GOTOOLCHAIN=local GOFLAGS= CGO_ENABLED=1
pending='\[truncated: unwind table not there yet\]'
failed=

# among WHAT PATTERN EXPECTED: of the samples that match the one, nearly all must match the other.
among() {
	grep -v -e "$pending" -e 'gap bridged' "$work/go.folded" | grep -E -e "$2" >"$work/among" || :
	all=$(samples "$work/among" .)
	grep -E -v -e "$3" "$work/among" >"$work/wrong" || :
	wrong=$(samples "$work/wrong" .)
	echo "  $1: $all samples, $wrong of them otherwise"
	[ "$all" -ge 5 ] && [ $((wrong * 50)) -le "$all" ] && return
	cut -c1-400 "$work/wrong" | head -3 >&2
	wrong_ones="$wrong_ones $version:$1"
}

# measure GO FLAG…: builds, records and judges; where a few seconds are not enough to tell, as on a busy machine, longer.
measure() {
	go=$1
	shift
	version=$("$go" env GOVERSION)
	"$go" build "$@" -o "$work/program" "$tree/tests/fixtures/gostacks.go" || fail "go build"
	for seconds in 3 15; do
		record -F 997 -o "$work/go.folded" -- "$work/program" $seconds c callback clock locks garbage grow channels signals
		echo "$version $*, $seconds s:"
		wrong_ones=
		judge
		[ -n "$wrong_ones" ] || return 0
	done
	failed="$failed$wrong_ones"
}

main=';runtime\.goexit;runtime\.main;main\.main'
calls_c='_Cfunc_c_[a-z_]*;runtime\.cgocall;(runtime\.systemstack_switch;)?runtime\.asmcgocall'
back='c_calls_back;goCallback;crosscall2;runtime\.cgocallback;.*;main\.goCallback'
whole() {
	among "C called" ';c_burn' "$main;main\.callsC;main\.$calls_c;c_outer;c_burn"
	among "Go called by C called by Go" ';main\.goCallback;main\.burn' "$main;main\.callsBack;main\.$calls_c;$back;main\.$calls_c;$back;main\.burn"
	among "on the runtime's stack" ';runtime\.systemstack;' '(;runtime\.goexit;.+|;runtime.rt0_go|;runtime\.mstart.*);runtime\.systemstack;'
	among "all" ';program;' ';program;[^[]'
}
older() { # whose systemstack and asmcgocall save no frame pointer, and the goroutine's place only for the last of them
	among "C called" ';c_burn' "$main;main\.callsC;main\.$calls_c;c_outer;c_burn"
	among "Go called by C called by Go" ';main\.goCallback;main\.burn' \
		"truncated: unwind rule not expressible.;runtime\.asmcgocall;$back;main\.burn"
	among "on the runtime's stack" ';runtime\.systemstack;' '(;runtime\.goexit;[^[]+|\[truncated: unwind rule not expressible\]);runtime\.systemstack;'
}
both() {
	among "a stack that grows" ';runtime\.copystack' ';runtime\.goexit;[^[]+;runtime\.morestack;runtime\.newstack;'
	among "the clock" ';__vdso_clock_gettime' "$main;main\.clock;.*;time\.now;__vdso|;runtime\.nanotime1;__vdso"
	among "a signal handler" ';runtime\.sigtrampgo' ';[^;]+;(__restore_rt|runtime\.sigreturn[^;]*);runtime\.sigtramp;runtime\.sigtrampgo'
	# Nobody returns to mcall's caller: its goroutine may run elsewhere by then.
	among "a goroutine that was left" ';runtime\.mcall;runtime\.' ';program;runtime\.mcall;runtime\.'
}

judge() {
	case $version in
	go1.1[0-9]* | go1.20*) older ;;
	*) whole ;;
	esac
	both
}

measure go
measure go -buildmode=pie
if [ -x /usr/lib/go-1.19/bin/go ] && [ "$(readlink -f "$(command -v go)")" != /usr/lib/go-1.19/bin/go ]; then
	measure /usr/lib/go-1.19/bin/go
fi
[ -z "$failed" ] || fail "wrong stacks:$failed"
