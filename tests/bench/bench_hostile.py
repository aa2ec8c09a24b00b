"""Hostile files: mutants of programs with debug information, read by us and by the field's tools.

FLEETPROF_BENCH_MUTANTS of them by us (200,000 by default, some minutes), a part of those by the others, each mutant by a
process of its own that is given five seconds and 2 GiB.
"""
import collections
import os
import re
import resource
import shutil
import signal
import subprocess

from common import Skip, output_of

TITLE = "Hostile debug information: how the readers end"
SHARE = 100 # the others start a program for each mutant: they get one in so many
SECONDS = 5


def seeds(bench):
    """The seeds of the fuzzers, the golden programs, and what the compilers at hand make of them."""
    made = f"{bench.folder}/seeds"
    subprocess.run([f"{bench.tree}/tests/hostile/mutant_seeds.sh", made], check=True, stdout=subprocess.DEVNULL,
                   env=dict(os.environ, GOCACHE=f"{bench.folder}/cache", HOME=os.environ.get("HOME", bench.folder)))
    folders = [f"{bench.tree}/tests/{f}" for f in ("fuzz/corpus/fuzz_dwarf", "fuzz/corpus/fuzz_elf", "golden/dwarf")]
    found = [f"{folder}/{name}" for folder in (*folders, made) for name in os.listdir(folder)
             if not re.search(r"\.(txt|sh|c|cc|rs|f90)$|^answers$", name)]
    return sorted(found)


def limit():
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def end_of(command, addresses):
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          preexec_fn=limit) as process:
        try:
            process.communicate(addresses, timeout=2 * SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return "hung"
    if process.returncode >= 0:
        return "well"
    return "hung" if -process.returncode in (signal.SIGXCPU, signal.SIGKILL) else "crashed"


def addresses(folder, mutant):
    with open(f"{folder}/{mutant}.addresses", "rb") as file:
        return file.read()


def run(bench):
    program = f"{bench.build}/tests/hostile_test_mutants"
    if not os.path.exists(program):
        raise Skip("the tests are not built")
    count = int(os.environ.get("FLEETPROF_BENCH_MUTANTS", "200000"))
    files = seeds(bench)
    said = output_of([program, "-n", str(count), "-s", "7", *files])
    bad = re.search(r"^(\d+) of \d+ mutants ended badly", said, re.M)
    bench.row(f"fleetprof, {count} mutants of {len(files)} programs", f"{bad[1]} ended badly", "8 MiB each, sandbox apart")
    folder = f"{bench.folder}/mutants"
    os.mkdir(folder)
    output_of([program, "-n", str(max(count // SHARE, 1)), "-s", "7", "-d", folder, *files])
    mutants = [m for m in os.listdir(folder) if m.isdigit()]
    tools = {"fleetprof-symbolizer": [f"{bench.build}/fleetprof-symbolizer", "--memory", "8", "-e"],
             "llvm-symbolizer-19": ["llvm-symbolizer-19", "-i", "-e"], "llvm-symbolizer": ["llvm-symbolizer", "-i", "-e"],
             "eu-addr2line": ["eu-addr2line", "-f", "-i", "-e"], "addr2line": ["addr2line", "-f", "-i", "-e"]}
    for name, command in tools.items():
        if not shutil.which(command[0]):
            continue
        ends = collections.Counter(end_of(command + [f"{folder}/{m}"], addresses(folder, m)) for m in mutants)
        bench.row(f"{name}, {sum(ends.values())} of them", f"{ends['crashed']} crashed", f"{ends['hung']} hung")
