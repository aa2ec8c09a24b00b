"""Rows derived from code beside what call frame information says: the same file, with and without it."""
import collections
import mmap
import shutil
import struct
import subprocess
import sys

PT_GNU_EH_FRAME = 0x6474E550
SHT_SYMTAB = 2


def rows(symbolizer, file):
    """(byte offset, rule) in order; a rule's first word says the CFA."""
    listing = subprocess.run([symbolizer, "--unwind", file], capture_output=True, text=True, check=True).stdout
    pairs = (line.split(" ", 1) for line in listing.splitlines() if not line.startswith("#"))
    return [(int(offset, 16), rule) for offset, rule in pairs]


def base(rule):
    return rule.split()[0].rstrip("0123456789").rstrip("+-")


def runtime_assembly(file):
    """Where the address sanitizer's checks lie, if it is in: their authors do not describe the register that they push."""
    names = subprocess.run(["nm", "-n", file], capture_output=True, text=True, check=True).stdout.splitlines()
    checks = [int(line.split()[0], 16) for line in names if "__asan_check_" in line]
    return range(checks[0], checks[-1] + 64) if checks else range(0)


def compare(said, derived, left_out):
    """Bytes of code by what came of them, and where the two are at odds."""
    bytes_of, wrong = collections.Counter(), []
    said_at, derived_at = dict(said), dict(derived)
    offsets = sorted(said_at.keys() | derived_at.keys())
    truth = rule = "gap"
    for offset, end in zip(offsets, offsets[1:]):
        truth, rule = said_at.get(offset, truth), derived_at.get(offset, rule)
        if truth in ("gap", "root", "unsupported") or "%" in truth or offset in left_out:
            what = "not said"
        elif rule in ("gap", "unsupported"):
            what = "not derived"
        elif base(truth) != base(rule):
            what = "by another register"
        elif truth.split()[0] == rule.split()[0]:
            what = "agree"
        else:
            what = "wrong"
            wrong.append(f"{offset:x} to {end:x}: said {truth}, derived {rule}")
        bytes_of[what] += end - offset
    return bytes_of, wrong


def without_frames(file, scratch, strip):
    """A copy whose call frame information (and symbols) nothing tells of; everything else stays where it is."""
    shutil.copyfile(file, scratch)
    with open(scratch, "r+b") as f, mmap.mmap(f.fileno(), 0) as m:
        segments, sections = struct.unpack_from("<QQ", m, 32)
        segment_size, nr_segments, section_size, nr_sections, names = struct.unpack_from("<5H", m, 54)
        names = struct.unpack_from("<Q", m, sections + section_size * names + 24)[0]
        for at in range(segments, segments + segment_size * nr_segments, segment_size):
            if struct.unpack_from("<I", m, at)[0] == PT_GNU_EH_FRAME:
                struct.pack_into("<I", m, at, 0)
        for at in range(sections, sections + section_size * nr_sections, section_size):
            name, kind = struct.unpack_from("<II", m, at)
            name = m[names + name : m.find(b"\0", names + name)]
            if name.startswith((b".eh_frame", b".debug")) or (strip and kind == SHT_SYMTAB):
                struct.pack_into("<II", m, at, 0, 0)


def has_no_symbols(file):
    return not subprocess.run(["nm", file], capture_output=True).stdout


def beside(symbolizer, file, scratch, strip):
    without_frames(file, scratch, strip)
    return compare(rows(symbolizer, file), rows(symbolizer, scratch), runtime_assembly(file))


def main():
    symbolizer, scratch = sys.argv[1:3]
    bad = False
    for file in sys.argv[3:]:
        # With symbols all functions are known; without them those are not that nobody calls.
        for strip, share_min, wrong_max in ((False, 0.9, 0.0005), (True, 0.5, 0.001))[has_no_symbols(file) :]:
            bytes_of, wrong = beside(symbolizer, file, scratch, strip)
            judged = sum(bytes_of.values()) - bytes_of["not said"]
            print(f"{file} {'stripped' if strip else 'with symbols'}:", dict(bytes_of))
            if bytes_of["agree"] < share_min * judged or bytes_of["wrong"] > wrong_max * judged:
                print(*wrong[:10], sep="\n")
                bad = True
    return bad


if __name__ == "__main__":
    sys.exit(main())
