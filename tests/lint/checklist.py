"""checklist.py ROOT: each promise of SECURITY.md names tests, and those exist.

A row's last column holds `path` or `path::prefix`: the file or folder is there and not empty, and some
test function in it begins with the prefix. `tools/check STEP` names a step of it.
"""
import os
import re
import sys

ITEMS = "C1 C2 C3 C4 C6 C8 J1 J2 J3 J4 J5 J6 J7 J9 P1 P3 P5 L1 L2 L3 L4 W2 W5 A1 A2 A3 A4".split()


def fault(root, reference):
    path, _, prefix = reference.partition("::")
    if path.startswith("tools/check"):
        with open(os.path.join(root, "tools/check"), encoding="utf-8") as f:
            return None if f"step_{path.split()[1]}()" in f.read() else "no such step"
    full = os.path.join(root, path)
    if not (os.path.isfile(full) or (os.path.isdir(full) and os.listdir(full))):
        return "is not there"
    if prefix:
        with open(full, encoding="utf-8") as f:
            if not re.search(rf"^def {prefix}", f.read(), re.M):
                return "no test of that name"
    return None


def check(root):
    with open(os.path.join(root, "SECURITY.md"), encoding="utf-8") as f:
        rows = dict(re.findall(r"^\| (\w\d) \|.*\| ([^|]*) \|$", f.read(), re.M))
    for item in ITEMS:
        references = [r for r in re.findall(r"`([^`]*)`", rows.get(item, "")) if "/" in r]
        if not references:
            yield f"{item}: no test is named"
        for r in references:
            if why := fault(root, r):
                yield f"{item}: {r}: {why}"


problems = list(check(sys.argv[1]))
print("\n".join(problems) or f"{len(ITEMS)} promises")
sys.exit(1 if problems else 0)
