#!/usr/bin/env python3
"""A real Pyroscope: what we push, it takes; what it gives back is what was stored."""
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from upload_rig import SOURCE, direct, new_rig, run, wait, FAST, OUTCOMES_LOST

CPU = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
SAMPLES = "process_cpu:samples:count:cpu:nanoseconds"


def free_ports(nr):
    sockets = [socket.socket() for _ in range(nr)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Pyroscope:
    """All on loopback, rings in memory, nothing that phones home."""

    def __init__(self, binary):
        self.directory = tempfile.TemporaryDirectory(prefix="fleetprof-pyroscope.")
        d, (http, grpc, member, raft) = self.directory.name, free_ports(4)
        here = "127.0.0.1"
        flags = {"target": "all", "server.http-listen-address": here, "server.http-listen-port": http,
                 "server.grpc-listen-address": here, "server.grpc-listen-port": grpc,
                 "memberlist.bind-addr": here, "memberlist.advertise-addr": here, "memberlist.bind-port": member,
                 "memberlist.advertise-port": member, "query-frontend.instance-addr": here,
                 "ingester.lifecycler.addr": here, "ingester.min-ready-duration": "0s",
                 "write-path": "segment-writer", "enable-query-backend": "true",
                 "segment-writer.lifecycler.addr": here, "segment-writer.min-ready-duration": "0s",
                 "metastore.min-ready-duration": "0s", "metastore.address": f"{here}:{grpc}",
                 "query-backend.address": f"{here}:{grpc}", "metastore.raft.bind-address": f"{here}:{raft}",
                 "metastore.raft.server-id": f"{here}:{raft}", "metastore.raft.advertise-address": f"{here}:{raft}",
                 "metastore.data-dir": f"{d}/meta", "metastore.raft.dir": f"{d}/raft",
                 "metastore.raft.snapshots-dir": f"{d}/snap", "storage.backend": "filesystem",
                 "storage.filesystem.dir": f"{d}/shared", "pyroscopedb.data-path": f"{d}/db",
                 "compactor.data-dir": f"{d}/compactor", "blocks-storage.bucket-store.sync-dir": f"{d}/sync",
                 "self-profiling.disable-push": "true", "usage-stats.enabled": "false", "ring.store": "inmemory"}
        for ring in ("distributor.ring", "overrides-exporter.ring", "query-scheduler.ring", "compactor.ring",
                     "store-gateway.sharding-ring"):
            flags[f"{ring}.store"], flags[f"{ring}.instance-addr"] = "inmemory", here
        self.log = open(f"{d}/log", "w")
        env = dict(os.environ, PYROSCOPE_V2="1", HTTP_PROXY="http://127.0.0.1:9", HTTPS_PROXY="http://127.0.0.1:9",
                   NO_PROXY="127.0.0.1,localhost")
        self.process = subprocess.Popen([binary] + [f"-{k}={v}" for k, v in flags.items()], cwd=d, env=env,
                                        stdout=self.log, stderr=self.log)
        self.url = f"http://{here}:{http}"
        wait("Pyroscope to be ready", self.ready, 90)

    def ready(self):
        if self.process.poll() is not None:
            with open(self.log.name) as f:
                raise AssertionError("Pyroscope ended: " + f.read()[-500:])
        try:
            return direct.open(f"{self.url}/ready", timeout=2).status == 200
        except OSError:
            return False

    def query(self, method, **body):
        now = int(time.time() * 1000)
        body = {"start": now - 3600000, "end": now + 60000, **body}
        request = urllib.request.Request(f"{self.url}/querier.v1.QuerierService/{method}", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        return json.loads(direct.open(request, timeout=30).read())

    def close(self):
        self.process.kill()
        self.process.wait()
        self.log.close()
        self.directory.cleanup()


def binary():
    path = subprocess.run([f"{SOURCE}/tests/servers/build.sh", "path", "pyroscope"], capture_output=True, text=True).stdout.strip()
    if not os.access(path, os.X_OK):
        print(f"skipped: there is no Pyroscope at {path} (./dev servers builds it)")
        sys.exit(77)
    return path


def check_flame_graph(pyroscope, selector, rig, owners):
    graph = pyroscope.query("SelectMergeStacktraces", profileTypeID=CPU, labelSelector=selector, maxNodes=65536)["flamegraph"]
    assert int(graph["total"]) == rig.value // owners, (graph["total"], rig.value // owners)
    counts = pyroscope.query("SelectMergeStacktraces", profileTypeID=SAMPLES, labelSelector=selector, maxNodes=65536)
    assert int(counts["flamegraph"]["total"]) == rig.samples // owners
    for name in ("app", "main", "outer", "inlined", "libfoo.so!0x1234"):
        assert name in graph["names"], (name, graph["names"])
    # what nobody can name keeps its own time: it is no self time of its caller
    self_of = {}
    for level in graph["levels"]:
        v = level["values"]
        for i in range(0, len(v), 4):
            name = graph["names"][int(v[i + 3])]
            self_of[name] = self_of.get(name, 0) + int(v[i + 2])
    assert self_of["libfoo.so!0x1234"] > 0 and self_of.get("main", 0) == 0, self_of


def check_profile(pyroscope, selector, rig, owners):
    profile = pyroscope.query("SelectMergeProfile", profileTypeID=CPU, labelSelector=selector)
    strings = profile["stringTable"]
    names = {f["id"]: strings[int(f["name"])] for f in profile["function"]}
    lines = [[names[l["functionId"]] for l in location.get("line", [])] for location in profile["location"]]
    assert ["inlined", "outer"] in lines, lines
    assert sum(int(s["value"][0]) for s in profile["sample"]) == rig.value // owners


def test_push_and_read_back():
    pyroscope, owners = Pyroscope(binary()), 3
    try:
        rig = new_rig([f"type=pyroscope,url={pyroscope.url},{FAST.replace('=1000,', '=50,', 1)}"],
                      ["--label", "team=x", "--relabel", "source_labels=container,target_label=service_name,replacement=e2e-$1"])
        rig.send(windows=3, owners=owners, stacks=200)
        counts = rig.settled(60)
        assert counts["uploaded"] == 9 and not any(counts[o] for o in OUTCOMES_LOST), counts
        for i in range(owners):
            selector = f'{{service_name="e2e-svc-{i}"}}'
            check_flame_graph(pyroscope, selector, rig, owners)
            check_profile(pyroscope, selector, rig, owners)
            series = pyroscope.query("Series", matchers=[selector], labelNames=[])["labelsSet"]
            labels = {l["name"]: l["value"] for l in series[0]["labels"]}
            for name, value in (("namespace", "shop"), ("container", f"svc-{i}"), ("node", "n1"), ("team", "x")):
                assert labels.get(name) == value, labels
        check_large(pyroscope, rig)
    finally:
        pyroscope.close()


def check_large(pyroscope, rig):
    """Above its limits on samples and on bytes: it takes the parts, and has the whole."""
    before = rig.value
    rig.send(stacks=30000, name=150)
    counts = rig.settled(90)
    assert not any(counts[o] for o in OUTCOMES_LOST), counts
    graph = pyroscope.query("SelectMergeStacktraces", profileTypeID=CPU, labelSelector='{service_name="e2e-svc-0"}', maxNodes=1024)
    assert int(graph["flamegraph"]["total"]) == before // 3 + rig.value - before


if __name__ == "__main__":
    binary()
    run([test_push_and_read_back])
