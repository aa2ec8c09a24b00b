#!/usr/bin/env python3
"""Writes a small ELF file with Go tables, one function and a call inlined into it: a seed of fuzz_elf. Arguments: the
layout (116, 118 or 120), the file."""
import struct
import sys

layout, path = int(sys.argv[1]), sys.argv[2]
MAGIC = {116: 0xFFFFFFFA, 118: 0xFFFFFFF0, 120: 0xFFFFFFF1}[layout]
BASE, TEXT, DATA = 0x400000, 0x401000, 0x402000
names = b"main.outer\0main.inner\0"
cutab = struct.pack("<II", 0, 5)
files = b"a.go\0b.go\0"
# value tables: (zigzag of the difference from -1, length), then zero
values = b"\0" + bytes([2, 16, 2, 16, 0]) + bytes([20, 16, 6, 16, 0]) + bytes([2, 16, 1, 16, 0])
tree = struct.pack("<BBHiii", 0, 0, 0, 11, 20, 3) if layout == 120 else struct.pack("<hBBiiii", -1, 0, 0, 0, 3, 11, 20)

wide = layout == 116
header = 8 + 8 * (7 if wide else 8)
offsets, at = [], header
for part in (names, cutab, files, values):
    offsets.append(at)
    at += (len(part) + 7) & ~7
offsets.append(at)
pair = "<QQ" if wide else "<II"
record_at = 2 * struct.calcsize(pair)
entry = TEXT if wide else 0
functab = struct.pack(pair, entry, record_at) + struct.pack(pair, entry + 32, 0)
record = struct.pack("<Qi" if wide else "<Ii", entry, 0) + struct.pack("<IIIIIII", 0, 0, 0, 1, 6, 3, 0)
if layout == 120:
    record += struct.pack("<i", 1)
record += struct.pack("<I", 4 << 24) + struct.pack("<III", 0, 0, 11)
if wide:
    record += b"\0" * (-len(record) % 8) + struct.pack("<QQQQ", 0, 0, 0, DATA + 0x200)
else:
    record += struct.pack("<IIII", 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
words = [1, 2] + ([] if wide else [TEXT]) + offsets
table = struct.pack("<IBBBB", MAGIC, 0, 0, 1, 8) + struct.pack(f"<{len(words)}Q", *words)
for part in (names, cutab, files, values):
    table += part + b"\0" * (-len(part) % 8)
table += functab + record

module = [0] * 42
module[0], module[1], module[22], module[23] = BASE + 0x200, BASE + 0x200 + offsets[0], TEXT, TEXT + 32
module[40 if layout == 120 else 38] = DATA + 0x200
read_only = bytearray(0x1000)
data = bytearray(0x240)
data[: 42 * 8] = struct.pack("<42Q", *module)
data[0x200 : 0x200 + len(tree)] = tree
segments = [(4, BASE, 0, 0x600), (5, TEXT, 0x600, 0x40), (6, DATA, 0x640, len(data))]
elf = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, 62, 1, TEXT, 64, 0, 0, 64, 56, len(segments), 0, 0, 0)
for flags, vaddr, offset, size in segments:
    elf += struct.pack("<IIQQQQQQ", 1, flags, offset, vaddr, vaddr, size, size, 16)
read_only[: len(elf)] = elf
read_only[0x200 : 0x200 + len(table)] = table
with open(path, "wb") as out:
    out.write(bytes(read_only[:0x600]) + b"\x90" * 0x40 + bytes(data))
