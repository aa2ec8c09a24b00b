#!/usr/bin/env python3
"""symbols_agree.py [-n PER_FILE] [-v] SYMBOLIZER FILE…: our answers for random addresses beside those of others.

llvm-symbolizer answers every address; eu-addr2line is the third voice where the two of us differ. Every difference
falls into a class; those of EXPLAINED are known and why, the rest are to be looked at and make the exit status 1.
"""
import argparse
import collections
import os
import random
import re
import subprocess
import sys

EXPLAINED = {
    "symbol's name": "llvm prints the symbol table's name for the outermost function, we the debug information's: "
                     "clones (foo.cold, foo.part.0), aliases (__libc_write for write), folded functions",
    "symbol's file": "no line is known: llvm takes a file name from the symbol table, we say that there is none",
    "no function": "no function is described there: padding between functions, with the line of what is before it",
    "symbols only": "no debug information there: both have a symbol, several are at the address or none has a size",
    "we know more": "llvm has no answer: compressed by .zdebug_, or shared by dwz",
    "two to one": "eu-addr2line has our lines: code that several units describe, each with lines of its own",
    "line 0": "llvm and we agree on everything but the file of a line 0, which says that there is none",
}


def sections(path):
    """(address, size) of what is executable."""
    found = []
    for line in subprocess.run(["readelf", "-SW", path], capture_output=True, text=True).stdout.splitlines():
        field = line.split("]", 1)[1].split() if "]" in line else []
        if len(field) > 7 and "X" in field[6] and field[1] in ("PROGBITS", "NOBITS") and \
                not field[0].startswith((".plt", ".init", ".fini")):
            found.append((int(field[2], 16), int(field[4], 16)))
    return found


def random_addresses(path, nr, seed=1):
    texts = sections(path)
    total = sum(size for _, size in texts)
    rng = random.Random(seed)
    picked = set()
    for _ in range(nr if total else 0):
        at = rng.randrange(total)
        for start, size in texts:
            if at < size:
                picked.add(start + at)
                break
            at -= size
    return sorted(picked)


def normal(path):
    """Without //, /./ and x/.., as the tools differ in what they tidy up."""
    parts = []
    for part in path.split("/"):
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def place(text):
    text = text.split(" (discriminator")[0]
    match = re.match(r"^(.*?):(\d+|\?)(?::(\d+|\?))?$", text)
    if not match or match.group(1) in ("", "??"):
        return "", 0
    return normal(match.group(1)), int(match.group(2)) if match.group(2).isdigit() else 0


def ask(command, addresses):
    out = subprocess.run(command, input="".join(f"0x{a:x}\n" for a in addresses), capture_output=True,
                         text=True, errors="replace")
    return out.stdout


def blocks(text):
    """address → [(function, file, line), …], innermost first."""
    answers, frames, name = {}, None, None
    for line in text.splitlines():
        if line.startswith("0x") and name is None and re.match(r"^0x[0-9a-f]+$", line):
            frames = answers.setdefault(int(line, 16), [])
        elif not line:
            name = None
        elif name is None:
            name = line.split(" inlined at ")[0]
        else:
            frames.append((name,) + place(line))
            name = None
    return answers


def ours(program, path, addresses):
    return blocks(ask([program, "-a", "-e", path, "--demangle", "none"], addresses))


def llvm(path, addresses):
    tool = next((t for t in ("llvm-symbolizer-19", "llvm-symbolizer-16", "llvm-symbolizer")
                 if any(os.access(os.path.join(d, t), os.X_OK) for d in os.environ["PATH"].split(":"))), None)
    if not tool:
        sys.exit("there is no llvm-symbolizer")
    return blocks(ask([tool, "--obj=" + path, "--addresses", "--inlines", "--no-demangle"], addresses))


def elfutils(path, addresses):
    return blocks(ask(["eu-addr2line", "-a", "-i", "-f", "-e", path], addresses))


def lines(frames):
    return [f[2] for f in frames]


def compare(a, b):
    """The class of the difference of our answer a and theirs b; None if there is none."""
    if a == b:
        return None
    names_a, names_b = [f[0] for f in a], [f[0] for f in b]
    places_a, places_b = [f[1:] for f in a], [f[1:] for f in b]
    known_a, known_b = any(lines(a)), any(lines(b))
    if names_b == ["??"] and names_a == ["??"]:
        return "no function"
    if not known_a and not known_b and len(a) == len(b) == 1:
        return "symbol's file" if names_a == names_b else "symbols only"
    if names_b == ["??"] and not known_b or "??" in names_b and "??" not in names_a and lines(a) == lines(b):
        return "we know more"
    if len(a) != len(b):
        return "depth"
    same_lines = all(x == y or x[1] == y[1] == 0 for x, y in zip(places_a, places_b))
    if names_a[:-1] == names_b[:-1] and names_a[-1] != names_b[-1]:
        return "symbol's name" if same_lines else "name and line"
    if names_a != names_b:
        return "names"
    if same_lines:
        return "line 0"
    return "files" if lines(a) == lines(b) else "lines"


def outvoted(path, different):
    """Of the differences, those where the third voice has our places."""
    third = elfutils(path, [d[0] for d in different])
    return [d for d in different if [f[1:] for f in third.get(d[0], [])] == [f[1:] for f in d[1]]]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-n", type=int, default=1000, help="random addresses per file")
    parser.add_argument("-v", action="store_true", help="print an example of each unexplained class")
    parser.add_argument("symbolizer")
    parser.add_argument("files", nargs="+")
    args = parser.parse_args()
    total, asked, unexplained = collections.Counter(), 0, 0
    for path in args.files:
        addresses = random_addresses(path, args.n)
        if not addresses:
            continue
        us, them = ours(args.symbolizer, path, addresses), llvm(path, addresses)
        classes, different = collections.Counter(), []
        for address in addresses:
            kind = compare(us.get(address, []), them.get(address, []))
            classes[kind or "same"] += 1
            if kind and kind not in EXPLAINED:
                different.append((address, us.get(address, []), them.get(address, []), kind))
        agreed = outvoted(path, different) if different else []
        for gone in agreed:
            classes[gone[3]] -= 1
            classes["two to one"] += 1
            different.remove(gone)
        total += classes
        asked += len(addresses)
        unexplained += len(different)
        if different:
            print(f"{path}: {dict(+classes)}")
            for kind in sorted({d[3] for d in different}) if args.v else []:
                print("  %s: 0x%x\n    we   %s\n    they %s" % ((kind,) + next(d[:3] for d in different if d[3] == kind)))
    print(f"{asked} addresses in {len(args.files)} files")
    for kind, nr in (+total).most_common():
        print(f"{nr:9}  {kind:14} {EXPLAINED.get(kind, '')}")
    sys.exit(1 if unexplained else 0)


if __name__ == "__main__":
    main()
