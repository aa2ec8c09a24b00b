#!/bin/sh
# Who may do what: capabilities, users, no_new_privs and seccomp of every process, as /proc tells them while recording.
. "$(dirname "$0")/lib.sh"
need_root
need gcc
need python3

gcc -O1 -fno-omit-frame-pointer -DLOOP=some_loop -o "$work/spin" "$tree/tests/fixtures/spin.c"
in_background "$work/spin"
in_background setsid "$fleetprof" record -F 499 -d 0 -o "$work/p.folded" >"$work/record.log" 2>&1
session=$child
python3 - "$session" <<'END'
import os, sys, time
session = int(sys.argv[1])
CAPS = {"DAC_READ_SEARCH": 2, "SETPCAP": 8, "SYS_PTRACE": 19, "SYSLOG": 34, "PERFMON": 38, "BPF": 39, "CHECKPOINT_RESTORE": 40}
DEADLINE = time.monotonic() + 60
SETS = ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb")


class Process:
    def __init__(self, pid):
        self.pid = pid
        self.program = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
        with open(f"/proc/{pid}/status") as status:
            self.status = dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)
        with open(f"/proc/{pid}/stat") as stat:
            self.parent, _, self.session = map(int, stat.read().rsplit(")", 1)[1].split()[1:4])
        with open(f"/proc/{pid}/limits") as limits:
            self.limits = {line[:25].strip(): line[25:45].strip() for line in limits}
        self.fds = {}
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                self.fds[int(fd)] = os.readlink(f"/proc/{pid}/fd/{fd}")
            except FileNotFoundError: # closed meanwhile
                pass


def check(process, role, caps, other_user=False, seccomp=None):
    status = process.status
    want = sum(1 << CAPS[c] for c in caps)
    for name in SETS:
        expected = 0 if name in ("CapInh", "CapAmb") else want
        assert int(status[name], 16) == expected, f"{role}: {name} is {status[name]}, not {expected:016x}"
    assert status["NoNewPrivs"] == "1", f"{role}: no_new_privs is not set"
    for ids in ("Uid", "Gid"):
        values = {int(v) for v in status[ids].split()}
        assert len(values) == 1 and (values == {0}) != other_user, f"{role}: {ids} {status[ids]}"
    if other_user:
        assert not status["Groups"].split(), f"{role}: groups {status['Groups']}"
    if seccomp is not None:
        assert status["Seccomp"] == str(seccomp), f"{role}: seccomp {status['Seccomp']}"
    print(f"{role}: pid {process.pid}, CapEff {status['CapEff']}, Uid {status['Uid'].split()[0]}")


def session_processes():
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            process = Process(int(pid))
        except OSError: # it has ended
            continue
        if process.session == session:
            found.append(process)
    return found


def children_of(processes, program, by_keeper):
    return [p for p in processes if p.program == program and (p.parent == session) == by_keeper]


def complete(processes):
    """Each is there, the core samples, and the symbolizer's children, which come and go, are not just being forked."""
    children = children_of(processes, "fleetprof-symbolizer", False)
    core = children_of(processes, "fleetprof", True)
    return (any(p.pid == session for p in processes) and children_of(processes, "fleetprof-symbolizer", True) and
            core and "anon_inode:[perf_event]" in core[0].fds.values() and
            children_of(processes, "fleetprof-opener", True) and children_of(processes, "fleetprof-opener", False) and
            children and all(p.status["Seccomp"] == "2" for p in children))


while not complete(processes := session_processes()):
    assert time.monotonic() < DEADLINE, [(p.program, p.pid, p.parent, p.status["Seccomp"]) for p in processes]
    time.sleep(0.05)
keeper = next(p for p in processes if p.pid == session)
core = children_of(processes, "fleetprof", True)[0]
openers = [p for p in processes if p.program == "fleetprof-opener"]

assert int(keeper.status["CapEff"], 16) & (1 << CAPS["SYS_PTRACE"]), "the keeper cannot start an opener again"
check(core, "core", ("BPF", "PERFMON", "SYSLOG"))
server = children_of(processes, "fleetprof-opener", True)
assert len(server) == 1, server
for process in openers:
    check(process, "opener" if process in server else "opener's worker", ("SYS_PTRACE", "CHECKPOINT_RESTORE", "DAC_READ_SEARCH"))
supervisor = children_of(processes, "fleetprof-symbolizer", True)
assert len(supervisor) == 1, supervisor
check(supervisor[0], "symbolizer", (), other_user=True)
for process in children_of(processes, "fleetprof-symbolizer", False):
    check(process, "symbolizer's child", (), other_user=True, seccomp=2)
    assert sorted(process.fds) == [0, 1, 2], f"a child holds {process.fds}"
    for limit in ("Max data size", "Max cpu time", "Max file size"):
        assert process.limits[limit] != "unlimited", f"a child's {limit} is unlimited"

# Nobody but the core holds BPF objects and perf events; nobody at all holds a network socket.
for process in processes:
    bpf = [f for f in process.fds.values() if f.startswith("anon_inode:") and ("bpf" in f or "perf" in f)]
    assert bool(bpf) == (process is core), f"{process.program} {process.pid} holds {bpf}"
inodes = {f[8:-1] for p in processes for f in p.fds.values() if f.startswith("socket:")}
for table in ("tcp", "tcp6", "udp", "udp6", "raw", "raw6", "packet"):
    with open(f"/proc/net/{table}") as lines:
        for line in lines:
            assert not inodes & set(line.split()), f"a socket of {table}: {line}"
END
kill -INT "$session"
wait "$session" || fail "the recording ended with $?"
balanced
