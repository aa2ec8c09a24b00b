#!/bin/sh
# The unwind tables of this machine's own programs and libraries, row by row, beside libdw: a sample of an eighth, the
# same in each run, and those that everything runs on. ./dev bench unwind-oracle looks at all.
set -eu
build=${FLEETPROF_BUILD:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for name in libc.so.6 ld-linux-*.so.* libcrypto.so.* libstdc++.so.6 libm.so.6 libgcc_s.so.1; do
	find /usr/lib -name "$name" -type f 2> /dev/null
done > "$work/files"
find /usr/bin /usr/sbin /usr/lib -type f \( -perm -u+x -o -name '*.so*' \) -size +8k -size -40M 2> /dev/null |
	LC_ALL=C sort | awk 'NR % 8 == 3' >> "$work/files"

xargs -n 500 -a "$work/files" "$build/tests/oracle/unwind_oracle" > "$work/said" || failed=1
grep -e ': disagreed' -e ': no table' "$work/said" || :
awk '/ rows, / { files += $1; rows += $3 }
	/^addresses: / { for (i = 2; i < NF; i += 2) n[$i] += $(i + 1) }
	END {
		printf "%d files, %d rows\n", files, rows
		for (what in n) printf "%s %d\n", what, n[what]
		exit files < 20 || n["agreed"] + n["by-go"] + n["by-code"] < rows || n["unsupported"] + n["fp-lost"] > rows / 10000
	}' "$work/said"
exit "${failed:-0}"
