"""What one run of the sampler's program costs, beside the kernel's own walk and a program that does nothing."""
import subprocess
import time

TITLE = "Kernel side: ns per run, every CPU busy 32 calls deep"
SECONDS = 5


def measure(bench, what, rate):
    """All programs run at the same time, on the same stacks."""
    baseline = subprocess.Popen([f"{bench.build}/tests/bench/bench_baseline", str(rate), str(SECONDS + 4)],
                                stdout=subprocess.PIPE, text=True)
    time.sleep(0.5)
    bench.record("-F", str(rate), "-d", str(SECONDS), "-o", f"{bench.folder}/kernel.folded")
    ns = {}
    for line in baseline.communicate()[0].splitlines():
        name, runs, total = line.split()
        if int(runs):
            ns[name] = int(total) / int(runs)
    mine, walk = ns["sample"], ns["base_get_stack"]
    bench.row(f"{what}, {rate} Hz: empty program", f"{ns['base_empty']:.0f} ns")
    bench.row(f"{what}, {rate} Hz: bpf_get_stack, kernel and user", f"{walk:.0f} ns")
    bench.row(f"{what}, {rate} Hz: fleetprof", f"{mine:.0f} ns", f"{mine / walk:.2f} x bpf_get_stack")


def run(bench):
    with bench.load("-fno-omit-frame-pointer"):
        measure(bench, "frame pointers", 997)
        measure(bench, "frame pointers", 99)
    with bench.load("-fomit-frame-pointer"):
        measure(bench, "no frame pointers", 997)
