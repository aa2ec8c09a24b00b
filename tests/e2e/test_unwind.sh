#!/bin/sh
# The torture programs (tests/fixtures/torture) have the stacks that they say, without frame pointers.
. "$(dirname "$0")/lib.sh"
need_root
need gcc

torture=$tree/tests/fixtures/torture
failed=

# said FILE WORD: what the program's first lines say about it.
said() { sed -n "s,^/[/*] $2: \(.*\)\$,\1,p" "$1" | sed 's, \*/$,,'; }

compile() { # FILE FLAGS: into $work/program; false: there is no compiler for it here
	case $1 in
	*.rs) command -v rustc >/dev/null && rustc $2 -o "$work/program" "$1" 2>"$work/compile.log" ;;
	*) # shellcheck disable=SC2086
		cc=$(said "$1" compiler)
		command -v "${cc:-gcc}" >/dev/null && "${cc:-gcc}" -g -fomit-frame-pointer -o "$work/program" "$1" $2 2>"$work/compile.log" ;;
	esac
}

# Beside the program: what it opens. Each line is a library's name and what is defined for it.
compile_libraries() { # FILE
	said "$1" library | while read -r name defines; do
		# shellcheck disable=SC2086
		gcc -g -O2 -fomit-frame-pointer -shared -fPIC $defines -o "$work/$name.so" "$1" || exit 1
	done
}

# Samples that were taken before the table was there say so. They are not judged, and must not be many. False: wrong, or too
# few to tell.
judge() { # FILE FLAGS SECONDS
	expect=$(said "$1" expect) among=$(said "$1" among)
	grep -E -e "${among:-.}" "$work/t.folded" >"$work/among" || :
	all=$(samples "$work/among" .)
	grep -E -e "$expect" "$work/among" >"$work/right" || :
	grep -v -E -e "$expect" "$work/among" | grep -v -e '\[truncated: unwind table not there yet\]' \
		-e '\[gap bridged by frame pointer\]' >"$work/wrong" || :
	right=$(samples "$work/right" .) wrong=$(samples "$work/wrong" .)
	echo "$(basename "$1") $2: $3 s: $right right, $wrong wrong, $((all - right - wrong)) before there was a table"
	[ $((right * 2)) -ge "$all" ] && [ "$right" -ge 50 ] && [ $((wrong * 100)) -le "$right" ]
}

# Where little remains of a short run, as on a busy machine, a longer one decides.
run() { # FILE FLAGS
	for seconds in 0.7 3 12; do
		record -F 997 -o "$work/t.folded" -- "$work/program" $seconds </dev/null
		! judge "$1" "$2" $seconds || return 0
	done
	cut -c1-300 "$work/wrong" | head -5 >&2
	failed="$failed $(basename "$1")"
}

for file in "$torture"/*.c "$torture"/*.rs; do
	said "$file" flags >"$work/flags"
	while read -r flags; do
		if ! compile "$file" "$flags"; then
			echo "$(basename "$file") $flags: cannot be compiled here: $(head -1 "$work/compile.log" 2>/dev/null)"
			continue
		fi
		compile_libraries "$file"
		run "$file" "$flags"
	done <"$work/flags"
done
[ -z "$failed" ] || fail "wrong stacks:$failed"
