"""What one run of the sampler's program costs, beside the kernel's own walk and a program that does nothing."""
from bench_unwind import build_twice, walks

TITLE = "Kernel side: ns per run, every CPU busy 32 calls deep"
SECONDS = 5


def measure(bench, rate):
    """All programs run at the same time, on the same stacks: number 0 without frame pointers, 1 with."""
    programs = build_twice(bench, "deep", f"{bench.tree}/tests/fixtures/deep.c", "-O1")
    times = walks(bench, [[program, "32"] for program in programs], rate, SECONDS, False)
    walk = times["get_stack", 1].ns
    bench.row(f"{rate} Hz: empty program", f"{times['empty', 1].ns:.0f} ns")
    bench.row(f"{rate} Hz: bpf_get_stack, frame pointers", f"{walk:.0f} ns")
    for number, what in ((1, "frame pointers"), (0, "no frame pointers")):
        mine = times["sample", number].ns
        bench.row(f"{rate} Hz: fleetprof, {what}", f"{mine:.0f} ns", f"{mine / walk:.2f} x bpf_get_stack")


def run(bench):
    measure(bench, 997)
    measure(bench, 99)
