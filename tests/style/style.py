"""What the style tests share: the tree's files, includes, and the proof that a test can fail.

A style test is a function check(root) that returns violations as sentences. selftest() copies the tree, plants one
violation after another, and demands that the check names each of them: a rule that cannot fail is no rule.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

SOURCE = os.environ.get("FLEETPROF_SOURCE") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("FLEETPROF_BUILD") or os.path.join(SOURCE, "build")

# What a build, a run or an editor leaves in the top folder; .gitignore has the same.
LEFTOVERS = {"build", ".git", "fleetprof.html", "__pycache__"}


def files(root):
    """Paths below root of every file that belongs to the tree, sorted.

    git knows them; a copy without git (a release archive, a chroot) is walked.
    """
    git = subprocess.run(["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                         capture_output=True)
    if git.returncode == 0 and os.path.exists(os.path.join(root, ".git")):
        names = [n.decode() for n in git.stdout.split(b"\0") if n]
        return sorted(n for n in set(names) if os.path.lexists(os.path.join(root, n)))
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [f for f in folders if f not in LEFTOVERS]
        found += [os.path.relpath(os.path.join(folder, n), root) for n in names if n not in LEFTOVERS]
    return sorted(found)


def read(root, name):
    with open(os.path.join(root, name), encoding="utf-8", errors="replace") as f:
        return f.read()


def write(root, name, text):
    path = os.path.join(root, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def is_c(name):
    return name.endswith((".c", ".h"))


INCLUDE = re.compile(r'^[ \t]*#[ \t]*include(?:_next)?[ \t]*([<"])([^>"\n]+)[>"]', re.M)


def includes(text):
    """(quote character, header) of each include line."""
    return INCLUDE.findall(text)


def copy_tree(root, to):
    for name in files(root):
        path = os.path.join(to, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        shutil.copy2(os.path.join(root, name), path, follow_symlinks=False)


def looks(root):
    """Each file of a copy, by what any change of it changes: copies keep the time of what they were copied from."""
    stats = {name: os.lstat(os.path.join(root, name)) for name in files(root)}
    return {name: (s.st_mtime_ns, s.st_size, s.st_mode) for name, s in stats.items()}


def restore(root, before):
    after = looks(root)
    for name in after.keys() - before.keys():
        os.remove(os.path.join(root, name))
    for name in before:
        if after.get(name) != before[name]:
            shutil.copy2(os.path.join(SOURCE, name), os.path.join(root, name), follow_symlinks=False)


def selftest(check, plants):
    """Each plant is (name, plant(root), expected text): check() must then say something with that text."""
    misses = []
    with tempfile.TemporaryDirectory(prefix="fleetprof-style-") as copy:
        copy_tree(SOURCE, copy)
        before = looks(copy)
        for name, plant, expected in plants:
            plant(copy)
            if not any(expected in v for v in check(copy)):
                misses.append(f"the check did not notice: {name}")
            restore(copy, before)
            if looks(copy) != before:
                misses.append(f"the tree is not as it was after: {name}")
    return misses


def finish(violations):
    for v in violations:
        print(v)
    sys.exit(1 if violations else 0)
