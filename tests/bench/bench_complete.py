"""
Complete stacks on distribution packages without frame pointers, by reason; agreement with libdwfl; and how long a new file's
stacks are not complete, because its table is not there yet.
"""
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
RATE, SECONDS, COPIES = 997, 12, 2500
NEW_FILES, NEW_FILE_SECONDS = 100, 0.3
PENDING = "unwind table not there yet"


def newest(name, session):
    """The process of this name that started last in a session; the session's own process where there is none."""
    found = subprocess.run(["pgrep", "-n", "-x", "-s", str(session), name], capture_output=True, text=True).stdout.split()
    return int(found[0]) if found else session


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


def wait_for(path, seconds=30):
    end = time.monotonic() + seconds
    while not os.path.exists(path):
        if time.monotonic() > end:
            raise Skip(f"{path} did not appear")
        time.sleep(0.1)
    time.sleep(0.5)


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
        wait_for(f"{data}/.s.PGSQL.{port}")
        output_of(["pgbench", "-i", "-q", *connect, "postgres"])
        with running(["pgbench", "-c", "4", "-j", "2", "-T", "600", *connect, "postgres"]):
            backends = output_of(["pgrep", "-f", "postgres: postgres"]).split()
            yield [int(backends[0])]
        output_of([*as_user, f"{folders[-1]}/pg_ctl", "-D", data, "-m", "immediate", "stop"])


def clang(bench):
    need("clang")
    source = f"{bench.folder}/large.c"
    with open(source, "w") as file:
        for i in range(12000):
            file.write(f"int f{i}(int *p, int n) {{ int s = {i}; for (int i = 0; i < n; i++) {{ s += p[i] * {i + 3}; "
                       f"if (s & {i + 1}) s ^= p[(i * 7) % n]; }} return s; }}\n")
    compile_it = f"while :; do clang -O2 -c -o /dev/null {source}; done"
    return running(*[["sh", "-c", compile_it]] * CPUS)


def openssl(bench):
    need("openssl")
    speed = "openssl speed -seconds 1"
    commands = [f"{speed} -evp aes-256-gcm; {speed} -evp chacha20-poly1305", f"{speed} sha256 sha512 rsa2048 ecdsap256"]
    return running(*[["sh", "-c", f"while :; do {command}; done"] for command in commands])


def script(program, text, *options, ending=""):
    def workload(bench):
        need(program)
        path = f"{bench.folder}/script{ending}"
        with open(path, "w") as file:
            file.write(text)
        return running(*[[program, *options, path]] * CPUS)
    return workload


def rust(bench):
    need("rustc")
    with open(f"{bench.folder}/load.rs", "w") as file:
        file.write(RUST)
    output_of(["rustc", "-O", "-o", f"{bench.folder}/rustload", f"{bench.folder}/load.rs"])
    return running([f"{bench.folder}/rustload"])


def go(bench):
    need("go", "gcc")
    output_of(["go", "build", "-o", f"{bench.folder}/goload", f"{bench.tree}/tests/fixtures/gostacks.go"],
              env={"HOME": "/root", **os.environ, "CGO_ENABLED": "1", "GOTOOLCHAIN": "local", "GOFLAGS": ""})
    what = "c callback clock locks garbage grow channels signals".split()
    return running([f"{bench.folder}/goload", "600", *what])


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

RUST = """use std::collections::{BTreeMap, HashMap};
fn words(n: u64) -> Vec<String> { (0..n).map(|i| format!("{:x}", i.wrapping_mul(0x9e3779b97f4a7c15))).collect() }
fn main() {
    let body = || loop {
        let mut all = words(5000);
        let counts: HashMap<&str, usize> = all.iter().map(|w| (w.as_str(), w.len())).collect();
        let tree: BTreeMap<String, usize> = counts.iter().map(|(k, v)| (k.chars().rev().collect(), *v)).collect();
        std::hint::black_box(&tree);
        all.sort_by(|a, b| b.cmp(a));
        std::hint::black_box(&all);
    };
    std::thread::spawn(body);
    body();
}
"""
NODE = """const zlib = require("zlib");
for (;;) {
  const a = Array.from({ length: 3000 }, (_, i) => ({ k: String(i * 7919 % 3001), v: [i, i * 2] }));
  a.sort((x, y) => x.k < y.k ? -1 : 1);
  JSON.parse(JSON.stringify(a)).map(x => x.k.replace(/1+/g, "x"));
  zlib.deflateSync(JSON.stringify(a));
}
"""
JAVA = """import java.util.*;
class Load { public static void main(String[] args) {
  for (;;) { TreeMap<String, Integer> m = new TreeMap<>();
    for (int i = 0; i < 20000; i++) m.merge(Integer.toString(i * 7919 % 3001), 1, Integer::sum);
    m.keySet().stream().map(k -> k.replaceAll("1+", "x")).sorted().count(); } } }
"""

# What runs; whose samples count; and of which process stacks are copied for libdwfl (None: it has no tables for generated code).
WORKLOADS = {
    "redis": (redis, "redis-server|redis-benchmark", "redis-server"),
    "postgres": (postgres, "postgres|pgbench", "postgres"),
    "openssl": (openssl, "openssl", "openssl"),
    "clang": (clang, "clang.*", "clang"),
    "python3": (script("python3", PYTHON), "python3.*", "python3"),
    "ruby": (script("ruby", RUBY), "ruby.*", "ruby"),
    "php": (script("php", PHP), "php.*", "php"),
    "rust": (rust, "rustload", "rustload"),
    "go with cgo": (go, "goload", None),
    "node": (script("node", NODE), "node", None),
    "java": (script("java", JAVA, "-XX:+PreserveFramePointer", ending=".java"), "java", None),
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


# What unwind_agree counts, and how it is said.
KINDS = {
    "all": None, "equal": None,
    "differ": "other frames",
    "ours_shorter": "ours is shorter",
    "theirs_shorter": "libdwfl's is shorter",
    "only_ours": "libdwfl's ends in generated code",
    "neither": "neither comes to the root",
    "larger_than_copy": "stack larger than its copy",
}
NOT_COMPARED = ("only_ours", "neither", "larger_than_copy")


def agree(bench, name, session):
    """Compares COPIES stacks of a workload, of several processes one after the other where they do not live as long."""
    tool = f"{bench.build}/tests/bench/bench_unwind_agree"
    counts = collections.Counter()
    for _ in range(5):
        try:
            said = output_of([tool, str(newest(name, session)), str(COPIES - counts["all"])], timeout=30)
        except (SystemExit, subprocess.TimeoutExpired):  # it has ended meanwhile, or hardly runs
            continue
        for line in said.splitlines():
            if line.startswith("#"):
                print("   ", line)
        totals = re.search("^all .*", said, re.M)[0]
        counts.update({kind: int(re.search(rf"\b{kind} (\d+)", totals)[1]) for kind in KINDS})
        if counts["all"] >= COPIES:
            break
    return counts


def report(bench, name, counts):
    """Where libdwfl does not come to the root, or the copy is too short for either, there is no whole stack to agree on."""
    compared = counts["all"] - sum(counts[kind] for kind in NOT_COMPARED)
    rest = [f"{text}: {counts[kind]}" for kind, text in KINDS.items() if text and counts[kind]]
    bench.row(f"{name}: whole stacks equal to libdwfl's", f"{100 * counts['equal'] / max(compared, 1):.2f} %",
              "; ".join([f"of {compared}", *rest]))


def new_files(bench):
    """Copies of python3, each a file that nobody has seen, each running once: samples of it before its table was there."""
    program = os.path.realpath("/usr/bin/python3")
    if not os.path.exists(program):
        raise Skip("python3 is not installed")
    os.mkdir(f"{bench.folder}/new")
    for i in range(NEW_FILES):
        shutil.copy(program, f"{bench.folder}/new/new-{i:03d}")
    busy = f"import time; end = time.time() + {NEW_FILE_SECONDS}\nwhile time.time() < end: sum(range(1000))"
    folded = f"{bench.folder}/new.folded"
    bench.record("-F", str(RATE), "-o", folded, "--", "sh", "-c",
                 f"for program in {bench.folder}/new/*; do $program -c '{busy}'; done")
    waited, all_samples = collections.Counter(), collections.Counter()
    with open(folded, errors="replace") as lines:
        for line in lines:
            found = re.search(r";(new-\d+);", line)
            if found:
                samples = int(line.rsplit(" ", 1)[1])
                all_samples[found[1]] += samples
                waited[found[1]] += samples if PENDING in line or "gap bridged" in line else 0
    times = sorted(1000 * waited[name] / RATE for name in all_samples)
    if len(times) < NEW_FILES * 0.9:
        raise Skip(f"only {len(times)} of {NEW_FILES} programs were seen")
    bench.row(f"a new file's table ({os.path.getsize(program) / 1e6:.1f} MB), from its first sample on, median",
              f"{times[len(times) // 2]:.0f} ms", f"of {len(times)} files")
    bench.row("… p99", f"{times[int(len(times) * 0.99)]:.0f} ms", f"longest {times[-1]:.0f} ms")


def run(bench):
    totals = collections.Counter()
    for name, (workload, process, compared) in WORKLOADS.items():
        agreed = None
        try:
            with workload(bench) as pids:
                folded = f"{bench.folder}/{name}.folded"
                bench.record("-F", str(RATE), "-d", str(SECONDS), "-o", folded)
                if compared:
                    agreed = agree(bench, compared, pids[0])
        except Skip as skip:
            print(f"  {name}: not measured: {skip}")
            continue
        ends = count(folded, process)
        judged = sum(ends.values()) - ends[PENDING]
        rest = ", ".join(f"{reason}: {n}" for reason, n in ends.most_common() if reason != "complete")
        bench.row(f"{name}: complete stacks, once the tables are there", f"{100 * ends['complete'] / max(judged, 1):.2f} %",
                  f"of {judged} samples; {rest}")
        if agreed:
            totals.update(agreed)
            report(bench, name, agreed)
    try:
        new_files(bench)
    except Skip as skip:
        print(f"  a new file's table: not measured: {skip}")
    if totals:
        report(bench, "all", totals)
