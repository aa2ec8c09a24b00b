"""How long it takes until the first sample can be taken."""
import re
import time

TITLE = "Start"
RUNS = 5


def run(bench):
    times = []
    for _ in range(RUNS):
        start = time.time()
        output = bench.record("-o", f"{bench.folder}/start.folded", "--", "date", "+started %s.%N")
        times.append(float(re.search(r"started ([\d.]+)", output)[1]) - start)
    bench.row(f"start of the program to sampling, median of {RUNS}", f"{1000 * sorted(times)[RUNS // 2]:.0f} ms")
