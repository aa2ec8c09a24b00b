#!/usr/bin/env python3
"""
record.py ARCH FOLDER: compiles the program for x86_64 or arm64, runs it instruction by instruction under qemu's user
emulation, and writes FOLDER/ARCH.elf and FOLDER/ARCH.steps: registers and stack at every instruction, and who called whom.

The calls come from the instructions themselves (a shadow stack of call, return, signal), so that what the walk must find
is known without any unwinder. Needs qemu-user-static, gcc and gcc-aarch64-linux-gnu.

ARCH.steps, little-endian: "FPSTEPS1", then a step after the other:
  u8 changed registers, u8 addresses that became callers, u8 callers that returned, u8 0, u16 changed words, u16 0
  u64 per new caller (outermost first): the address to look it up by
  (u8 DWARF number, u64 value) per register; the pc is the last one
  (u16 index below the first stack pointer, u64 value) per word of the stack
"""
import os
import socket
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
FLAGS = "-O2 -fomit-frame-pointer -fno-stack-protector -ffreestanding -nostdlib -static -no-pie -Wl,-z,noseparate-code,-z,max-page-size=4096,--build-id=none".split()


class X86:
    compiler, flags, qemu = "gcc", ["-fcf-protection=none"], "qemu-x86_64-static"
    order = [0, 3, 2, 1, 4, 5, 6, 7, *range(8, 16), 16]  # gdb: ax bx cx dx si di bp sp r8… ip
    sp, pc = 7, 16

    def call_length(self, code):
        rex = 1 if code[0] & 0xf0 == 0x40 else 0
        if code[rex] == 0xe8:
            return rex + 5
        if code[rex] == 0xff and code[rex + 1] >> 3 & 7 == 2:
            assert code[rex + 1] >> 6 == 3 or code[rex + 1] & 7 in (0, 1, 2, 3, 6, 7), "an operand of another length"
            return rex + 2 + {0: 0, 1: 1, 2: 4, 3: 0}[code[rex + 1] >> 6]
        if code[rex] == 0xff and code[rex + 1] & 0xff == 0x14:
            return rex + 3
        return 0

    def returns(self, code):
        return code[0] == 0xc3 or code[:2] == b"\xf3\xc3"

    def is_sigreturn(self, code, regs):
        return code[:2] == b"\x0f\x05" and regs[0] == 15


class Arm64:
    compiler, flags, qemu = "aarch64-linux-gnu-gcc", ["-mbranch-protection=pac-ret"], "qemu-aarch64-static"
    order = list(range(33))
    sp, pc = 31, 32

    def call_length(self, code):
        word = struct.unpack("<I", code[:4])[0]
        return 4 if word >> 26 == 0x25 or word & 0xfffffc1f == 0xd63f0000 else 0

    def returns(self, code):
        return struct.unpack("<I", code[:4])[0] & 0xfffffc1f == 0xd65f0000

    def is_sigreturn(self, code, regs):
        return code[:4] == b"\x01\x00\x00\xd4" and regs[8] == 139


class Stub:
    """gdb's remote protocol, as much as it takes."""

    def __init__(self, port):
        for _ in range(100):
            try:
                self.socket = socket.create_connection(("127.0.0.1", port))
                break
            except OSError:
                time.sleep(0.05)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")
        self.ask("?")

    def ask(self, text):
        self.socket.sendall(f"${text}#{sum(text.encode()) & 255:02x}".encode())
        while self.file.read(1) != b"$":
            pass
        answer = bytearray()
        while (c := self.file.read(1)) != b"#":
            answer += c
        self.file.read(2)
        self.socket.sendall(b"+")
        return answer.decode()

    def memory(self, address, size):
        parts = range(address, address + size, 1024)
        return b"".join(bytes.fromhex(self.ask(f"m{at:x},{min(1024, address + size - at):x}")) for at in parts)

    def registers(self, order):
        values = bytes.fromhex(self.ask("g").replace("x", "0")[:16 * len(order)])
        regs = [0] * len(order)
        for number, value in zip(order, struct.unpack(f"<{len(order)}Q", values)):
            regs[number] = value
        return regs


def symbol(elf, name):
    for line in subprocess.run(["nm", elf], capture_output=True, text=True, check=True).stdout.splitlines():
        if line.endswith(" " + name):
            return int(line.split()[0], 16)
    raise SystemExit(f"no symbol {name}")


def steps(arch, stub, restorer):
    """(registers, stack, new callers, how many returned) of each instruction."""
    regs = stub.registers(arch.order)
    top = regs[arch.sp]
    new, gone = [], 0
    while True:
        yield regs, stub.memory(regs[arch.sp], top - regs[arch.sp]) if regs[arch.sp] < top else b"", top, new, gone
        code, before = stub.memory(regs[arch.pc], 8), regs
        said = stub.ask("s")
        new, gone = [], 0
        if said[:1] == "W":
            return
        regs = stub.registers(arch.order)
        if said[:1] == "T" and said[1:3] != "05":  # a signal is about to be delivered: to the handler's first instruction
            new = [regs[arch.pc], restorer]
            if arch.call_length(code) or arch.returns(code):
                raise SystemExit("a signal within a call")
            stub.ask(f"vCont;S{said[1:3]}")
            regs = stub.registers(arch.order)
        elif (length := arch.call_length(code)):
            new = [before[arch.pc] + length - 1]
        elif arch.returns(code) or arch.is_sigreturn(code, before):
            gone = 1


def changes(old, new):
    return [(i, value) for i, value in enumerate(new) if i >= len(old) or old[i] != value]


def main():
    name, folder = sys.argv[1:3]
    arch = {"x86_64": X86, "arm64": Arm64}[name]()
    elf = f"{folder}/{name}.elf"
    subprocess.run([arch.compiler, *FLAGS, *arch.flags, "-Wl,--eh-frame-hdr", "-o", elf, f"{HERE}/program.c", f"{HERE}/entry_{name}.S"],
                   check=True)
    restorer = symbol(elf, "restorer")
    port = 20000 + os.getpid() % 10000
    qemu = subprocess.Popen(["env", "-i", arch.qemu, "-g", str(port), elf])
    old_regs, old_stack, n = [], {}, 0
    with open(f"{folder}/{name}.steps", "wb") as out:
        out.write(b"FPSTEPS1")
        for regs, stack, top, new, gone in steps(arch, Stub(port), restorer):
            words = dict((len(stack) // 8 - i, word) for i, (word,) in enumerate(struct.iter_unpack("<Q", stack[:len(stack) // 8 * 8])))
            changed_regs = changes(old_regs, regs)
            changed_words = [(i, word) for i, word in words.items() if old_stack.get(i) != word]
            out.write(struct.pack("<BBBxHxx", len(changed_regs), len(new), gone, len(changed_words)))
            out.write(b"".join(struct.pack("<Q", address) for address in new))
            out.write(b"".join(struct.pack("<BQ", i, value) for i, value in changed_regs))
            out.write(b"".join(struct.pack("<HQ", i, word) for i, word in changed_words))
            old_regs, n = regs, n + 1
            old_stack.update(words)
    qemu.wait()
    subprocess.run([arch.compiler.replace("gcc", "strip"), elf], check=True)
    print(f"{name}: {n} instructions, {os.path.getsize(f'{folder}/{name}.steps')} bytes")


main()
