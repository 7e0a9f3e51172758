"""Load generators and what they report."""
import contextlib
import re
import statistics
import subprocess
import time

import procs

LINGER = 1  # seconds that background load outlasts what is measured under it


def header_options(headers):
    return [option for name, value in (headers or {}).items() for option in ("-H", f"{name}: {value}")]


def wrk(port, path, seconds, connections=64, threads=2, headers=None, script=None):
    """Requests/s over keep-alive connections; any failed request fails the measurement."""
    out = subprocess.run(
        ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", *header_options(headers),
         *(["-s", str(script)] if script else []), f"http://{procs.HOST}:{port}{path}"],
        capture_output=True, text=True, check=True, timeout=seconds + 60).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        raise procs.Failed(f"wrk on port {port}:\n{out}")
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))


def p99_ms(port, path, seconds, log_file, rate=500, connections=4, headers=None, body=None):
    """99th percentile of the time per request at a fixed rate; from h2load's log. body: a file to post."""
    if body is not None:
        headers = {**(headers or {}), "Content-Type": "application/json"}
    log_file.unlink(missing_ok=True)
    subprocess.run(
        ["h2load", "--h1", "-t1", f"-c{connections}", f"--rps={rate // connections}", f"-D{seconds}",
         f"--log-file={log_file}", *(["-d", str(body)] if body else []), *header_options(headers),
         f"http://{procs.HOST}:{port}{path}"],
        capture_output=True, check=True, timeout=seconds + 60)
    rows = [line.split("\t") for line in log_file.read_text().splitlines()]
    if len(rows) < rate * (seconds - 0.5) * 0.9 or any(row[1] != "200" for row in rows):
        raise procs.Failed(f"h2load on port {port}: {len(rows)} answers, not all of them good")
    times = sorted(int(row[2]) for row in rows)
    return times[min(len(times) - 1, len(times) * 99 // 100)] / 1000


def post_log(bench, body_file):
    """h2load's log of what start_posts() began: start in microseconds, status, duration."""
    return bench.directory / f"post-{body_file.stem}.tsv"


def start_posts(bench, port, path, body_files, seconds, clients_each=1, rate_each=0):
    """One h2load a body, all at once; each logs every request. rate_each 0: as many as go."""
    return [bench.start(
        ["h2load", "--h1", "-t1", f"-c{clients_each}", f"-D{seconds}", *([f"--rps={rate_each}"] if rate_each else []), "-d", body,
         "-H", "content-type: application/json", f"--log-file={post_log(bench, body)}",
         f"http://{procs.HOST}:{port}{path}"], f"post-{body.stem}") for body in body_files]


def finish_posts(bench, body_files, started):
    """When each answer was complete, in microseconds; any answer but 200 fails the measurement."""
    ends = []
    for body, process in zip(body_files, started):
        process.wait(120)
        bench.processes.remove(process)
        log = post_log(bench, body)
        rows = [line.split("\t") for line in log.read_text().splitlines()]
        log.unlink()
        bad = {row[1] for row in rows} - {"200"}
        if bad or not rows:
            raise procs.Failed(f"{body.name}: {len(rows)} answers, statuses besides 200: {bad or 'none'}")
        ends += [int(row[0]) + int(row[2]) for row in rows]
    return sorted(ends)


def posts_per_second(bench, port, path, body_files, seconds, clients_each=1):
    """From the first complete answer to the last: what is cut off at the end counts on neither side."""
    started = start_posts(bench, port, path, body_files, seconds, clients_each)
    ends = finish_posts(bench, body_files, started)
    if len(ends) < 2:
        raise procs.Failed(f"only {len(ends)} answers")
    return (len(ends) - 1) * 1e6 / (ends[-1] - ends[0])


@contextlib.contextmanager
def posts_beside(bench, port, path, body_files, seconds):
    """Posts back to back while the block runs (it must take about `seconds`)."""
    started = start_posts(bench, port, path, body_files, seconds + 2 * LINGER)
    time.sleep(LINGER)
    yield
    finish_posts(bench, body_files, started)


def wrk_and_cpu(process, *args, **kwargs):
    """wrk(), and the CPU time in microseconds that the server took a request."""
    before = procs.cpu_seconds(process.pid)
    rate = wrk(*args, **kwargs)
    return rate, (procs.cpu_seconds(process.pid) - before) * 1e6 / (rate * args[2])


def alternate_with_cpu(runs, **measures):
    """alternate() of measures that return (rate, CPU time): both medians by name."""
    seen = {name: [] for name in measures}
    for _ in range(runs):
        for name, measure in measures.items():
            seen[name].append(measure())
    return tuple({name: statistics.median(pair[i] for pair in pairs) for name, pairs in seen.items()}
                 for i in (0, 1))


def alternate(runs, **measures):
    """Each measure once a round, `runs` rounds: {name: median}."""
    seen = {name: [] for name in measures}
    for _ in range(runs):
        for name, measure in measures.items():
            seen[name].append(measure())
    return {name: statistics.median(values) for name, values in seen.items()}
