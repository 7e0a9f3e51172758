"""iamd as an operator runs it: default parameters, a buffered access log, a state directory."""
import http.client
import json
import os
import pathlib
import sqlite3
import subprocess
import time

import procs

ROOT = pathlib.Path(__file__).resolve().parents[2]
API = "/acs/api/v1"
JWKS = API + "/auth/jwks"
SUPERUSER, PASSWORD = "bench-admin", "correct horse battery staple"


def find_binary(given=None):
    """The one named, IAMD_BIN, or an optimised build of this tree."""
    places = [given or os.environ.get("IAMD_BIN")]
    if places == [None]:
        places = [ROOT / d / "iamd" / "iamd" for d in ("build-release", "build-check/release", "build")]
    for place in places:
        if os.access(place, os.X_OK):
            return pathlib.Path(place)
    raise procs.Failed(f"no iamd at {' or '.join(map(str, places))}: build it (tools/quickstart) "
                       "or set IAMD_BIN")


class Daemon:
    def __init__(self, bench, binary, name="iamd"):
        self.bench, self.binary, self.name = bench, binary, name
        self.directory = bench.directory / name
        self.directory.mkdir()
        self.port = procs.free_port()
        self.process = None
        digest = subprocess.run([binary, "--hash-password"], input=PASSWORD.encode(),
                                capture_output=True, check=True,
                                env=procs.ENVIRONMENT, timeout=30).stdout.decode().strip()
        self.config = self.directory / "iamd.conf"
        self.config.write_text(
            f"state_dir = {self.directory / 'state'}\n"
            f"listen = {procs.HOST}:{self.port}\n"
            f"access_log = {self.directory / 'access.log'}\n"
            f"superuser_username = {SUPERUSER}\n"
            f"superuser_password_hash = {digest}\n")

    def start(self):
        """Seconds from exec to the first answer."""
        begin = time.monotonic()
        self.process = self.bench.start([self.binary, "--config", self.config], self.name)
        try:
            procs.wait_for_answer(self.port, JWKS, self.process, "iamd")
        except procs.Failed as e:
            raise procs.Failed(f"{e}\n{self.bench.log(self.name)}") from None
        return time.monotonic() - begin

    def stop(self):
        status = self.bench.stop(self.process)
        self.process = None
        if status != 0:
            raise procs.Failed(f"iamd ended with {status}\n{self.bench.log(self.name)}")

    def call(self, method, path, body=None, token=None):
        """One request with a JSON body: (status, decoded answer or None)."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if token is not None:
            headers["Authorization"] = f"token={token}"
        connection = http.client.HTTPConnection(procs.HOST, self.port, timeout=60)
        try:
            connection.request(method, API + path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        is_json = text and "json" in answer.getheader("Content-Type", "")
        return answer.status, json.loads(text) if is_json else None

    def login(self, uid=SUPERUSER, password=PASSWORD):
        status, answer = self.call("POST", "/auth/login", {"uid": uid, "password": password})
        if status != 200:
            raise procs.Failed(f"login of {uid}: {status} {answer}")
        return answer["token"]

    def add_user(self, token, uid, **fields):
        status, answer = self.call("PUT", f"/users/{uid}", {"description": f"Bench user {uid}", **fields}, token)
        if status != 201:
            raise procs.Failed(f"creating {uid}: {status} {answer}")

    def read_all_users(self, token):
        """A full GET /users, read and dropped in pieces: (users seen, bytes)."""
        connection = http.client.HTTPConnection(procs.HOST, self.port, timeout=120)
        users = size = 0
        tail = b""
        try:
            connection.request("GET", API + "/users", headers={"Authorization": f"token={token}"})
            answer = connection.getresponse()
            if answer.status != 200:
                raise procs.Failed(f"GET /users: {answer.status}")
            while piece := answer.read(1 << 16):
                text = tail + piece
                users += text.count(b'"uid"')
                tail = text[-4:]  # shorter than what is counted: never counted twice
                size += len(piece)
        finally:
            connection.close()
        return users, size

    def seed(self, count, template):
        """count copies of the stored user `template`, by SQL, into the stopped daemon's database."""
        database = sqlite3.connect(self.directory / "state" / "iamd.db")
        try:
            columns = [row[1] for row in database.execute("PRAGMA table_info(users)")]  # no generated ones
            row = dict(zip(columns, database.execute(
                f"SELECT {', '.join(columns)} FROM users WHERE uid = ?", (template,)).fetchone()))
            (last,) = database.execute("SELECT value FROM counters WHERE name = 'gen'").fetchone()
            database.executemany(
                f"INSERT INTO users ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",
                (self._copy(row, columns, last + 1 + i, i) for i in range(count)))
            database.execute("UPDATE counters SET value = ? WHERE name = 'gen'", (last + count,))
            database.execute(
                "INSERT INTO user_search (rowid, uid_folded, description_folded) "
                "SELECT id, uid_folded, description_folded FROM users WHERE id > ?", (last,))
            database.commit()
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            database.close()

    @staticmethod
    def _copy(row, columns, gen, number):
        description = f"Seeded user number {number}"
        own = {"id": gen, "gen": gen, "uid": f"seeded-{number:07d}", "description": description,
               "description_folded": description.lower()}
        return [own.get(c, row[c]) for c in columns]
