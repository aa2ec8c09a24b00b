"""Address sets that a profiler saw, tests/fixtures/addresses: each says of which file, by its build ID."""
import glob
import os
import re
import subprocess

# Files that the sets were recorded on may be elsewhere than they were.
PLACES = ("FLEETPROF_BENCH_VMLINUX", "FLEETPROF_BENCH_FILES")


def build_id(path):
    notes = subprocess.run(["readelf", "-n", path], capture_output=True, text=True).stdout
    found = re.search(r"Build ID: ([0-9a-f]+)", notes)
    return found[1] if found else None


class Set:
    """One of them: its name, where its file was, the file's package and build ID, and the addresses."""

    def __init__(self, fixture):
        self.name = os.path.basename(fixture)
        with open(fixture) as file:
            lines = file.read().splitlines()
        head = dict(line[2:].split(": ", 1) for line in lines if line.startswith("# "))
        self.file, self.package, self.build_id = head["file"], head["package"], head["build ID"]
        self.addresses = [int(line, 16) for line in lines if not line.startswith("#")]

    def find(self):
        """The very file that it was recorded on, or None."""
        elsewhere = [path for name in PLACES for path in os.environ.get(name, "").split(":") if path]
        for path in [self.file] + elsewhere:
            if os.path.exists(path) and build_id(path) == self.build_id:
                return os.path.realpath(path)
        return None


def all_sets(tree):
    return [Set(fixture) for fixture in sorted(glob.glob(f"{tree}/tests/fixtures/addresses/*"))]
