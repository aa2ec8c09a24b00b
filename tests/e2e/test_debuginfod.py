#!/usr/bin/env python3
"""Names and lines of a stripped program from Debian's debuginfod server: only when it is switched on, and asked for once."""
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from agent import check, fail, metric, running
from stripped import Stripped, free_port, named, need, share_with_dwz

need("debuginfod", "dwz", "gcc", "objcopy", "readelf")


class Server:
    """elfutils' own, over a folder."""

    def __init__(self, folder, known):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_path = f"{folder}/debuginfod.log"
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen(["debuginfod", "-v", "-p", str(self.port), "-d", f"{folder}/debuginfod.sqlite", "-F",
                                             f"{folder}/debug"], stdout=log, stderr=log)
        until = time.monotonic() + 30
        while not self.has(known):
            if time.monotonic() > until or self.process.poll() is not None:
                fail("debuginfod does not find its file")
            time.sleep(0.1)
        self.before = self.requests(known)

    def has(self, build_id):
        try:
            return urllib.request.urlopen(f"{self.url}/buildid/{build_id}/debuginfo", timeout=5).status == 200
        except OSError:
            return False

    def requests(self, build_id):
        with open(self.log_path, errors="replace") as log:
            return sum("GET" in line and f"/buildid/{build_id}/debuginfo" in line for line in log)

    def asked(self, build_id):
        return self.requests(build_id) - self.before

    def close(self):
        self.process.terminate()
        self.process.wait()


def check_off(state, program):
    with running(state) as agent:
        agent.wait_for(lambda: agent.store().windows()[2:], "no window comes")
        check(not named(agent, program.name), "a name without any debug file")


def check_on(state, program, url, counter):
    """Names, and the lines of the source."""
    with running(state, "--debuginfod-urls", url) as agent:
        agent.wait_for(lambda: any(file.endswith("spin.c") and line for file, line in named(agent, program.name)),
                       "neither name nor line comes from the server")
        agent.wait_for(lambda: metric(agent, 'fleetprof_remote_debug_files_total{result="found"}') >= 1, "it is not counted")
        check(metric(agent, counter) >= 1, f"{counter} is not counted")
        check(metric(agent, "fleetprof_debuginfod_cache_bytes") >= os.path.getsize(program.debug), "the bytes of the cache")


def check_all(folder, state, program, server):
    check_off(state, program)
    check(server.asked(program.build_id) == 0, "asked while it is off")
    check_on(state, program, server.url, 'fleetprof_debuginfod_requests_total{result="fetched"}')
    cached = f"{state}/state/store/debuginfod/{program.build_id}"
    check(os.path.getsize(cached) == os.path.getsize(program.debug), "the file in the cache")
    check(server.asked(program.build_id) == 1, f"asked {server.asked(program.build_id)} times")
    check_on(state, program, server.url, 'fleetprof_debuginfod_answers_total{result="hit"}')
    check(server.asked(program.build_id) == 1, "asked again after a restart")


def check_shared(state, program, shared_id, server):
    """A debug file whose inlined functions are in the file that dwz made: that is fetched under its own build ID, and once."""
    program.start()
    try:
        with running(state, "--debuginfod-urls", server.url) as agent:
            agent.wait_for(lambda: any(file.endswith("spin_inline.c") and line for file, line in named(agent, "shared_inner")),
                           "dwz's file names no inlined function")
        check(server.requests(program.build_id) == 1, "the debug file is not asked for once")
        check(server.requests(shared_id) == 1, f"dwz's file is asked for {server.requests(shared_id)} times")
    finally:
        program.stop()


def main():
    folder, state = tempfile.mkdtemp(prefix="fleetprof-e2e."), tempfile.mkdtemp(prefix="fleetprof-e2e.")
    program = Stripped(folder, "remote_loop")
    sharing = [Stripped(folder, name, "spin_inline.c") for name in ("first_loop", "second_loop")]
    _, shared_id = share_with_dwz(folder, sharing)
    server = Server(folder, program.build_id)
    program.start()
    try:
        check_all(folder, state, program, server)
        program.stop()
        check_shared(state, sharing[0], shared_id, server)
    finally:
        program.stop()
        server.close()
    shutil.rmtree(folder)
    shutil.rmtree(state)


main()
