"""Complete stacks on distribution packages without frame pointers, by reason; and agreement with libdwfl."""
import collections
import contextlib
import glob
import os
import re
import shutil
import subprocess
import time

from common import CPUS, Skip, output_of

TITLE = "Complete stacks at 997 Hz, and whole stacks that agree with libdwfl's"
RATE, SECONDS, COPIES = 997, 20, 2500
PENDING = "unwind table not there yet"


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            raise Skip(f"{program} is not installed")


def start(*command, **how):
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                            start_new_session=True, **how)


@contextlib.contextmanager
def running(*commands):
    """The commands, each in a session of its own; yields their pids."""
    processes = [start(*command) for command in commands]
    time.sleep(1.5)
    try:
        yield [process.pid for process in processes]
    finally:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            process.wait()


def redis(bench):
    need("redis-server", "redis-benchmark")
    port = "16391"
    server = ["redis-server", "--port", port, "--save", "", "--dir", bench.folder]
    load = ["sh", "-c", f"sleep 1; redis-benchmark -p {port} -l -q -n 200000 -t set,get,lpush,lrange_100,sadd,zadd,mset"]
    return running(server, load)


@contextlib.contextmanager
def postgres(bench):
    folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    need("pgbench", "runuser")
    if not folders:
        raise Skip("postgresql is not installed")
    data, port = f"{bench.folder}/pg", "16392"
    os.chmod(bench.folder, 0o755)
    os.mkdir(data)
    shutil.chown(data, "postgres")
    as_user = ["runuser", "-u", "postgres", "--"]
    output_of([*as_user, f"{folders[-1]}/initdb", "-D", data, "-A", "trust"])
    server = [*as_user, f"{folders[-1]}/postgres", "-D", data, "-p", port, "-k", data]
    connect = ["-h", data, "-p", port, "-U", "postgres"]
    with running(server):
        output_of(["pgbench", "-i", "-q", *connect, "postgres"])
        with running(["pgbench", "-c", "4", "-j", "2", "-T", "600", *connect, "postgres"]):
            backends = output_of(["pgrep", "-f", "postgres: postgres"]).split()
            yield [int(backends[0])]
        output_of([*as_user, f"{folders[-1]}/pg_ctl", "-D", data, "-m", "immediate", "stop"])


def clang(bench):
    need("clang")
    source = f"{bench.folder}/large.c"
    with open(source, "w") as file:
        for i in range(3000):
            file.write(f"int f{i}(int *p, int n) {{ int s = {i}; for (int i = 0; i < n; i++) {{ s += p[i] * {i + 3}; "
                       f"if (s & {i + 1}) s ^= p[(i * 7) % n]; }} return s; }}\n")
    compile_it = f"while :; do clang -O2 -c -o /dev/null {source}; done"
    return running(*[["sh", "-c", compile_it]] * CPUS)


def openssl(bench):
    need("openssl")
    what = ["aes-256-gcm", "sha256", "rsa2048", "ecdsap256", "chacha20-poly1305"]
    commands = [["sh", "-c", f"while :; do openssl speed -seconds 1 {' '.join(what[i::CPUS])}; done"] for i in range(CPUS)]
    return running(*commands)


def script(program, text):
    def workload(bench):
        need(program)
        path = f"{bench.folder}/script"
        with open(path, "w") as file:
            file.write(text)
        return running(*[[program, path]] * CPUS)
    return workload


PYTHON = """import json, re, zlib
while True:
    json.loads(json.dumps({str(i): [i] * 20 for i in range(200)}))
    re.sub("(a+)b", r"\\1c", "aaab" * 500)
    zlib.compress(bytes(range(256)) * 100)
    sorted((str(i) for i in range(2000)), key=len)
"""
RUBY = """loop do
  h = (1..2000).map { |i| [i.to_s, i * 2] }.to_h
  h.sort_by { |k, v| -v }.map { |k, v| k.sub(/1+/, "x") }.join(",").hash
end
"""
PHP = """<?php while (true) {
  $a = array_map(fn($i) => md5((string)$i), range(1, 2000)); sort($a);
  preg_replace('/a+/', 'b', implode(',', $a)); json_decode(json_encode($a)); }
"""

WORKLOADS = {
    "redis": (redis, "redis-server|redis-benchmark"),
    "postgres": (postgres, "postgres|pgbench"),
    "openssl": (openssl, "openssl"),
    "clang": (clang, "clang.*"),
    "python3": (script("python3", PYTHON), "python3.*"),
    "ruby": (script("ruby", RUBY), "ruby.*"),
    "php": (script("php", PHP), "php.*"),
}


def count(path, process):
    """Samples by how their stacks end, of processes of this name."""
    ends = collections.Counter()
    with open(path, errors="replace") as folded:
        for line in folded:
            stack, samples = line.rsplit(" ", 1)
            frames = stack.split(";")
            if len(frames) < 3 or not re.fullmatch(process, frames[1]):
                continue
            cut = re.match(r"\[truncated: (.*)\]$", frames[2])
            ends[cut[1] if cut else "complete"] += int(samples)
    return ends


def agree(bench, pid):
    tool = f"{bench.build}/tests/bench/bench_unwind_agree"
    said = subprocess.run([tool, str(pid), str(COPIES)], capture_output=True, text=True, timeout=120).stdout
    found = re.search(r"all (\d+) equal (\d+) differ (\d+) ours_shorter (\d+) theirs_shorter (\d+) neither_complete (\d+)", said)
    if not found:
        return None
    for line in said.splitlines():
        if line.startswith("#"):
            print("   ", line)
    return list(map(int, found.groups()))


def share(agreed):
    """Where libdwfl does not come to the root either (generated code), there is nothing to agree on."""
    return f"{100 * agreed[1] / max(agreed[0] - agreed[5], 1):.2f} %"


def run(bench):
    totals = [0] * 6
    for name, (workload, process) in WORKLOADS.items():
        try:
            with workload(bench) as pids:
                folded = f"{bench.folder}/{name}.folded"
                bench.record("-F", str(RATE), "-d", str(SECONDS), "-o", folded)
                agreed = agree(bench, pids[0]) if name not in ("clang", "openssl") else None
        except Skip as skip:
            print(f"  {name}: not measured: {skip}")
            continue
        ends = count(folded, process)
        judged = sum(ends.values()) - ends[PENDING]
        rest = ", ".join(f"{reason}: {n}" for reason, n in ends.most_common() if reason != "complete")
        bench.row(f"{name}: complete stacks, once the tables are there", f"{100 * ends['complete'] / max(judged, 1):.2f} %",
                  f"of {judged} samples; {rest}")
        if agreed:
            totals = [a + b for a, b in zip(totals, agreed)]
            bench.row(f"{name}: whole stacks equal to libdwfl's", share(agreed), f"of {agreed[0]}; neither complete: {agreed[5]}")
    if totals[0]:
        bench.row("all: whole stacks equal to libdwfl's", share(totals), f"of {totals[0]}; neither complete: {totals[5]}")
