"""A real iamd process with a state directory of its own."""
import crypt
import os
import pathlib
import re
import signal
import socket
import sqlite3
import subprocess
import threading
import time

import oas
import wire

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("IAMD_BIN") or str(ROOT / "build-release" / "iamd" / "iamd")
SUPERUSER, SUPERUSER_PASSWORD = "bootstrapuser", "Sup3r-secret-of-the-tests"
SANITIZER = re.compile(rb"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:")
CHEAP = {"argon2_opslimit": 1, "argon2_memory_kib": 8}
DESCRIBED = set()  # (method, path template) of every answer held against openapi.yaml


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def crypt_hash(password):
    return crypt.crypt(password, crypt.mksalt(crypt.METHOD_SHA512, rounds=1000))


def environment(more=None):
    """Ours without IAMD_...: those would be options."""
    return {**{k: v for k, v in os.environ.items() if not k.startswith("IAMD_")}, **(more or {})}


def run(*args, input_=None, env=None, timeout=60):
    """iamd as a command that ends by itself."""
    return subprocess.run([BINARY, *args], input=input_, capture_output=True, timeout=timeout,
                          env=environment(env), check=False)


class Daemon:
    """
    Options are those of iamd.conf; listen and state_dir are set here. stop() checks what holds
    for every run: exit status 0, no sanitizer report, no secret in a log or in the database.
    """

    def __init__(self, directory, superuser=True, **options):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.state_dir = self.directory / "state"
        self.config_file = self.directory / "iamd.conf"
        self.log_file = self.directory / "iamd.log"
        self.access_log = self.directory / "access.log"
        self.address = ("127.0.0.1", free_port())
        self.options = {"state_dir": self.state_dir, "access_log": self.access_log, **CHEAP}
        if superuser:
            self.options["superuser_username"] = SUPERUSER
            self.options["superuser_password_hash"] = crypt_hash(SUPERUSER_PASSWORD)
        self.options.update(options)
        self.process = None
        self.secrets = {SUPERUSER_PASSWORD}
        self.tokens = set()
        self.lock = threading.Lock()
        self.validate = True

    # -- the process

    def write_config(self):
        listen = self.options.get("listen") or "{}:{}".format(*self.address)
        lines = [f"{k} = {v}" for k, v in {**self.options, "listen": listen}.items()]
        self.config_file.write_text("\n".join(lines) + "\n")

    def start(self, wait=True, command=(), env=None, **popen):
        self.write_config()
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                [*command, BINARY, "--config", str(self.config_file)], stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, env=environment(env), **popen)
        if wait:
            self.wait_until_ready()
        return self

    def wait_until_ready(self, timeout=20):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                status, self.process = self.process.returncode, None
                raise AssertionError(f"iamd ended with {status}:\n{self.log()}")
            try:
                with wire.Connection(self.address, 5) as c:
                    answer = c.ask(b"GET /health/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                if answer and answer.status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.01)
        raise AssertionError(f"iamd is not ready after {timeout} s:\n{self.log()}")

    def running(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        """kill -9: nothing is checked, the state directory stays."""
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self, timeout=30):
        if self.process is None:
            return
        process, self.process = self.process, None
        if process.poll() is None:
            process.terminate()
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"iamd did not end on SIGTERM:\n{self.log()[-4000:]}") from None
        self.check_traces()
        assert status == 0, f"iamd ended with {status}:\n{self.log()[-4000:]}"

    def restart(self):
        self.stop()
        return self.start()

    # -- traces

    def log(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def wait_for_log(self, pattern, timeout=10):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            found = re.search(pattern, self.log())
            if found:
                return found
            time.sleep(0.02)
        raise AssertionError(f"{pattern!r} is not in the log:\n{self.log()[-6000:]}")

    def check_traces(self):
        log = self.log_file.read_bytes()
        found = SANITIZER.search(log)
        assert not found, log[max(0, found.start() - 500):][:6000].decode(errors="replace")
        places = [p for p in self.directory.rglob("*") if p.is_file() and p != self.config_file]
        for place in places:
            data = place.read_bytes()
            for secret in self.secrets | self.tokens:
                assert secret.encode() not in data, f"secret {secret!r} stands in {place}"

    def note_exchange(self, method, target, sent, answer):
        with self.lock:
            if isinstance(sent, dict):
                for name in ("password", "current_password", "lookup-password"):
                    if isinstance(sent.get(name), str) and len(sent[name]) >= 12:
                        self.secrets.add(sent[name])
                if isinstance(sent.get("token"), str) and len(sent["token"]) >= 40:
                    self.tokens.add(sent["token"].split(".")[-1] or sent["token"])
            if answer.status == 200 and answer.body.startswith(b"{") and b'"token"' in answer.body[:20]:
                self.tokens.add(answer.json()["token"].rsplit(".", 1)[1])
        if self.validate and oas.check_response(method, target, answer):
            DESCRIBED.add((method, oas.find(method, target)[0]))

    # -- callers

    def client(self, token=None, **kw):
        return wire.Client(self, token, **kw)

    def login(self, uid=SUPERUSER, password=SUPERUSER_PASSWORD):
        answer = self.client().post("/auth/login", {"uid": uid, "password": password})
        assert answer.status == 200, f"login of {uid}: {answer}"
        return answer.json()["token"]

    def superuser(self):
        return self.client(self.login())

    def metric(self, name, admin=None):
        """The sum of a metric over its labels."""
        text = (admin or self.superuser()).get("/metrics", root=True).body.decode()
        values = re.findall(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", text, re.M)
        assert values, f"no metric {name}:\n{text}"
        return sum(float(v) for v in values)

    # -- the database

    @property
    def database(self):
        return self.state_dir / "iamd.db"

    def sql(self, statement, *args):
        db = sqlite3.connect(self.database, timeout=10)
        try:
            rows = db.execute(statement, args).fetchall()
            db.commit()
            return rows
        finally:
            db.close()

    def thread_count(self):
        return len(os.listdir(f"/proc/{self.process.pid}/task"))


def wait_until(condition, timeout=10, what=""):
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError(f"not within {timeout} s: {what}")


