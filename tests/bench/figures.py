"""The figures. Each function measures one group and yields rows; `Setting` holds what they share."""
import contextlib
import json
import statistics
import subprocess
import time

import acl
import daemon
import decisions
import ldap_figures
import load
import peers
import procs
from rows import row

LOGIN_CLIENTS = 8
LOGIN_PATH = daemon.API + "/auth/login"
SEEDED_USERS = 100_000
KIB_IN_MB = 1024 / 1e6


class Setting:
    """One run: its directory and length, and what several figures need, made when first asked for."""

    def __init__(self, bench, binary, runs, seconds):
        self.bench, self.binary, self.runs, self.seconds = bench, binary, runs, seconds
        self._iamd = self._nginx = self._crypto = self._token = None
        self._bodies = []
        self._seeded = None

    @property
    def iamd(self):
        if self._iamd is None:
            self._iamd = daemon.Daemon(self.bench, self.binary)
            self._iamd.start()
        return self._iamd

    @property
    def token(self):
        if self._token is None:
            self._token = self.iamd.login()
        return self._token

    @property
    def nginx(self):
        if self._nginx is None:
            self._nginx = peers.Nginx(self.bench, daemon.JWKS, self.iamd.port)
        return self._nginx

    @property
    def crypto(self):
        if self._crypto is None:
            self._crypto = peers.Crypto(self.bench)
        return self._crypto

    @property
    def password_bodies(self):
        """Login bodies of as many accounts as clients: one account has only its share of the lane."""
        for i in range(len(self._bodies), LOGIN_CLIENTS):
            uid = f"bench-user-{i}"
            self.iamd.add_user(self.token, uid, password=daemon.PASSWORD)
            body = self.bench.directory / f"{uid}.json"
            body.write_text(json.dumps({"uid": uid, "password": daemon.PASSWORD}))
            self._bodies.append(body)
        return self._bodies

    @property
    def seeded(self):
        """A daemon, stopped, whose database holds SEEDED_USERS regular users."""
        if self._seeded is None:
            seeded = daemon.Daemon(self.bench, self.binary, "seeded")
            seeded.start()
            seeded.add_user(seeded.login(), "template", password=daemon.PASSWORD)
            seeded.stop()
            seeded.seed(SEEDED_USERS, "template")
            self._seeded = seeded
        return self._seeded


def jwks(s):
    """GET /auth/jwks over 64 keep-alive connections, beside nginx's static answer; CPU time of each."""
    procs.need("wrk", "nginx")
    iamd, nginx = s.iamd, s.nginx
    seen, cpu_us = load.alternate_with_cpu(
        s.runs,
        iamd=lambda: load.wrk_and_cpu(iamd.process, iamd.port, daemon.JWKS, s.seconds),
        nginx=lambda: load.wrk_and_cpu(nginx.process, nginx.port, daemon.JWKS, s.seconds))
    yield row("jwks", seen["iamd"], "requests/s", seen["nginx"], "nginx return 200, same bytes", 0.85)
    yield row("jwks_cpu", cpu_us["iamd"], "us/request", cpu_us["nginx"], "nginx, user and system time")


def logins(s):
    """Password logins by 8 clients back to back, beside the bare argon2id of the same parameters."""
    procs.need("h2load")
    bodies, crypto = s.password_bodies, s.crypto
    seen = load.alternate(
        s.runs,
        iamd=lambda: load.posts_per_second(s.bench, s.iamd.port, LOGIN_PATH, bodies, s.seconds),
        raw=lambda: crypto.per_second("pwhash", s.seconds))
    yield row("logins", seen["iamd"], "logins/s", seen["raw"], "raw crypto_pwhash on all cores", 0.9)


@contextlib.contextmanager
def _crypto_beside(s):
    process = s.crypto.start_load("pwhash", s.seconds + 2 * load.LINGER)
    time.sleep(load.LINGER)
    yield
    if process.poll() is not None:
        raise procs.Failed(f"the argon2 load ended early\n{s.bench.log('load')}")
    s.bench.stop(process)


def p99(s):
    """p99 of jwks at 500 requests/s while 8 clients log in, without logins, and nginx beside argon2."""
    procs.need("h2load", "nginx")
    bodies, log = s.password_bodies, s.bench.directory / "requests.log"
    iamd, nginx = s.iamd.port, s.nginx.port

    def busy():
        with load.posts_beside(s.bench, iamd, LOGIN_PATH, bodies, s.seconds):
            return load.p99_ms(iamd, daemon.JWKS, s.seconds, log)

    def beside_argon2():
        with _crypto_beside(s):
            return load.p99_ms(nginx, daemon.JWKS, s.seconds, log)

    seen = load.alternate(s.runs, busy=busy, beside_argon2=beside_argon2,
                          quiet=lambda: load.p99_ms(iamd, daemon.JWKS, s.seconds, log))
    yield row("p99", seen["busy"], "ms", seen["quiet"], "the same without logins", 5, "lower", by_value=True)
    yield row("p99_nginx", seen["busy"], "ms", seen["beside_argon2"], "nginx under the same argon2 load")


def service_logins(s):
    """Service logins by 8 clients, beside a bare RSA verify and sign with cached keys."""
    procs.need("h2load", "openssl")
    body, crypto = _service_body(s), s.crypto
    seen = load.alternate(
        s.runs,
        iamd=lambda: load.posts_per_second(s.bench, s.iamd.port, LOGIN_PATH, [body], s.seconds, LOGIN_CLIENTS),
        raw=lambda: crypto.per_second("service", s.seconds))
    yield row("service_logins", seen["iamd"], "logins/s", seen["raw"], "raw RSA-2048 verify + sign on all cores")


def _openssl(*args, data=None):
    return subprocess.run(["openssl", *args], input=data, capture_output=True, check=True, timeout=60).stdout


def _b64(data):
    # Of openssl, so that no package beyond the standard library is needed.
    return _openssl("base64", "-A", data=data).decode().rstrip("=").replace("+", "-").replace("/", "_")


def _service_body(s):
    """The login body of a service account made for this run."""
    key, uid = s.bench.directory / "service.pem", f"bench-service-{time.time_ns()}"
    _openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(key))
    s.iamd.add_user(s.token, uid, public_key=_openssl("pkey", "-in", str(key), "-pubout").decode())
    claims = json.dumps({"uid": uid, "exp": int(time.time()) + 3600}).encode()
    signed = f"{_b64(json.dumps({'typ': 'JWT', 'alg': 'RS256'}).encode())}.{_b64(claims)}"
    signature = _openssl("dgst", "-sha256", "-sign", str(key), data=signed.encode())
    body = s.bench.directory / "service.json"
    body.write_text(json.dumps({"uid": uid, "token": f"{signed}.{_b64(signature)}"}))
    return body


def _start_ms(d, runs):
    times = []
    for _ in range(runs):
        times.append(d.start() * 1000)
        d.stop()
    return statistics.median(times)


def start(s):
    """From exec to the first answer, of an existing state directory: empty and with 100 000 users."""
    empty = daemon.Daemon(s.bench, s.binary, "empty")
    empty.start()
    empty.stop()
    yield row("start_empty", _start_ms(empty, s.runs), "ms", None, "", 50, "lower", by_value=True)
    yield row("start_100k", _start_ms(s.seeded, s.runs), "ms", None, "", 500, "lower", by_value=True)


def _settled_memory(d):
    time.sleep(1.5)
    return procs.memory_kib(d.process.pid)


def memory(s):
    """RssAnon idle, and with 100 000 users after a full GET /users; VmRSS beside it."""
    procs.need("objdump", "cc")
    idle = daemon.Daemon(s.bench, s.binary, "idle")
    idle.start()
    at_rest = _settled_memory(idle)
    idle.stop()

    s.seeded.start()
    token = s.seeded.login()
    users, _ = s.seeded.read_all_users(token)
    if users < SEEDED_USERS:
        raise procs.Failed(f"GET /users told of {users} users")
    listed = _settled_memory(s.seeded)
    s.seeded.stop()

    linked = peers.linked_only_memory(s.bench, s.binary)
    for name, seen, target in (("idle", at_rest, 8), ("100k", listed, 64)):
        for kind, goal in (("RssAnon", target), ("VmRSS", None)):
            yield row(f"{kind.lower()}_{name}", seen[kind] * KIB_IN_MB, "MB", linked[kind] * KIB_IN_MB,
                      f"{kind} of a program that only links the same libraries", goal, "lower", by_value=True)


ALL = {"jwks": jwks, "logins": logins, "p99": p99, "service_logins": service_logins, "start": start,
       "memory": memory, **acl.ALL, **decisions.ALL, **ldap_figures.ALL}
