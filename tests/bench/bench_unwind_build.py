"""What unwind tables cost to build and to keep, and whether libdw agrees with them."""
import os
import subprocess

TITLE = "Building unwind tables"
FOLDERS = ("/usr/bin", "/usr/sbin", "/usr/lib")
BATCH = 400 # paths of one command line
LARGE = 50e6 # bytes


def elf_files():
    """Every ELF file of the machine's folders, once; largest first."""
    found = {}
    for top in FOLDERS:
        for folder, _, names in os.walk(top):
            for name in names:
                path = os.path.join(folder, name)
                try:
                    stat = os.lstat(path)
                    if not os.path.isfile(path) or os.path.islink(path) or stat.st_size < 1024:
                        continue
                    with open(path, "rb") as f:
                        if f.read(4) == b"\x7fELF":
                            found.setdefault((stat.st_dev, stat.st_ino), (stat.st_size, path))
                except OSError:
                    continue
    return [path for _, path in sorted(found.values(), reverse=True)]


def measure(bench, *arguments):
    """files, rows, bytes, ns, ns of libdw, bytes of heap"""
    done = subprocess.run([f"{bench.build}/tests/bench/bench_unwind_build", *arguments], capture_output=True, text=True, check=True)
    return [int(word) for word in done.stdout.split()]


def run(bench):
    files = elf_files()
    rows = size = ns = heap = count = 0
    for i in range(0, len(files), BATCH):
        part = measure(bench, "--no-libdw", *files[i:i + BATCH])
        count, rows, size, ns, heap = count + part[0], rows + part[1], size + part[2], ns + part[3], max(heap, part[5])
    bench.row("ELF files of /usr, with a table", f"{count}", f"{rows / 1e6:.1f} M rows")
    bench.row("bytes per row, all told", f"{size / rows:.2f}", f"{size / 1e6:.1f} MB of tables")
    bench.row("build", f"{ns / rows:.0f} ns/row", f"{ns / 1e9:.2f} s for all of them")
    bench.row("largest heap while building any of them", f"{heap / 1e6:.1f} MB")
    # Of the large files, the one that has most to tell: chromium's, say, are built with frame pointers and no rows.
    large = [path for path in files if os.path.getsize(path) > LARGE] or files[:1]
    largest = max(large, key=lambda path: measure(bench, "--no-libdw", path)[1])
    _, rows, size, ns, libdw, heap = measure(bench, largest)
    name = f"{os.path.basename(largest)}, {os.path.getsize(largest) / 1e6:.0f} MB"
    bench.row(f"{name}: build", f"{ns / 1e6:.0f} ms", f"{rows} rows, {ns / rows:.0f} ns/row")
    bench.row(f"{name}: libdw over the same rows", f"{libdw / ns:.1f} x", f"{libdw / rows:.0f} ns/row")
    bench.row(f"{name}: table", f"{size / 1e6:.1f} MB", f"{size / rows:.2f} bytes per row")
    bench.row(f"{name}: largest heap", f"{heap / 1e6:.1f} MB")
