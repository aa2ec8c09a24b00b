#!/bin/sh
# Who may do what: capabilities, users, no_new_privs and seccomp of every process, as /proc tells them while recording.
. "$(dirname "$0")/lib.sh"
need_root
need gcc
need python3

gcc -O1 -fno-omit-frame-pointer -DLOOP=some_loop -o "$work/spin" "$tree/tests/fixtures/spin.c"
in_background "$work/spin"
in_background setsid "$fleetprof" record -F 499 -d 4 -o "$work/p.folded" >"$work/record.log" 2>&1
session=$child
sleep 2
python3 - "$session" <<'END'
import os, sys, time
session = int(sys.argv[1])
CAPS = {"DAC_READ_SEARCH": 2, "SETPCAP": 8, "SYS_PTRACE": 19, "SYSLOG": 34, "PERFMON": 38, "BPF": 39, "CHECKPOINT_RESTORE": 40}
SETS = ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb")


class Process:
    def __init__(self, pid):
        self.pid = pid
        self.program = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
        with open(f"/proc/{pid}/status") as status:
            self.status = dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)
        with open(f"/proc/{pid}/stat") as stat:
            self.parent, _, self.session = map(int, stat.read().rsplit(")", 1)[1].split()[1:4])
        self.fds = {}
        for fd in os.listdir(f"/proc/{pid}/fd"):
            self.fds[int(fd)] = os.readlink(f"/proc/{pid}/fd/{fd}")


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


processes = []
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        process = Process(int(pid))
    except OSError:
        continue
    if process.session == session:
        processes.append(process)
by_pid = {p.pid: p for p in processes}
keeper = by_pid[session]
core = next(p for p in processes if p.program == "fleetprof" and p.parent == keeper.pid)
openers = [p for p in processes if p.program == "fleetprof-opener"]
symbolizers = [p for p in processes if p.program == "fleetprof-symbolizer"]

assert int(keeper.status["CapEff"], 16) & (1 << CAPS["SYS_PTRACE"]), "the keeper cannot start an opener again"
check(core, "core", ("BPF", "PERFMON", "SYSLOG"))
server = [p for p in openers if p.parent == keeper.pid]
workers = [p for p in openers if p.parent != keeper.pid]
assert len(server) == 1 and workers, (server, workers)
for process in openers:
    check(process, "opener" if process in server else "opener's worker", ("SYS_PTRACE", "CHECKPOINT_RESTORE", "DAC_READ_SEARCH"))
supervisor = [p for p in symbolizers if p.parent == keeper.pid]
children = [p for p in symbolizers if p.parent != keeper.pid]
assert len(supervisor) == 1 and children, (supervisor, children)
check(supervisor[0], "symbolizer", (), other_user=True)
for process in children:
    if process.status["Seccomp"] == "0": # it was just forked
        time.sleep(0.2)
        try:
            process = Process(process.pid)
        except OSError:
            continue
    check(process, "symbolizer's child", (), other_user=True, seccomp=2)
    assert sorted(process.fds) == [0, 1, 2], f"a child holds {process.fds}"
    with open(f"/proc/{process.pid}/limits") as limits:
        limits = {line[:25].strip(): line[25:45].strip() for line in limits}
    for limit in ("Max data size", "Max cpu time", "Max file size"):
        assert limits[limit] != "unlimited", f"a child's {limit} is unlimited"

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
wait "$session" || fail "the recording ended with $?"
balanced
