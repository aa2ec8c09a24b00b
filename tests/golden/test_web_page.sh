#!/bin/sh
# The agent's page in a real browser: see web_page.py.
set -eu
. "${FLEETPROF_SOURCE:-.}/tests/golden/browser.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${FLEETPROF_BUILD:-build}/tests/golden_make_store" "$work/store" "$(($(date +%s) / 60 * 60))"
"$python" "${FLEETPROF_SOURCE:-.}/tests/golden/web_page.py" "${FLEETPROF_BUILD:-build}" "$work" "$@"
