"""A running exporter, with the test as its agent: greets it on descriptor 3 and learns where the page listens."""
import os
import re
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from varint import Reader

TOKEN = "0123456789abcdef0123456789abcdef"
MAGIC, HELLO, READY, WATCH, METRICS = 0x31777066, 1, 2, 6, 7


def number(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def text(value):
    value = value.encode()
    return number(len(value)) + value + b"\0"


class Exporter:
    def __init__(self, build, store, *options, token=TOKEN, stderr=None):
        self.program = f"{build}/fleetprof-exporter"
        with open(os.path.join(os.environ.get("FLEETPROF_SOURCE", "."), "CMakeLists.txt")) as lists:
            self.version = re.search(r"project\(fleetprof VERSION ([\d.]+)", lists.read())[1]
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [self.program, "--store", store, "--store-max-share", "0", "--store-min-free", "0",
                   "--web-listen", "127.0.0.1:0", *options]

        def give_socket():
            os.dup2(theirs.fileno(), 3)
        # built with AddressSanitizer it would look for leaks at its end by ptrace, which its sandbox refuses
        self.process = subprocess.Popen(command, preexec_fn=give_socket, close_fds=False, stderr=stderr,
                                        env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
        theirs.close()
        self.socket.settimeout(20)
        self.send(number(MAGIC) + number(HELLO) + text(self.version) + text(token))
        ready = self.receive()
        if ready[0] != READY:
            raise SystemExit(f"no READY but {ready}")
        self.address = ready[1]

    def send(self, packet):
        self.socket.send(packet)

    def send_metrics(self, metrics):
        self.send(number(MAGIC) + number(METRICS) + text(metrics))

    def receive(self):
        """(type, address) of READY, (type, number) of the rest."""
        reader = Reader(self.socket.recv(65536))
        if reader.number() != MAGIC:
            raise SystemExit("not a message")
        kind = reader.number()
        if kind == READY:
            reader.text()
            return kind, reader.text()
        return kind, reader.number()

    @property
    def port(self):
        return int(self.address.rsplit(":", 1)[1])

    def url(self, fragment=""):
        return f"http://{self.address}/#" + (f"token={TOKEN}{fragment}" if fragment else TOKEN)

    def stop(self):
        self.socket.close()
        return self.process.wait(20)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()
