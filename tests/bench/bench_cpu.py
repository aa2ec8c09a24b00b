"""CPU time of all our processes per sample, files and symbols included, beside perf record -g, which names nothing."""
import re
import shutil

from common import Cgroup, samples_of

TITLE = "CPU time of all processes, every CPU busy 32 calls deep"
SECONDS = 10


def measure(bench, cgroup, rate):
    output, cpu = cgroup.run([bench.fleetprof, "record", "-F", str(rate), "-d", str(SECONDS),
                              "-o", f"{bench.folder}/cpu.pb.gz"])
    samples = samples_of(output)
    mine = cpu / samples
    remark = f"{cpu:.2f} s for {samples} samples, named"
    perf = shutil.which("perf")
    if perf:
        output, cpu = cgroup.run([perf, "record", "-a", "-g", "-e", "cpu-clock", "-F", str(rate),
                                  "-o", f"{bench.folder}/perf.data", "--", "sleep", str(SECONDS)])
        samples = int(re.search(r"\((\d+) samples\)", output)[1])
        theirs = cpu / samples
        bench.row(f"{rate} Hz, {SECONDS} s: perf record -g", f"{1e6 * theirs:.1f} us/sample",
                  f"{cpu:.2f} s for {samples} samples, not named")
        remark += f"; {mine / theirs:.2f} x perf"
    else:
        print("  perf is not installed: nothing to compare with")
    bench.row(f"{rate} Hz, {SECONDS} s: fleetprof record", f"{1e6 * mine:.1f} us/sample", remark)


def run(bench):
    with bench.load("-fno-omit-frame-pointer"), Cgroup() as cgroup:
        measure(bench, cgroup, 997)
        measure(bench, cgroup, 99)
