"""C6: kill -9 in the middle of writes loses no acknowledged change; a full disk stops changes alone."""
import os
import random
import subprocess
import threading
import time

import pytest

import iamd

PASSWORD = "correct horse battery"
ROUNDS = 200 if os.environ.get("IAMD_TEST_LONG") == "1" else 20


class Writer(threading.Thread):
    """Creates, changes and deletes users of its own until the daemon is gone; notes what was acknowledged."""

    def __init__(self, daemon, token, prefix):
        super().__init__()
        self.client = daemon.client(token)
        self.prefix = prefix
        self.known = {}      # uid: description that was acknowledged
        self.unclear = {}    # uid: what an unanswered request would have made of it (None: gone)
        self.answers = []

    def attempt(self, uid, wanted, method, body, expected):
        self.unclear[uid] = wanted
        answer = (self.client(method, f"/users/{uid}", body) if body is not None
                  else self.client(method, f"/users/{uid}"))
        if answer.status == 503:  # refused, not done; the unclear one stays unclear
            return
        self.answers.append((answer.status, expected))
        del self.unclear[uid]
        if wanted is None:
            self.known.pop(uid)
        else:
            self.known[uid] = wanted

    def run(self):
        number = 0
        try:
            while True:
                number += 1
                uid = f"{self.prefix}-{number}"
                self.attempt(uid, "made", "PUT", {"password": PASSWORD, "description": "made"}, 201)
                if number % 3 == 0:
                    self.attempt(uid, "changed", "PATCH", {"description": "changed"}, 204)
                if number % 5 == 0:
                    self.attempt(uid, None, "DELETE", None, 204)
        except (AssertionError, OSError):
            pass  # no answer: the daemon was killed


def test_c6_after_kill_9_each_acknowledged_change_is_there(new_daemon):
    daemon = new_daemon().start()
    token = daemon.login()
    acknowledged = 0
    for round_ in range(ROUNDS):
        writers = [Writer(daemon, token, f"r{round_}w{i}") for i in range(4)]
        for w in writers:
            w.start()
        time.sleep(random.uniform(0.02, 0.25))
        daemon.kill()
        for w in writers:
            w.join(30)
        daemon.start()
        assert daemon.sql("PRAGMA integrity_check") == [("ok",)]
        assert daemon.sql("PRAGMA foreign_key_check") == []
        stored = dict(daemon.sql("SELECT uid, description FROM users WHERE uid LIKE ?", f"r{round_}w%"))
        for w in writers:
            assert all(got == expected for got, expected in w.answers), w.answers
            for uid, description in w.known.items():
                if uid not in w.unclear:
                    assert stored.get(uid) == description, f"round {round_}: {uid} was acknowledged and is lost"
                    acknowledged += 1
            mine = {u for u in stored if u.startswith(w.prefix + "-")}
            assert mine <= set(w.known) | set(w.unclear), f"round {round_}: what was never asked for, or is deleted"
    assert acknowledged >= ROUNDS, "the rounds ended before they wrote anything"
    assert daemon.client(token).get("/users/bootstrapuser").status == 200


def test_c6_an_ended_token_stays_ended_after_kill_9(new_daemon):
    daemon = new_daemon().start()
    admin = daemon.superuser()
    admin.expect(201, "PUT", "/users/u", {"password": PASSWORD})
    for act in ("revoke", "end", "disable"):
        token = daemon.login("u", PASSWORD)
        if act == "revoke":
            admin.expect(204, "POST", "/auth/revoke", {"token": token})
        elif act == "end":
            admin.expect(204, "DELETE", "/users/u/tokens")
        else:
            admin.expect(204, "PATCH", "/users/u", {"enabled": False})
        daemon.kill()
        daemon.start()
        assert daemon.client(token).get("/users/u").status == 401


def toggle(client, target, acknowledged):
    """Grants and takes away in turn until the daemon is gone; a list of what was acknowledged, and what was not."""
    try:
        while True:
            wanted = not acknowledged[-1]
            acknowledged.append(None)  # unclear
            assert client("PUT" if wanted else "DELETE", target).status == 204
            acknowledged[-1] = wanted
    except (AssertionError, OSError):
        pass


def test_c6_grants_are_decided_after_kill_9_as_they_were_acknowledged(new_daemon):
    daemon = new_daemon(api_access="gateway").start()
    gw = daemon.client()
    names = [f"u{i}" for i in range(4)]
    for n in names:
        gw.expect(201, "PUT", f"/users/{n}", {"password": PASSWORD})
    for rid in ("app:a", "app:b"):
        gw.expect(201, "PUT", f"/acls/{rid}", {"description": ""})
    pairs = [(n, rid) for n in names for rid in ("app:a", "app:b")]
    state = {p: [False] for p in pairs}
    for _ in range(ROUNDS // 2):
        threads = [threading.Thread(target=toggle, args=(daemon.client(), f"/acls/{rid}/users/{n}/full", state[n, rid]))
                   for n, rid in pairs]
        for t in threads:
            t.start()
        time.sleep(random.uniform(0.02, 0.25))
        daemon.kill()
        for t in threads:
            t.join(30)
        daemon.start()
        for (n, rid), history in state.items():
            stored = gw.get(f"/acls/{rid}/users/{n}/full").json()["allowed"]
            decided = gw.get(f"/internal/policyquery?rid={rid}&uid={n}&action=read").json()["allowed"]
            assert stored == decided
            if history[-1] is not None:
                assert stored == history[-1], f"{n} on {rid}: an acknowledged change is lost"
            assert len(history) > 1
            state[n, rid] = [stored]


def test_a_database_killed_while_it_is_made_is_made_again(new_daemon):
    for number in range(5):
        daemon = new_daemon(f"young{number}")
        daemon.start(wait=False)
        time.sleep(0.004 * (number + 1))
        daemon.kill()
        daemon.start()
        assert daemon.login()


# -- a full disk

@pytest.fixture
def small_disk(tmp_path):
    """A file system of 6 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m,mode=0700", "none", str(place)],
                          capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"mount is not permitted here: {done.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def fill(place):
    with open(place / "filler", "wb", buffering=0) as f:
        try:
            while f.write(bytes(65536)):
                pass
        except OSError:
            pass
        try:
            while f.write(b"\0" * 512):
                pass
        except OSError:
            pass


def test_on_a_full_disk_changes_are_503_and_logins_go_on(small_disk, new_daemon):
    daemon = new_daemon(state_dir=small_disk / "state")
    daemon.state_dir = small_disk / "state"
    daemon.start()
    admin = daemon.superuser()
    admin.expect(201, "PUT", "/users/before", {"password": PASSWORD})
    fill(small_disk)
    acknowledged = []
    for number in range(1500):
        answer = admin.put(f"/users/u{number}", {"password": PASSWORD, "description": "x" * 3000})
        if answer.status == 503:
            break
        assert answer.status == 201
        acknowledged.append(f"u{number}")
    else:
        raise AssertionError("the disk never filled")
    assert answer.code == "ERR_UNAVAILABLE"
    assert answer.header("retry-after")
    for method, path, body in [("PUT", "/users/more", {"password": PASSWORD, "description": "x" * 3000}),
                               ("PATCH", "/users/before", {"description": "x" * 3000}),
                               ("DELETE", "/users/before", None), ("DELETE", "/users/before/tokens", None)]:
        answer = admin(method, path, body) if body else admin(method, path)
        assert answer.status in (503, 201, 204), answer  # room may be left for a small one
    # logins, tokens and reading go on
    for _ in range(5):
        token = daemon.login()
        assert daemon.client(token).get("/users/bootstrapuser").status == 200
    assert daemon.client().post("/auth/login", {"uid": "bootstrapuser", "password": "wrong one"}).status == 401
    assert admin.get("/users").status == 200
    assert daemon.client().get("/auth/jwks").status == 200
    listed = {u["uid"] for u in admin.get("/users").json()["array"]}
    assert set(acknowledged) <= listed
    assert answer.status == 204 or "before" in listed
    # and it recovers by itself
    (small_disk / "filler").unlink()
    iamd.wait_until(lambda: admin.put("/users/after", {"password": PASSWORD}).status in (201, 409), what="recovery")
    assert daemon.login("after", PASSWORD)
    daemon.restart()
    assert daemon.sql("PRAGMA integrity_check") == [("ok",)]
    listed = {u["uid"] for u in daemon.superuser().get("/users").json()["array"]}
    assert set(acknowledged) | {"after"} <= listed


def test_a_full_disk_leaves_no_partial_change(small_disk, new_daemon):
    daemon = new_daemon(state_dir=small_disk / "state")
    daemon.state_dir = small_disk / "state"
    daemon.start()
    admin = daemon.superuser()
    fill(small_disk)
    refused = []
    for number in range(1500):
        if admin.put(f"/users/u{number}", {"password": PASSWORD, "description": "x" * 3000}).status == 503:
            refused.append(f"u{number}")
            if len(refused) == 5:
                break
    for uid in refused:
        assert admin.get(f"/users/{uid}").code == "ERR_UNKNOWN_USER_ID"
        assert daemon.client().post("/auth/login", {"uid": uid, "password": PASSWORD}).status == 401
    (small_disk / "filler").unlink()
    assert daemon.sql("SELECT count(*) FROM audit WHERE action = 'user-create' AND object IN (%s)"
                      % ",".join(f"'{u}'" for u in refused)) == [(0,)]
