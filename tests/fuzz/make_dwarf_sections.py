#!/usr/bin/env python3
"""make_dwarf_sections.py ELF OUT: a seed of fuzz_dwarf_sections from a small program's sections."""
import os
import subprocess
import sys
import tempfile

NAMES = """info abbrev line str line_str ranges rnglists addr str_offsets aranges""".split()

parts = []
with tempfile.TemporaryDirectory() as work:
    for name in [".debug_" + n for n in NAMES] + [".gnu_debugaltlink"]:
        path = os.path.join(work, "section")
        open(path, "w").close()
        subprocess.run(["objcopy", "--dump-section", f"{name}={path}", sys.argv[1], os.path.join(work, "out")],
                       capture_output=True)
        with open(path, "rb") as f:
            parts.append(f.read())
with open(sys.argv[2], "wb") as f:
    for part in parts:
        f.write(len(part).to_bytes(2, "little"))
    for part in parts:
        f.write(part)
