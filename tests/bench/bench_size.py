"""How large the programs are."""
import os
import subprocess

from common import PROGRAMS

TITLE = "Size of the programs, stripped"


def run(bench):
    for program in PROGRAMS:
        path = f"{bench.build}/{program}"
        if os.path.exists(path):
            subprocess.run(["strip", "-o", f"{bench.folder}/{program}", path], check=True)
            bench.row(program, f"{os.path.getsize(f'{bench.folder}/{program}') / 1024:.0f} KB")
