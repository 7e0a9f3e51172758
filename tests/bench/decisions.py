"""Figures of decisions and of what changes them: forward-auth, grants, the large model."""
import contextlib
import http.client
import json
import pathlib
import shutil
import sqlite3
import statistics
import subprocess
import threading
import time

import daemon
import load
import peers
import procs
from rows import row

HERE = pathlib.Path(__file__).resolve().parent
CHECK = daemon.API + "/auth/check"
RID = "dcos:adminrouter:service:bench"
ORIGINAL = {"X-Original-Method": "GET", "X-Original-URI": "/service/bench/page"}
USERS, ACLS = 2000, 400  # what the grants of `grants` are made of


class Gated:
    """A daemon with one user who may use one service; the user's token."""

    def __init__(self, s, name, **seed):
        self.daemon = daemon.Daemon(s.bench, s.binary, name)
        self.daemon.start()
        self.admin = self.daemon.login()
        self.daemon.add_user(self.admin, "template", password=daemon.PASSWORD)
        self.token = self.daemon.login("template")
        self.put(f"/acls/{RID}", {"description": "bench"}, 201)
        self.put(f"/acls/{RID}/users/template/full", None, 204)
        if seed:
            self.daemon.stop()
            seed_links(self.daemon.directory / "state" / "iamd.db", **seed)
            self.daemon.start()

    def put(self, path, body, wanted):
        status, answer = self.daemon.call("PUT", path, body, self.admin)
        if status != wanted:
            raise procs.Failed(f"PUT {path}: {status} {answer}")

    @property
    def headers(self):
        return {"Authorization": f"token={self.token}", **ORIGINAL}

    def sees(self, wanted):
        status, _, _ = procs.get(self.daemon.port, CHECK, self.headers)
        if status != wanted:
            raise procs.Failed(f"{CHECK}: {status}, not {wanted}")


def seed_links(database, users, acls):
    """Users and ACLs by SQL into a stopped daemon's database: what grants need to exist."""
    db = sqlite3.connect(database)
    try:
        columns = [r[1] for r in db.execute("PRAGMA table_info(users)")]
        template = dict(zip(columns, db.execute(
            f"SELECT {', '.join(columns)} FROM users WHERE uid = 'template'").fetchone()))
        (gen,) = db.execute("SELECT value FROM counters WHERE name = 'gen'").fetchone()
        db.executemany(
            f"INSERT INTO users ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",
            ([{**template, "id": gen + 1 + i, "gen": gen + 1 + i, "uid": f"u{i}"}[c] for c in columns]
             for i in range(users)))
        db.execute("UPDATE counters SET value = ? WHERE name = 'gen'", (gen + users,))
        acl_columns = [r[1] for r in db.execute("PRAGMA table_info(acls)") if r[1] != "id"]
        rows = [{"rid": f"bench:{i}", "description": "", "description_folded": "",
                 "rid_folded": f"bench:{i}"} for i in range(acls)]
        db.executemany(
            f"INSERT INTO acls ({', '.join(acl_columns)}) VALUES ({', '.join('?' * len(acl_columns))})",
            ([r[c] for c in acl_columns] for r in rows))
        db.commit()
    finally:
        db.close()


@contextlib.contextmanager
def gated(s, name, **seed):
    g = Gated(s, name, **seed)
    try:
        g.sees(200)
        yield g
    finally:
        if g.daemon.process is not None:
            g.daemon.stop()


def auth_check(s):
    """GET /auth/check with a valid token over 64 keep-alive connections, beside nginx return 204."""
    procs.need("wrk", "nginx")
    with gated(s, "check") as g:
        nginx, iamd = peers.NoContent(s.bench, "check-nginx"), g.daemon
        seen, cpu_us = load.alternate_with_cpu(
            s.runs,
            iamd=lambda: load.wrk_and_cpu(iamd.process, iamd.port, CHECK, s.seconds, headers=g.headers),
            nginx=lambda: load.wrk_and_cpu(nginx.process, nginx.port, CHECK, s.seconds, headers=g.headers))
        nginx.stop()
    yield row("auth_check", seen["iamd"], "requests/s", seen["nginx"], "nginx return 204", 0.8)
    yield row("auth_check_cpu", cpu_us["iamd"], "us/request", cpu_us["nginx"], "nginx, user and system time")


def auth_request(s):
    """nginx auth_request asking iamd, beside nginx auth_request asking nginx return 204."""
    procs.need("wrk", "nginx")
    with gated(s, "request") as g:
        static = peers.NoContent(s.bench, "request-static")
        asks_iamd = peers.AuthRequest(s.bench, "asks-iamd", g.daemon.port)
        asks_nginx = peers.AuthRequest(s.bench, "asks-nginx", static.port)
        headers = {"Authorization": f"token={g.token}"}
        path = "/service/bench/page"
        seen = load.alternate(
            s.runs,
            iamd=lambda: load.wrk(asks_iamd.port, path, s.seconds, headers=headers),
            nginx=lambda: load.wrk(asks_nginx.port, path, s.seconds, headers=headers))
        for server in (asks_iamd, asks_nginx, static):
            server.stop()
    yield row("auth_request", seen["iamd"], "requests/s", seen["nginx"], "the same asking nginx return 204", 0.85)


GRANTS_LUA = """
local token, users, acls, shift = "%s", %d, %d, %d
local threads = 0
function setup(thread) thread:set("number", threads); threads = threads + 1 end
function init() at = shift + number * users * acls / 2 end
function request()
    at = at + 1
    local user, acl = at %% users, math.floor(at / users) %% acls
    local action = ({"create", "read", "update", "delete", "full"})[math.floor(at / users / acls) %% 5 + 1]
    return wrk.format("PUT", string.format("%s/acls/bench:%%d/users/u%%d/%%s", acl, user, action),
        {["Authorization"] = "token=" .. token, ["Content-Length"] = "0"})
end
"""


class Grants:
    """Grants that nobody made yet, by wrk; each run goes on where the last ended."""

    def __init__(self, s, g):
        self.s, self.g, self.runs = s, g, 0
        self.script = s.bench.directory / "grants.lua"

    def write_script(self):
        self.script.write_text(GRANTS_LUA % (
            self.g.admin, USERS, ACLS, self.runs * USERS * ACLS // 8, daemon.API))
        self.runs += 1

    def per_second(self, connections=16):
        self.write_script()
        return load.wrk(self.g.daemon.port, "/", self.s.seconds, connections, script=self.script)


def grants(s):
    """Durable grants/s through the API over 16 connections, beside raw SQLite with one commit each."""
    procs.need("wrk", "cc")
    program = peers.compile_c(s.bench, HERE / "sqlite_bench.c", "sqlite_bench", ["-lsqlite3"])
    with gated(s, "grants", users=USERS, acls=ACLS) as g:
        state = g.daemon.directory / "state"
        work = Grants(s, g)
        raw_file = s.bench.directory / "raw.db"

        def raw():
            source = sqlite3.connect(state / "iamd.db")
            target = sqlite3.connect(raw_file)
            source.backup(target)
            source.close()
            target.close()
            out = subprocess.run([program, raw_file, str(s.seconds)], capture_output=True, text=True,
                                 check=True, timeout=s.seconds + 120).stdout
            for suffix in ("", "-wal", "-shm"):
                raw_file.with_name(raw_file.name + suffix).unlink(missing_ok=True)
            return float(out)

        seen = load.alternate(s.runs, iamd=work.per_second, raw=raw)
    yield row("grants", seen["iamd"], "grants/s", seen["raw"], "raw SQLite, one commit each", 2)


def _grant_at(g, rate, stop, progress):
    """`rate` grants and revocations a second over 4 connections until stop is set, on from `progress`."""
    made = []

    def work(number):
        connection = http.client.HTTPConnection(procs.HOST, g.daemon.port, timeout=30)
        headers = {"Authorization": f"token={g.admin}", "Content-Length": "0"}
        begin, done = time.monotonic(), 0
        while not stop.is_set():
            wait = begin + done / (rate / 4) - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            at = progress[number]
            method = "PUT" if at // USERS % 2 == 0 else "DELETE"
            connection.request(method, f"{daemon.API}/acls/bench:{number}/users/u{at % USERS}/read",
                               headers=headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 204:
                raise procs.Failed(f"grant: {answer.status}")
            progress[number] += 1
            done += 1
        made.append(done / (time.monotonic() - begin))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    return threads, made


def decision_p99(s):
    """p99 of a decision at 500/s while 8 clients log in and 1 000 grants/s are written."""
    procs.need("h2load")
    log = s.bench.directory / "decisions.log"
    rates, progress = [], [0] * 4
    with gated(s, "p99", users=USERS, acls=ACLS) as g:
        bodies = []
        for i in range(8):
            g.daemon.add_user(g.admin, f"login-{i}", password=daemon.PASSWORD)
            body = s.bench.directory / f"p99-login-{i}.json"
            body.write_text(json.dumps({"uid": f"login-{i}", "password": daemon.PASSWORD}))
            bodies.append(body)

        def quiet():
            return load.p99_ms(g.daemon.port, CHECK, s.seconds, log, headers=g.headers)

        def busy():
            stop = threading.Event()
            with load.posts_beside(s.bench, g.daemon.port, daemon.API + "/auth/login", bodies, s.seconds):
                threads, made = _grant_at(g, 1000, stop, progress)
                try:
                    return quiet()
                finally:
                    stop.set()
                    for t in threads:
                        t.join()
                    rates.append(sum(made))

        seen = load.alternate(s.runs, busy=busy, quiet=quiet)
    yield row("decision_p99", seen["busy"], "ms", seen["quiet"], "the same without logins and grants", 5, "lower",
              by_value=True)
    yield row("decision_p99_grants", statistics.median(rates), "grants/s", 1000, "asked for")


def visible(s):
    """Grants and removals that the very next decision did not see, of 100 000 (fewer with --quick)."""
    total = 100_000 if s.seconds >= 5 else 2_000
    workers, wrong = 16, []
    with gated(s, "visible", users=USERS, acls=ACLS) as g:

        def work(number):
            connection = http.client.HTTPConnection(procs.HOST, g.daemon.port, timeout=30)

            def ask(method, path, headers):
                connection.request(method, path, headers=headers)
                answer = connection.getresponse()
                body = answer.read()
                return answer.status, body

            admin = {"Authorization": f"token={g.admin}", "Content-Length": "0"}
            for i in range(total // workers):
                method = "PUT" if i % 2 == 0 else "DELETE"
                status, _ = ask(method, f"{daemon.API}/acls/bench:{number}/users/u{number}/read", admin)
                if status != 204:
                    wrong.append((method, status))
                _, body = ask(
                    "GET", f"{daemon.API}/internal/policyquery?rid=bench:{number}&uid=u{number}&action=read",
                    {"Authorization": f"token={g.admin}"})
                if json.loads(body)["allowed"] != (i % 2 == 0):
                    wrong.append((method, body))

        threads = [threading.Thread(target=work, args=(n,)) for n in range(workers)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    yield row("visible", len(wrong), f"of {total // workers * workers}", None, "", 0, "lower", by_value=True)


LARGE_USERS, LARGE_GROUPS, LARGE_GRANTS = 1_000_000, 100_000, 5_000_000


def seed_large(database, users, groups, grants_):
    """The large model by SQL: 3 groups a user, half of the groups nested up to 4 deep."""
    db = sqlite3.connect(database, isolation_level=None)
    db.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -400000;"
                     "PRAGMA foreign_keys = OFF; PRAGMA locking_mode = EXCLUSIVE; BEGIN")
    columns = [r[1] for r in db.execute("PRAGMA table_info(users)")]
    template = dict(zip(columns, db.execute(
        f"SELECT {', '.join(columns)} FROM users WHERE uid = 'template'").fetchone()))
    (gen,) = db.execute("SELECT value FROM counters WHERE name = 'gen'").fetchone()
    db.executemany(
        f"INSERT INTO users ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",
        ([{**template, "id": gen + 1 + i, "gen": gen + 1 + i, "uid": f"user-{i:07d}"}[c] for c in columns]
         for i in range(users)))
    db.execute("UPDATE counters SET value = ? WHERE name = 'gen'", (gen + users,))
    seed_named(db, "groups", "gid", (f"group-{i:06d}" for i in range(groups)), {"provider_type": "internal"})
    resources = grants_ // 50
    seed_named(db, "acls", "rid", (f"dcos:service:{i:06d}" for i in range(resources)), {})
    db.executemany("INSERT OR IGNORE INTO group_members (gid, uid) VALUES (?, ?)",
                   ((f"group-{(i * 7919 + k * 31337) % groups:06d}", f"user-{i:07d}")
                    for i in range(users) for k in range(3)))
    db.executemany("INSERT OR IGNORE INTO group_nesting (gid, sub_gid) VALUES (?, ?)",
                   ((f"group-{i - i % 4 + (i % 4) - 1:06d}", f"group-{i:06d}")
                    for i in range(groups) if i % 4 != 0 and i % 8 < 4))
    half = grants_ // 2
    db.executemany("INSERT OR IGNORE INTO user_grants (uid, rid, action) VALUES (?, ?, ?)",
                   ((f"user-{i * 104729 % users:07d}", f"dcos:service:{(i * 31 + i // users) % resources:06d}", i % 5)
                    for i in range(half)))
    db.executemany("INSERT OR IGNORE INTO group_grants (gid, rid, action) VALUES (?, ?, ?)",
                   ((f"group-{i * 7907 % groups:06d}", f"dcos:service:{(i * 37 + i // groups) % resources:06d}", i % 5)
                    for i in range(half)))
    db.execute("COMMIT")
    db.close()


def seed_named(db, table, key, ids, more):
    """Rows of groups or acls; columns that are folded texts or numbers of the search are filled too."""
    columns = [r[1] for r in db.execute(f"PRAGMA table_info({table})")]

    def value(column, name, number):
        fixed = {key: name, "description": "", "description_folded": "", f"{key}_folded": name,
                 "id": 1_000_000 + number, **more}
        return fixed[column]

    db.executemany(
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",
        ([value(c, name, number) for c in columns] for number, name in enumerate(ids)))


def large(s):
    """Start and memory with 1 000 000 users, 100 000 groups, 5 000 000 grants (a hundredth with --quick)."""
    shrink = 1 if s.seconds >= 5 else 100
    with gated(s, "large") as g:
        g.daemon.stop()
        seed_large(g.daemon.directory / "state" / "iamd.db", LARGE_USERS // shrink, LARGE_GROUPS // shrink,
                   LARGE_GRANTS // shrink)
        seconds = [g.daemon.start()]
        for _ in range(2):
            g.daemon.stop()
            seconds.append(g.daemon.start())
        g.sees(200)
        time.sleep(1.5)
        memory = procs.memory_kib(g.daemon.process.pid)
        g.daemon.stop()
        size = sum(f.stat().st_size for f in (g.daemon.directory / "state").glob("iamd.db*"))
        shutil.rmtree(g.daemon.directory / "state")
    yield row("start_large", statistics.median(seconds), "s", None, "", 6, "lower", by_value=True)
    yield row("rssanon_large", memory["RssAnon"] * 1024 / 1e6, "MB", size / 1e6, "the database file", 600, "lower",
              by_value=True)


ALL = {"auth_check": auth_check, "auth_request": auth_request, "grants": grants, "decision_p99": decision_p99,
       "visible": visible, "large": large}
