"""What the tests of directory logins share."""
import base64
import json
import time

PATIENT = {"connect": 10, "operation": 10, "search": 30}  # a machine that does something else as well
WRONG = "Wr0ng-passw0rd"  # found in no text by chance


def configure(admin, directory, name="default", **more):
    """Stores a directory's configuration; `directory` is a directories.Directory or a ready object."""
    config = directory if isinstance(directory, dict) else directory.config(**more)
    path = "/ldap/config" if name == "default" and not BEYOND & set(config) else f"/ldap/directories/{name}"
    answer = admin.put(path, config)
    assert answer.status in (200, 201, 204), answer
    return config


# Members that /ldap/config does not take.
BEYOND = {"servers", "uid-attribute", "description-attribute", "email-attribute", "timeouts", "sync-interval",
          "login-order", "allow-cleartext", "nested-groups"}


def login(daemon, uid, password, **kw):
    return daemon.client().post("/auth/login", {"uid": uid, "password": password}, **kw)


def uid_of(answer):
    """Whom the token is for."""
    assert answer.status == 200, answer
    part = answer.json()["token"].split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))["uid"]


def without_date(answer):
    return (answer.status, [h for h in answer.headers if h[0] not in ("date", "x-request-id")], answer.body)


def timed(call, *args, **kw):
    begin = time.monotonic()
    return call(*args, **kw), time.monotonic() - begin


def bindings(daemon):
    """{uid: (directory, subject)}"""
    return {uid: (directory, subject) for uid, directory, subject in
            daemon.sql("SELECT uid, directory, subject FROM directory_users")}


def last_login(daemon, uid):
    """(result, reason) of the last ldap-login row of that name; rows come behind the answer."""
    rows = daemon.sql("SELECT result, reason FROM audit WHERE action = 'ldap-login' AND actor = ? ORDER BY id DESC", uid)
    return rows[0] if rows else None


def assert_said(daemon, uid, result, *reasons):
    """What the directories said of the last login by that name, within a while."""
    deadline = time.monotonic() + 10
    while (last := last_login(daemon, uid)) not in [(result, r) for r in reasons]:
        assert time.monotonic() < deadline, f"{uid}: {last}, not {result} {reasons}"
        time.sleep(0.05)
