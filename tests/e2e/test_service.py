#!/usr/bin/env python3
"""The agent under a service manager: with the unit's capabilities and no others, it says what Type=notify expects,
feeds the watchdog, takes SIGHUP (good and bad settings), detaches by the kill switch, and ends on SIGTERM."""
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
        f.write(f"state_dir: {work}/state\nkill_switch: {work}/off\nweb: {{enabled: false}}\n{text}")


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
    helpers = subprocess.run(["pgrep", "-P", str(agent.pid)], capture_output=True, text=True).stdout.split()
    for pid in helpers: # the manager's socket is not theirs to know
        with open(f"/proc/{pid}/environ", "rb") as f:
            if b"NOTIFY_SOCKET" in f.read() and b"exporter" in open(f"/proc/{pid}/cmdline", "rb").read():
                fail("the exporter knows the manager's socket")

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
