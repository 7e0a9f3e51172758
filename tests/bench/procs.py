"""Processes of one run: started here, ended here, by their id; ports, files and memory beside them."""
import http.client
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

HOST = "127.0.0.1"
# IAMD_<OPTION> would change what is measured.
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("IAMD_")}


class Failed(Exception):
    """A measurement could not be made; the text says why."""


def free_port():
    with socket.socket() as s:
        s.bind((HOST, 0))
        return s.getsockname()[1]


class Bench:
    """A directory of its own and every process started during the run; close() removes both."""

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="iamd-bench-"))
        self.processes = []

    def start(self, command, name, **popen):
        log = open(self.directory / f"{name}.log", "ab")
        with log:
            process = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, env=ENVIRONMENT,
                                       stdout=popen.pop("stdout", log), stderr=log, **popen)
        self.processes.append(process)
        return process

    def stop(self, process, timeout=20):
        """SIGTERM, and SIGKILL for what does not listen. Returns the exit status."""
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        if process in self.processes:
            self.processes.remove(process)
        return status

    def log(self, name):
        path = self.directory / f"{name}.log"
        return path.read_text(errors="replace")[-3000:] if path.exists() else ""

    def close(self):
        for process in list(self.processes):
            self.stop(process)
        shutil.rmtree(self.directory, ignore_errors=True)


def need(*programs):
    missing = [p for p in programs if shutil.which(p) is None]
    if missing:
        raise Failed(f"missing: {', '.join(missing)} (tools/deps names the packages)")


def get(port, path, headers=None, timeout=10):
    """One GET on a connection of its own: (status, header list, body)."""
    connection = http.client.HTTPConnection(HOST, port, timeout=timeout)
    try:
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.getheaders(), answer.read()
    finally:
        connection.close()


def wait_for_answer(port, path, process, what, timeout=60, pause=0.0005):
    """Until path answers 200: seconds since the call."""
    begin = time.monotonic()
    while time.monotonic() - begin < timeout:
        if process.poll() is not None:
            raise Failed(f"{what} ended with {process.returncode}")
        try:
            if get(port, path, timeout=5)[0] == 200:
                return time.monotonic() - begin
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(pause)
    raise Failed(f"{what} did not answer within {timeout} s")


def memory_kib(pid):
    """{'RssAnon': KiB, 'VmRSS': KiB} of a process now."""
    found = {}
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        for line in status:
            name, _, value = line.partition(":")
            if name in ("RssAnon", "VmRSS"):
                found[name] = int(value.split()[0])
    return found


def cpu_seconds(pid):
    """User and system time so far, of a process and its children that live."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
        below = sum(cpu_seconds(int(child)) for child in children.read().split())
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") + below
