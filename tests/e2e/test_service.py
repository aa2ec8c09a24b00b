#!/usr/bin/env python3
"""The agent under a service manager: with the unit's capabilities and no others, it says what Type=notify expects,
feeds the watchdog, takes SIGHUP (good and bad settings), detaches by the kill switch, and ends on SIGTERM."""
import collections
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

BUILD = os.environ.get("FLEETPROF_BUILD", "build")
DEADLINE = 30


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def fail(why):
    print(f"FAILED: {why}")
    with open(f"{work}/log") as log:
        print(log.read())
    sys.exit(1)


def capabilities():
    """As setpriv writes them, from the unit's CapabilityBoundingSet lines."""
    with open(f"{BUILD}/fleetprof.service") as unit:
        names = re.findall(r"CAP_(\w+)", "".join(l for l in unit if l.startswith("CapabilityBoundingSet=")))
    assert len(names) > 8
    return ",".join(["-all"] + ["+" + n.lower() for n in names])


def expect(wanted, deadline=DEADLINE):
    """Reads messages until one matches; returns those before it."""
    before, end = [], time.monotonic() + deadline
    while time.monotonic() < end:
        manager.settimeout(max(end - time.monotonic(), 0.01))
        try:
            message = manager.recv(4096).decode()
        except socket.timeout:
            break
        if re.search(wanted, message):
            return before
        before.append(message)
    fail(f"no message {wanted!r} within {deadline} s, but {before}")


def said(words, deadline=DEADLINE):
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        with open(f"{work}/log") as log:
            if words in log.read():
                return
        time.sleep(0.05)
    fail(f"the log does not say {words!r}")


def configure(text):
    with open(f"{work}/config.yaml", "w") as f:
        f.write(f"state_dir: {work}/state\nkill_switch: {work}/off\nweb: {{enabled: false}}\nmemory: {{limit: 64MiB}}\n"
                f"user: {{symbolizer: 61234, opener: 61235}}\n{text}")


Helper = collections.namedtuple("Helper", "uids command environment")


def read(path):
    with open(path, "rb") as f:
        return f.read().replace(b"\0", b" ").decode(errors="replace")


def helper_processes():
    """The keeper's children by their programs' names; what ends meanwhile is left out."""
    found = {}
    for pid in subprocess.run(["pgrep", "-P", str(agent.pid)], capture_output=True, text=True).stdout.split():
        try:
            command = read(f"/proc/{pid}/cmdline")
            name = re.search(r"fleetprof-(opener|symbolizer|exporter)", command)
            if name:
                uids = re.search(r"^Uid:\s+(.*)$", read(f"/proc/{pid}/status"), re.M)[1].split()
                found[name[1]] = Helper(uids, command, read(f"/proc/{pid}/environ"))
        except (OSError, TypeError):
            continue
    return found


if os.geteuid():
    skip("needs root")
if not shutil.which("setpriv"):
    skip("setpriv is not installed")
work = tempfile.mkdtemp(prefix="fleetprof-e2e.")
os.chmod(work, 0o711)
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.bind(f"{work}/notify")
configure("rate: 49\n")
log = open(f"{work}/log", "w")
caps = capabilities()
env = dict(os.environ, NOTIFY_SOCKET=f"{work}/notify", WATCHDOG_USEC="2000000")
agent = subprocess.Popen(["setpriv", "--bounding-set", caps, "--inh-caps", "-all", "--no-new-privs",
                          f"{BUILD}/fleetprof", "agent", "-c", f"{work}/config.yaml"], env=env, stderr=log, stdout=log)
try:
    expect("^READY=1")
    for _ in range(2):
        expect("^WATCHDOG=1", 5)
    helpers = helper_processes()
    if helpers["symbolizer"].uids != ["61234"] * 4 or helpers["opener"].uids != ["61235"] * 4:
        fail(f"helpers are not who the settings say: {helpers}")
    memory = int(re.search(r"--child-memory (\d+)", helpers["symbolizer"].command)[1])
    if not 16 << 20 < memory <= (64 << 20) // 3:
        fail(f"the symbolizer's children may take {memory} bytes of 64 MiB")
    for name, helper in helpers.items(): # the manager's socket is not theirs to know
        if "NOTIFY_SOCKET" in helper.environment:
            fail(f"the {name} knows the manager's socket")

    configure("rate: 97\n")
    agent.send_signal(signal.SIGHUP)
    expect(r"^RELOADING=1\nMONOTONIC_USEC=\d+\n")
    expect("^READY=1")
    said("settings read again")
    configure("rate: 97\nrelabel: [{source_labels: [a], regex: '(', target_label: b}]\n")
    agent.send_signal(signal.SIGHUP)
    expect("^RELOADING=1")
    expect("^READY=1")
    said("the exporter refuses these settings: --relabel")
    configure("raet: 97\n")
    agent.send_signal(signal.SIGHUP)
    expect("^RELOADING=1")
    expect("^READY=1")
    said('unknown key')

    open(f"{work}/off", "w").close()
    said("nothing is sampled until it is removed")
    expect("^WATCHDOG=1", 5) # detached is not dead
    os.unlink(f"{work}/off")
    said("the kill switch is gone")

    agent.send_signal(signal.SIGTERM)
    expect("^STOPPING=1")
    if agent.wait(DEADLINE) != 0:
        fail(f"it ended with {agent.returncode}")
finally:
    if agent.poll() is None:
        agent.kill()
        agent.wait()
shutil.rmtree(work)
