"""A host as a server is one: interpreters, a JVM, a database, compilers that come and go, and hundreds of processes that
wake now and then. What is not installed is left out, and named."""
import glob
import os
import shutil
import signal
import subprocess
import tempfile
import time

from agents import MIXED
from common import CPUS

# Wakes every so many milliseconds for a moment, and works in a library's functions.
SLEEPER = """
#include <stdlib.h>
#include <stdio.h>
#include <unistd.h>
static int by(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
int main(int argc, char **argv)
{
	int data[256];
	char text[64];

	for (unsigned int i = atoi(argv[1]);; i++) {
		for (int j = 0; j < 256; j++)
			data[j] = rand();
		qsort(data, 256, sizeof(int), by);
		snprintf(text, sizeof(text), "%d %f", data[0], data[1] / 3.0);
		usleep((atoi(argv[2]) - 10 + i % 20) * 1000);
	}
}
"""
NODE = "const z = require('zlib'); let n = 0; for (;;) { const o = JSON.parse(JSON.stringify({n, a: [...Array(500).keys()]})); z.gzipSync(JSON.stringify(o)); n++; }"
JAVA = """
import java.util.*;
public class Load {
	public static void main(String[] a) {
		for (long n = 0;; n++) {
			Map<String, Integer> m = new TreeMap<>();
			for (int i = 0; i < 5000; i++) m.merge("k" + (i * 31 + n) % 977, i, Integer::sum);
			if (m.hashCode() == n) System.out.println(n);
		}
	}
}
"""
COMPILED = "#include <map>\n#include <string>\n#include <algorithm>\n#include <regex>\nint main() { std::map<std::string, int> m; std::regex r(\"a+\"); return (int)m.size(); }\n"
NOBODY = 65534


class BusyHost:
    """To be used by `with`; missing: what could not be started. processes: how many there are at least."""

    def __init__(self, bench, processes=300, pause_ms=100):
        self.bench, self.wanted, self.pause_ms = bench, processes, pause_ms
        self.processes, self.missing = [], []

    def start(self, command, **options):
        self.processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                               stderr=subprocess.DEVNULL, start_new_session=True, **options))

    def file(self, name, text):
        path = f"{self.bench.folder}/{name}"
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        return path

    def have(self, *programs):
        """The first program of each that is not there is what is missing."""
        for program in programs:
            if not shutil.which(program):
                self.missing.append(program)
                return False
        return True

    def start_database(self):
        tools = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        if not tools or not self.have("pgbench"):
            self.missing.append("postgres")
            return
        folder = tempfile.mkdtemp(prefix="postgres-", dir=self.bench.folder) # a bench may make several hosts
        os.chown(folder, NOBODY, NOBODY)
        os.chmod(self.bench.folder, 0o755)
        ours = {"user": NOBODY, "group": NOBODY, "cwd": folder, "extra_groups": []}

        def wait(*command):
            return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, **ours).returncode == 0

        if not wait(f"{tools[-1]}/initdb", "-D", f"{folder}/data", "-U", "bench", "-A", "trust"):
            self.missing.append("postgres")
            return
        self.start([f"{tools[-1]}/postgres", "-D", f"{folder}/data", "-k", folder, "-c", "listen_addresses="], **ours)
        client = ("pgbench", "-h", folder, "-U", "bench")
        for _ in range(50):
            if wait(*client, "-i", "-s", "2", "postgres"):
                break
            time.sleep(0.2)
        self.start([*client, "-c", "8", "-T", "3600", "postgres"], **ours)

    def __enter__(self):
        try:
            return self.begin()
        except BaseException:
            self.__exit__()
            raise

    def begin(self):
        source = self.file("sleeper.c", SLEEPER)
        subprocess.run(["gcc", "-O1", "-g", "-o", f"{self.bench.folder}/sleeper", source], check=True)
        for _ in range(CPUS):
            self.start(["python3", "-c", MIXED])
        if self.have("node"):
            self.start(["node", "-e", NODE])
        if self.have("java", "javac"):
            subprocess.run(["javac", "-d", self.bench.folder, self.file("Load.java", JAVA)], check=True)
            self.start(["java", "-cp", self.bench.folder, "-Xmx128m", "Load"])
        if self.have("clang"):
            path = self.file("compiled.cc", COMPILED)
            self.start(["sh", "-c", f"while :; do clang -O2 -x c++ -c {path} -o /dev/null; done"])
        self.start_database()
        there = len([p for p in os.listdir("/proc") if p.isdigit() and os.path.exists(f"/proc/{p}/exe")])
        for i in range(max(self.wanted - there, 0)):
            self.start([f"{self.bench.folder}/sleeper", str(i), str(self.pause_ms)])
        time.sleep(2)
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
