# Sourced by tests that need a browser: $python has Playwright and finds Chromium, or the test is skipped.
# shellcheck shell=sh
for python in "${FLEETPROF_SOURCE:-.}/build/venv/bin/python3" python3; do
	"$python" -c 'import playwright' 2>/dev/null && break
	python=
done
[ -n "$python" ] || { echo "skipped: no Playwright (./dev test installs it)"; exit 77; }
command -v chromium >/dev/null || { echo "skipped: chromium is not installed"; exit 77; }
CHROMIUM=$(command -v chromium)
export CHROMIUM
