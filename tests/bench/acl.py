"""Figures of libacl alone: what a decision costs in a large model, without a daemon around it."""
import json
import pathlib
import subprocess

import peers
import procs
from rows import row

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
USERS, GROUPS, GRANTS = 1_000_000, 100_000, 5_000_000
CALLS = 200_000  # a round of each kind
# As the release build is made, as far as it matters here.
FLAGS = ["-O3", "-flto=auto", "-fvisibility=hidden", "-fstack-protector-strong", "-fno-strict-overflow",
         "-ftrivial-auto-var-init=zero", f"-I{ROOT}", f"-I{ROOT / 'include'}"]


def acl_check(s):
    """iam_check over random pairs, 1 000 000 users, beside 1 000 users and a bare hash look-up."""
    procs.need("cc")
    library = [str(f) for f in sorted((ROOT / "libacl").glob("*.c")) + sorted((ROOT / "libacl/base").glob("*.c"))]
    program = peers.compile_c(s.bench, HERE / "check_bench.c", "check_bench", FLAGS + library)
    shrink = 1 if s.seconds >= 5 else 100
    out = subprocess.run(
        [program, *map(str, (USERS // shrink, GROUPS // shrink, GRANTS // shrink, s.runs, CALLS // shrink))],
        capture_output=True, text=True, check=False, timeout=600)
    if out.returncode != 0:
        raise procs.Failed(f"check_bench: {out.returncode} {out.stderr}")
    seen = json.loads(out.stdout)
    (median, p99), (small, _) = seen["large"], seen["small"]
    lookup, lookup_p99 = seen["lookup"]
    yield row("acl_check", median, "ns", small, "the same with 1 000 users", 600, "lower", by_value=True)
    yield row("acl_check_scale", median, "ns", small, "the same with 1 000 users", 8, "lower")
    yield row("acl_check_p99", p99, "ns", lookup_p99, "p99 of a bare hash look-up", 1500, "lower", by_value=True)
    yield row("acl_check_bare", median, "ns", lookup, f"a bare look-up among {USERS // shrink} strings")
    yield row("acl_check_reads", median, "ns", seen["read"][0], "one read of memory far away")
    yield row("acl_memory", seen["peak_kib"] * 1024 / 1e6, "MB", seen["snapshot_bytes"] / 1e6,
              "the snapshot by its own count", 600, "lower", by_value=True)
    yield row("acl_build", seen["build_cpu_s"], "s", seen["build_s"], "CPU time, beside the clock", 6, "lower",
              by_value=True)


ALL = {"acl_check": acl_check}
