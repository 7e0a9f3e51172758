"""Figures of directories: logins, synchronisation, and what a silent directory does to the others."""
import contextlib
import json
import pathlib
import statistics
import subprocess
import sys
import time

import daemon
import decisions
import load
import peers
import procs
from rows import row

HERE = pathlib.Path(__file__).resolve().parent
COMPONENTS = HERE.parent / "components"
sys.path.append(str(COMPONENTS))

import tcp_proxy  # noqa: E402

CLIENTS = 8
USERS, GROUPS = 100_000, 10_000
LOGIN_PATH = daemon.API + "/auth/login"
DIRECTORY = "/ldap/directories/bench"
SYNC_SECONDS = 300  # then it has failed
SETTLE = 1


class Slapd:
    """slapd.sh in the run's folder: facts as attributes."""

    def __init__(self, bench, *options):
        procs.need("slapd", "openssl")
        self.folder = bench.directory / f"slapd{time.monotonic_ns()}"
        port, tls_port = procs.free_port(), procs.free_port()
        out = self.script("start", str(port), "--tls-port", str(tls_port), "--pki", str(bench.directory / "pki"),
                          *map(str, options))
        for line in out.splitlines():
            name, _, value = line.partition("=")
            setattr(self, name.lower(), value)
        self.url = f"ldap://{self.host}:{self.port}"

    def script(self, command, *more):
        done = subprocess.run(["sh", str(COMPONENTS / "slapd.sh"), command, str(self.folder), *more],
                              capture_output=True, text=True, timeout=600, check=False)
        if done.returncode != 0:
            raise procs.Failed(f"slapd.sh {command}: {done.stderr[-2000:]}")
        return done.stdout

    def settings(self, port=None, users="(uid=%(username)s)", **more):
        """What iamd is told: StartTLS, a search before the bind."""
        return {
            "host": self.host, "port": int(port or self.port), "enforce-starttls": True, "use-ldaps": False,
            "ca-certs": pathlib.Path(self.ca).read_text(encoding="ascii"), "lookup-dn": self.bind_dn,
            "lookup-password": self.bind_password,
            "user-search": {"search-base": self.user_base, "search-filter-template": users},
            "group-search": {"search-base": self.group_base,
                             "search-filter-template": "(&(objectClass=groupOfNames)(cn=%(groupname)s))"},
            **{name.replace("_", "-"): value for name, value in more.items()}}


@contextlib.contextmanager
def slapd(s, *options):
    server = Slapd(s.bench, *options)
    try:
        yield server
    finally:
        server.script("stop")


@contextlib.contextmanager
def iamd(s, name):
    d = daemon.Daemon(s.bench, s.binary, name)
    d.start()
    try:
        yield d
    finally:
        if d.process is not None:
            d.stop()


def put(d, token, path, body, wanted=(200, 201)):
    status, answer = d.call("PUT", path, body, token)
    if status not in wanted:
        raise procs.Failed(f"PUT {path}: {status} {answer}")


def bodies(s, d, password, numbers, made_by):
    """Login bodies of users of a directory, each of whom has logged in once: they have accounts."""
    made = []
    for i in numbers:
        uid = f"user{i:06d}"
        d.login(uid, password)
        body = s.bench.directory / f"{made_by}-{uid}.json"
        body.write_text(json.dumps({"uid": uid, "password": password}))
        made.append(body)
    return made


def program(s):
    return peers.compile_c(s.bench, HERE / "ldap_bench.c", "ldap_bench", ["-lldap", "-llber", "-lcrypto", "-lpthread"])


def raw_logins(tool, server, seconds, with_search):
    """Logins a second, and CPU time of one in microseconds."""
    search = [server.user_base, "(uid=user00000%d)", server.bind_dn, server.bind_password] if with_search else []
    out = subprocess.run([tool, "bind", server.url, server.ca, str(seconds), str(CLIENTS),
                          f"uid=user00000%d,{server.user_base}", server.user_password, *search],
                         capture_output=True, text=True, check=False, timeout=seconds + 60)
    if out.returncode != 0:
        raise procs.Failed(f"ldap_bench: {out.stderr[-1000:]}")
    rate, cpu_us = out.stdout.split()
    return float(rate), float(cpu_us)


def ldap_logins(s):
    """LDAP logins by 8 clients, beside a C loop of the same binds and one RS256 signature each."""
    procs.need("h2load", "cc")
    tool, cpu_us = program(s), {"iamd": [], "search": []}
    with slapd(s) as server, iamd(s, "ldap-logins") as d:
        put(d, d.login(), "/ldap/config", server.settings())
        posts = bodies(s, d, server.user_password, range(CLIENTS), "logins")

        def logins():
            before = procs.cpu_seconds(d.process.pid)
            rate = load.posts_per_second(s.bench, d.port, LOGIN_PATH, posts, s.seconds)
            cpu_us["iamd"].append((procs.cpu_seconds(d.process.pid) - before) * 1e6 / (rate * s.seconds))
            return rate

        def search():
            rate, us = raw_logins(tool, server, s.seconds, True)
            cpu_us["search"].append(us)
            return rate

        seen = load.alternate(s.runs, iamd=logins, search=search,
                              bind=lambda: raw_logins(tool, server, s.seconds, False)[0])
    yield row("ldap_logins", seen["iamd"], "logins/s", seen["bind"], "bind + RS256 with a cached key", 0.7)
    yield row("ldap_logins_search", seen["iamd"], "logins/s", seen["search"], "search + bind + RS256")
    yield row("ldap_logins_cpu", statistics.median(cpu_us["iamd"]), "us/login", statistics.median(cpu_us["search"]),
              "search + bind + RS256, the client's alone")


def run_sync(d, token):
    """Seconds from asking for a synchronisation to its end; its report."""
    begin = time.monotonic()
    status, answer = d.call("POST", f"{DIRECTORY}/sync", {}, token)
    if status not in (200, 202, 204):
        raise procs.Failed(f"POST {DIRECTORY}/sync: {status} {answer}")
    while time.monotonic() - begin < SYNC_SECONDS:
        status, report = d.call("GET", f"{DIRECTORY}/sync", None, token)
        if status != 200:
            raise procs.Failed(f"GET {DIRECTORY}/sync: {status} {report}")
        if report["state"] == "idle":
            if report.get("error") or report.get("stopped"):
                raise procs.Failed(f"the synchronisation failed: {report}")
            return time.monotonic() - begin, report
        time.sleep(0.02)
    raise procs.Failed(f"no end of the synchronisation: {report}")


def raw_search(tool, server):
    """A paged search of all entries: (entries, seconds)."""
    out = subprocess.run([tool, "search", server.url, server.ca, server.base, server.bind_dn, server.bind_password],
                         capture_output=True, text=True, check=False, timeout=300)
    if out.returncode != 0:
        raise procs.Failed(f"ldap_bench: {out.stderr[-1000:]}")
    entries, seconds = out.stdout.split()
    return int(entries), float(seconds)


def ldap_sync(s):
    """First and second synchronisation of 100 000 users and 10 000 nested groups (a fiftieth with --quick)."""
    procs.need("cc")
    shrink = 1 if s.seconds >= 5 else 50
    tool, firsts, agains, raws = program(s), [], [], []
    with slapd(s, "--large", "--users", USERS // shrink, "--groups", GROUPS // shrink) as server:
        raw_search(tool, server)  # from the disk
        for turn in range(min(s.runs, 3)):
            entries, seconds = raw_search(tool, server)
            if entries < (USERS + GROUPS) // shrink:
                raise procs.Failed(f"slapd has {entries} entries")
            raws.append(seconds)
            with iamd(s, f"ldap-sync-{turn}") as d:
                token = d.login()
                put(d, token, DIRECTORY, server.settings(sync_scope="all", sync_interval=0))
                first, _ = run_sync(d, token)
                users, _ = d.read_all_users(token)
                if users < USERS // shrink:
                    raise procs.Failed(f"{users} users after the first synchronisation")
                again, _ = run_sync(d, token)
            firsts.append(first)
            agains.append(again)
    first, raw = statistics.median(firsts), statistics.median(raws)
    yield row("ldap_sync_first", first, "s", raw, "a bare paged search", 15, "lower", by_value=True)
    yield row("ldap_sync_first_scale", first, "s", raw, "a bare paged search", 10, "lower")
    yield row("ldap_sync_again", statistics.median(agains), "s", raw, "a bare paged search", 2, "lower", by_value=True)


@contextlib.contextmanager
def hopeless_logins(s, d, posts):
    """Clients who get no good answer, 5 times a second each where that is quick, while the block runs."""
    started = load.start_posts(s.bench, d.port, LOGIN_PATH, posts, s.seconds + 120, rate_each=5)
    time.sleep(SETTLE)
    try:
        yield
    finally:
        for process in started:
            s.bench.stop(process)
    answers = "".join(load.post_log(s.bench, body).read_text() for body in posts).splitlines()
    if any(line.split("\t")[1] == "200" for line in answers):  # none at all: all of them wait
        raise procs.Failed(f"of {len(answers)} logins at a silent directory some were good")


def ldap_silent(s):
    """p99 of decisions, of LDAP and of local logins at fixed rates while another directory is silent."""
    procs.need("h2load")
    log = s.bench.directory / "silent.log"
    with slapd(s) as server, decisions.gated(s, "ldap-silent") as g:
        d, relay = g.daemon, tcp_proxy.Proxy(server.host, int(server.port))
        try:
            put(d, g.admin, "/ldap/directories/silent",
                server.settings(relay.port, "(&(uid=%(username)s)(uid=user00001*))", login_order=1, sync_interval=0))
            lost = bodies(s, d, server.user_password, range(10, 10 + CLIENTS), "silent")
            put(d, g.admin, "/ldap/directories/good", server.settings(login_order=0, sync_interval=0))
            (there,) = bodies(s, d, server.user_password, [0], "good")
            local = s.bench.directory / "silent-local.json"
            local.write_text(json.dumps({"uid": "template", "password": daemon.PASSWORD}))
            measures = {
                "": lambda: load.p99_ms(d.port, decisions.CHECK, s.seconds, log, headers=g.headers),
                "_ldap": lambda: load.p99_ms(d.port, LOGIN_PATH, s.seconds, log, 100, body=there),
                "_local": lambda: load.p99_ms(d.port, LOGIN_PATH, s.seconds, log, 8, body=local)}

            def beside(measure):
                relay.hang()
                with hopeless_logins(s, d, lost):
                    seen = measure()
                relay.heal()
                return seen

            both = {f"quiet{n}": m for n, m in measures.items()}
            both.update({f"silent{n}": lambda m=m: beside(m) for n, m in measures.items()})
            seen = load.alternate(s.runs, **both)
        finally:
            relay.close()
    for name, what in (("", "decisions"), ("_ldap", "logins through another directory"), ("_local", "local logins")):
        yield row(f"ldap_silent_p99{name}", seen[f"silent{name}"], "ms", seen[f"quiet{name}"],
                  f"{what}, all directories there", 1.5, "lower")


ALL = {"ldap_logins": ldap_logins, "ldap_sync": ldap_sync, "ldap_silent": ldap_silent}
