#!/usr/bin/env python3
"""symbols_record.py PROFILE.pb.gz BINARY: the addresses of a recorded profile that lie in one file, for
tests/fixtures/addresses, on standard output. As `fleetprof record -o PROFILE.pb.gz` writes them: of the ELF's own space,
return addresses less one.
"""
import gzip
import os
import re
import subprocess
import sys

import symbols_sets

PROTO = os.path.dirname(os.path.abspath(__file__)) + "/../../proto"


def package_of(path):
    """The Debian package and version that the file is from, or "" """
    for name in (path, os.path.realpath(path), path.removeprefix("/usr")):
        found = subprocess.run(["dpkg", "-S", name], capture_output=True, text=True).stdout.split(": ")[0]
        if found:
            return subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}", found.split(",")[0]],
                                  capture_output=True, text=True).stdout
    return ""


def addresses_of(profile, name):
    """Addresses of the mapping whose file is called name."""
    with gzip.open(profile) as file:
        text = subprocess.run(["protoc", f"-I{PROTO}", "--decode=perftools.profiles.Profile", "profile.proto"],
                              input=file.read(), capture_output=True, check=True).stdout.decode()
    strings = re.findall(r'^string_table: "(.*)"$', text, re.M)
    ours = set()
    for mapping in re.findall(r"^mapping \{\n(.*?)^\}", text, re.M | re.S):
        field = dict(re.findall(r"^  (\w+): (\d+)$", mapping, re.M))
        if os.path.basename(strings[int(field.get("filename", 0))]) == name:
            ours.add(field["id"])
    found = set()
    for location in re.findall(r"^location \{\n(.*?)^\}", text, re.M | re.S):
        field = dict(re.findall(r"^  (\w+): (\d+)$", location, re.M))
        if field.get("mapping_id") in ours and int(field.get("address", 0)):
            found.add(int(field["address"]))
    return sorted(found)


def main():
    profile, binary = sys.argv[1:3]
    print(f"# file: {binary}")
    print(f"# package: {package_of(binary)}")
    print(f"# build ID: {symbols_sets.build_id(binary)}")
    for address in addresses_of(profile, os.path.basename(os.path.realpath(binary))):
        print(f"0x{address:x}")


main()
