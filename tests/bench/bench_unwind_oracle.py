"""Every row of every ELF file's unwind table, beside libdw."""
import subprocess

from bench_unwind_build import BATCH, elf_files

TITLE = "Unwind tables beside libdw, every row of every ELF file of /usr"


def run(bench):
    files = elf_files()
    counts, rows, disagree = {}, 0, []
    for i in range(0, len(files), BATCH):
        done = subprocess.run([f"{bench.build}/tests/oracle/unwind_oracle", *files[i:i + BATCH]], capture_output=True, text=True)
        for line in done.stdout.splitlines():
            if line.startswith("addresses: "):
                words = line.split()[1:]
                for what, number in zip(words[::2], words[1::2]):
                    counts[what] = counts.get(what, 0) + int(number)
            elif " rows, " in line:
                rows += int(line.split()[2])
            elif ": disagreed at " in line or ": no table" in line:
                disagree.append(line)
    bench.row("ELF files", f"{len(files)}", f"{rows} rows")
    for what, number in counts.items():
        bench.row(f"addresses {what}", f"{number}")
    for line in disagree[:20]:
        print(f"    {line}")
