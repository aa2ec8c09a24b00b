#!/bin/sh
# fleetprof doctor: as root, as nobody, with one capability missing at a time, in namespaces, with helpers missing.
. "$(dirname "$0")/lib.sh"
need_root
need setpriv
need python3

# doctor STATUS COMMAND…: the command ends with that status; its JSON goes to $work/json.
doctor() {
	want=$1
	shift
	rc=0
	"$@" --json >"$work/json" 2>"$work/stderr" || rc=$?
	[ "$rc" = "$want" ] || { cat "$work/json" "$work/stderr"; fail "$*: status $rc, not $want"; }
	python3 - "$work/json" "$rc" <<'END' || fail "$*: bad JSON"
import json, sys
doctor = json.load(open(sys.argv[1]))
assert doctor["exit_status"] == int(sys.argv[2])
assert len(doctor["findings"]) > 15
for f in doctor["findings"]:
    assert f["name"] and f["what"] and f["state"] in ("ok", "warn", "fail"), f
    assert f["state"] == "ok" or f["advice"], f
END
}
# says STATE NAME WORDS
says() {
	python3 - "$work/json" "$@" <<'END' || { cat "$work/json"; fail "no finding: $*"; }
import json, sys
findings = json.load(open(sys.argv[1]))["findings"]
state, name, words = sys.argv[2:]
sys.exit(not any(f["state"] == state and f["name"] == name and words in f["what"] + f["advice"] for f in findings))
END
}
config=$work/config.yaml
echo "state_dir: $work/state" >"$config"
helper=$build/fleetprof
before=$(ls -a "$work")

# As root; the machine may have its own weak points.
rc=0
"$helper" doctor -c "$config" --json >"$work/json" || rc=$?
[ "$rc" -le 1 ] || { cat "$work/json"; fail "root cannot sample here"; }
as_root=$rc
says ok programs 'loaded, attached and run'
says ok capabilities 'CAP_BPF'
rm "$work/json"
[ "$(ls -a "$work")" = "$before" ] || fail "it made something"

drop() { setpriv --bounding-set "-$1" --inh-caps "-$1" "$helper" doctor -c "$config" "$2"; }
doctor 2 drop bpf,-sys_admin
says fail capabilities 'CAP_BPF missing'
says fail programs ''
doctor 2 drop perfmon,-sys_admin
says fail capabilities 'CAP_PERFMON missing'
doctor 1 drop syslog
says warn capabilities 'CAP_SYSLOG missing'
says ok programs 'loaded, attached and run'
doctor 1 drop sys_ptrace
says warn capabilities 'CAP_SYS_PTRACE missing'
doctor 1 drop setuid
says warn capabilities 'CAP_SETUID missing'
# SYS_ADMIN does what the two newer ones do.
doctor "$as_root" drop bpf,-perfmon

chmod 755 "$work"
chmod 644 "$config"
doctor 2 setpriv --reuid 65534 --regid 65534 --clear-groups "$helper" doctor -c "$config"
says fail capabilities 'CAP_BPF, CAP_PERFMON missing'

doctor 2 unshare --pid --fork --mount-proc "$helper" doctor -c "$config"
says fail 'pid namespace' '--pid=host'
if unshare --user --map-root-user true 2>/dev/null; then
	doctor 2 unshare --user --map-root-user "$helper" doctor -c "$config"
	says fail 'user namespace' "host's root"
fi

# Its helpers are elsewhere; of another version.
mkdir "$work/bin"
cp "$build/fleetprof" "$work/bin/"
doctor 2 "$work/bin/fleetprof" doctor -c "$config"
says fail 'helper programs' 'install all of the programs together'
cp "$build/fleetprof-opener" "$build/fleetprof-symbolizer" "$work/bin/"
printf '#!/bin/sh\necho fleetprof-exporter 0.0.1\n' >"$work/bin/fleetprof-exporter"
chmod 755 "$work/bin/fleetprof-exporter"
doctor 2 "$work/bin/fleetprof" doctor -c "$config"
says fail 'helper programs' "refuse each other's versions"

echo 'rate: fast' >"$config"
doctor 1 "$helper" doctor -c "$config"
says warn settings 'config.yaml:1:7'
rc=0
"$helper" doctor --nope 2>"$work/stderr" || rc=$?
[ "$rc" = 2 ] && grep -q -- --nope "$work/stderr" || fail "--nope"
"$helper" doctor -c /dev/null >"$work/text" || true
! grep -q "$(printf '\033')" "$work/text" || fail "colours in a pipe"
