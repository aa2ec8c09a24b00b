#!/bin/sh
# The systemd unit: every directive is known to this systemd, and what it leaves open stays little.
set -eu
build=${FLEETPROF_BUILD:-build}
command -v systemd-analyze >/dev/null || { echo "skipped: no systemd-analyze"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { echo "failed: $*"; exit 1; }
# The programs are not installed where the unit says; everything else is checked as it is.
sed "s|^ExecStart=[^ ]*|ExecStart=$(cd "$build" && pwd)/fleetprof|" "$build/fleetprof.service" >"$work/fleetprof.service"
grep -q "^ExecStart=$(cd "$build" && pwd)/fleetprof agent$" "$work/fleetprof.service" || fail "no ExecStart"
verify() { systemd-analyze verify --man=no "$1" 2>&1 | grep "$(basename "$1")" || true; }
said=$(verify "$work/fleetprof.service")
[ -z "$said" ] || fail "$said"
# The check notices what is wrong.
sed 's/^ProtectHome=.*/ProtectHome=perhaps/; s/^NoNewPrivileges/NoNewPrivilege/' "$work/fleetprof.service" >"$work/wrong.service"
[ "$(verify "$work/wrong.service" | wc -l)" -ge 2 ] || fail "two wrong directives were not noticed"

systemd-analyze security --offline=yes --threshold=40 "$work/fleetprof.service" >"$work/security" 2>&1 ||
	{ tail -1 "$work/security"; fail "more exposed than 4.0"; }
