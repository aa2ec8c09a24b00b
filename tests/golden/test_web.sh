#!/bin/sh
# The exporter's HTTP server, without a browser: see web_http.py.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${FLEETPROF_BUILD:-build}/tests/golden_make_store" "$work/store" "$(($(date +%s) / 60 * 60))"
python3 "${FLEETPROF_SOURCE:-.}/tests/golden/web_http.py" "${FLEETPROF_BUILD:-build}" "$work"
