"""An agent that runs while something is measured: in a cgroup of its own, with a state directory of its own."""
import os
import shutil
import signal
import subprocess
import tempfile
import time

from common import CPUS, Cgroup, Skip


class RunningAgent:
    """To be used by `with`. cpu_s(): CPU time of all of its processes since it was started."""

    def __init__(self, bench, *options):
        self.command = [bench.fleetprof, "agent", "--web-enabled=false", "--kill-switch", "", *options]
        self.cgroup = Cgroup()

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="fleetprof-bench-")
        os.chmod(self.folder, 0o755) # the exporter's user passes through

        def join():
            with open(f"{self.cgroup.path}/cgroup.procs", "w") as procs:
                procs.write(str(os.getpid()))
        self.log = open(f"{self.folder}/log", "w+")
        self.process = subprocess.Popen([*self.command, "--state-dir", f"{self.folder}/state"], preexec_fn=join,
                                        stdout=self.log, stderr=self.log, start_new_session=True)
        until = time.monotonic() + 30
        while "ready: " not in self.text():
            if self.process.poll() is not None or time.monotonic() > until:
                raise Skip(f"the agent does not start: {self.text()[-500:]}")
            time.sleep(0.1)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self.log.close()
        self.cgroup.__exit__()
        shutil.rmtree(self.folder, ignore_errors=True)

    def text(self):
        with open(f"{self.folder}/log", errors="replace") as log:
            return log.read()

    def cpu_s(self):
        return self.cgroup.cpu_s()

    def pids(self):
        with open(f"{self.cgroup.path}/cgroup.procs") as procs:
            return [int(line) for line in procs]


# A service that does some things often and many things sometimes.
MIXED = """
import json, random, re, zlib
data = [{"id": i, "name": "n%d" % i, "tags": list(range(i % 7))} for i in range(200)]
while True:
    what = random.randrange(6)
    if what < 3: zlib.compress(json.dumps(data).encode())
    elif what == 3: sorted(data, key=lambda d: d["name"])
    elif what == 4: re.findall(r"n(\\d+)", json.dumps(data))
    else: json.loads(json.dumps(data))
"""


class Mixed:
    """Two such services per CPU; to be used by `with`."""

    def __enter__(self):
        self.processes = [subprocess.Popen(["python3", "-c", MIXED]) for _ in range(2 * CPUS)]
        time.sleep(1)

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()
