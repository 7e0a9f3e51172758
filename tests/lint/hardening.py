"""C4: the built program carries its hardening: hardening.py PROGRAM..., or --self-test.

Read off the file with readelf: position independent, full RELRO, no executable stack, no segment
writable and executable, stack protector, fortified libc calls, no text relocation, no run path.
The self-test builds a program without any of it and expects every finding.
"""
import os
import re
import subprocess
import sys
import tempfile


def readelf(option, path):
    return subprocess.run(["readelf", "-W", option, path], check=True, capture_output=True, text=True,
                          env={**os.environ, "LC_ALL": "C"}).stdout


def findings(path):
    head, segments = readelf("-h", path), readelf("-l", path)
    dynamic, symbols = readelf("-d", path), readelf("--dyn-syms", path)
    flags = {m[1]: m[2] for m in re.finditer(r"^\s+(\S+)\s+(?:0x\w+\s+){5}(.{3})", segments, re.M)}
    rules = [
        ("not position independent", re.search(r"Type:\s+DYN", head) and "PIE" in dynamic),
        ("no RELRO segment", "GNU_RELRO" in flags),
        ("bindings are lazy (RELRO is not full)", re.search(r"BIND_NOW|FLAGS.*\bNOW\b", dynamic)),
        ("the stack is executable", "E" not in flags.get("GNU_STACK", "E")),
        ("a segment is writable and executable", not re.search(r"^\s+LOAD.*\bRWE\b", segments, re.M)),
        ("no stack protector", "__stack_chk_fail" in symbols),
        ("no fortified call", re.search(r"\b__\w+_chk\b", symbols)),
        ("text relocations", "TEXTREL" not in dynamic),
        ("a run path", not re.search(r"\((RPATH|RUNPATH)\)", dynamic)),
    ]
    return [what for what, fine in rules if not fine]


def self_test():
    with tempfile.TemporaryDirectory() as d:
        source, program = os.path.join(d, "a.c"), os.path.join(d, "a")
        with open(source, "w", encoding="ascii") as f:
            f.write("#include <stdio.h>\nint main(void)\n{\n\tchar b[9];\n\tsprintf(b, \"x\");\n\treturn puts(b) < 0;\n}\n")
        subprocess.run(["gcc", "-O1", "-U_FORTIFY_SOURCE", "-no-pie", "-fno-pie", "-fno-stack-protector", "-z", "norelro",
                        "-z", "lazy", "-z", "execstack", "-Wl,-rpath,/nowhere", "-o", program, source], check=True)
        found = findings(program)
    missed = [w for w in ("position", "RELRO segment", "lazy", "executable", "protector", "fortified", "run path")
              if not any(w in line for line in found)]
    return [f"self-test: not noticed: {w}" for w in missed]


if __name__ == "__main__":
    problems = self_test() if sys.argv[1:] == ["--self-test"] else [
        f"{path}: {what}" for path in sys.argv[1:] for what in findings(path)]
    print("\n".join(problems) or "ok")
    sys.exit(1 if problems else 0)
