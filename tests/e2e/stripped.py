"""Programs whose names stand in a separate debug file only, and what an agent of debuginfod's says of them."""
import os
import re
import shutil
import socket
import subprocess

from agent import TREE, ask, skip


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            skip(f"{program} is missing")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def build_id_of(file):
    notes = subprocess.run(["readelf", "-n", file], check=True, capture_output=True, text=True).stdout
    return re.search("Build ID: ([0-9a-f]+)", notes).group(1)


def share_with_dwz(folder, programs):
    """Puts what the programs' debug files have in common into a file of its own. Its path, and its build ID in hex."""
    shared = f"{folder}/debug/shared.debug"
    subprocess.run(["dwz", "-m", shared, "-M", "/usr/lib/debug/.dwz/fleetprof-test.debug"] + [p.debug for p in programs], check=True)
    return shared, build_id_of(shared)


class Stripped:
    """A program, run-NAME, that spins in a function NAME. debug: the file's path, its build ID in hex."""

    def __init__(self, folder, name, source="spin.c"):
        self.name, self.program, self.debug = name, f"{folder}/run-{name}", f"{folder}/debug/{name}.debug"
        os.makedirs(f"{folder}/debug", exist_ok=True)
        subprocess.run(["gcc", "-O1", "-g", "-fno-omit-frame-pointer", "-static", "-Wl,--build-id=sha1", f"-DLOOP={name}",
                        "-o", self.program, f"{TREE}/tests/fixtures/{source}"], check=True)
        subprocess.run(["objcopy", "--only-keep-debug", self.program, self.debug], check=True)
        subprocess.run(["strip", self.program], check=True)
        self.build_id = build_id_of(self.program)
        self.process = None

    def start(self):
        self.process = subprocess.Popen([self.program])

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        self.process = None


def named(agent, name):
    """[(file, line)] of the function's frames in the last minute's windows."""
    flame = ask(agent, "flame")["flame"]
    strings, frames, nodes = flame["strings"], flame["frames"], flame["nodes"]
    return [(strings[frames["file"][f]], nodes["line_low"][i]) for i, f in enumerate(nodes["frame"])
            if strings[frames["name"][f]] == name]
