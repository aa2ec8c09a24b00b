"""Memory of a recording of this machine as it is."""
import glob
import re
import subprocess
import time

TITLE = "Memory while recording at 99 Hz"


def maps_of(process):
    """BPF maps that the process holds: id → bytes."""
    maps = {}
    for info in glob.glob(f"{process}/fdinfo/*"):
        with open(info) as text:
            text = text.read()
        if "map_id" in text:
            maps[re.search(r"map_id:\s+(\d+)", text)[1]] = int(re.search(r"memlock:\s+(\d+)", text)[1])
    return maps


def run(bench):
    recording = subprocess.Popen([bench.fleetprof, "record", "-F", "99", "-d", "6", "-o", f"{bench.folder}/memory.folded"],
                                 stdout=subprocess.DEVNULL)
    time.sleep(4)
    pss, maps, count = 0, {}, 0
    for process in bench.processes():
        count += 1
        with open(f"{process}/smaps_rollup") as rollup:
            pss += int(re.search(r"^Pss:\s+(\d+)", rollup.read(), re.M)[1])
        maps.update(maps_of(process))
    recording.wait()
    bench.row("all processes' PSS", f"{pss / 1024:.1f} MB", f"{count} processes")
    bench.row("BPF maps", f"{sum(maps.values()) / 1048576:.1f} MB", f"{len(maps)} maps")
