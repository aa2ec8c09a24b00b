#!/bin/sh
# The flame graph's page in a real browser: see flame_page.py.
set -eu
. "${FLEETPROF_SOURCE:-.}/tests/golden/browser.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for which in known evil big; do
	"${FLEETPROF_BUILD:-build}/tests/golden_make_profile" $which html >"$work/$which.html"
done
"$python" "${FLEETPROF_SOURCE:-.}/tests/golden/flame_page.py" "$work"
