"""The audit trail: a row and a line for each change and each login, nothing secret in it."""
import re
import sqlite3

import pytest

import iamd
import keys

PASSWORD = "correct horse battery"
LINE = re.compile(r'type=audit timestamp=(?P<timestamp>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) srcip=(?P<srcip>\S+) '
                  r'component=bouncer action=(?P<action>\S+) result=(?P<result>allow|deny) '
                  r'reason=(?P<reason>"(?:[^"\\]|\\.)*"|\S+)(?P<rest>.*)$', re.M)


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    daemon = iamd.Daemon(tmp_path_factory.mktemp("audit")).start()
    yield daemon
    daemon.stop()


@pytest.fixture
def trail(watched):
    """Calls a function and returns the (rows, lines) it added."""
    def settled():
        """A login's line is written at once, its row a little later."""
        (made,), = watched.sql("SELECT count(*) FROM audit WHERE actor <> 'iamd'")
        return made == len(LINE.findall(watched.log()))

    def after(act, rows=1):
        iamd.wait_until(settled, what="rows of what was before")
        last = watched.sql("SELECT coalesce(max(id), 0) FROM audit")[0][0]
        size = len(watched.log())
        act()

        def found():
            return watched.sql("SELECT action, actor, object, result, reason, source_ip, request_id FROM audit "
                               "WHERE id > ? ORDER BY id", last)

        iamd.wait_until(lambda: len(found()) >= rows, what="audit rows")
        iamd.wait_until(lambda: len(LINE.findall(watched.log()[size:])) >= rows, what=f"lines in {watched.log()[size:]}")
        return found(), [m.groupdict() for m in LINE.finditer(watched.log()[size:])]
    return after


def one(rows_and_lines):
    (row,), (line,) = rows_and_lines
    assert line["action"] == row[0] and line["result"] == row[3]
    assert line["srcip"] == row[5]
    return row, line


def test_a_good_and_a_bad_login_are_recorded(watched, trail):
    row, line = one(trail(watched.login))
    assert row[0] == "password-login" and row[1] == "bootstrapuser" and row[3] == "allow"
    assert "uid=bootstrapuser" in line["rest"]
    row, line = one(trail(lambda: watched.client().post(
        "/auth/login", {"uid": "bootstrapuser", "password": "a wrong password"})))
    assert (row[0], row[1], row[3]) == ("password-login", "bootstrapuser", "deny")
    assert line["reason"] == '"invalid password provided"'
    assert line["srcip"] == "127.0.0.1"


@pytest.mark.parametrize("name", ["unknown-user", "not a uid!", 'x" result=allow uid="root', "a\nb type=audit", "é\x1b[31m", "x" * 500])
def test_whatever_uid_is_tried_forges_no_line(watched, trail, name):
    row, line = one(trail(lambda: watched.client().post("/auth/login", {"uid": name, "password": "some password"})))
    assert row[0] == "password-login" and row[3] == line["result"] == "deny"
    assert name.startswith(row[1]) and row[1]
    assert "\x1b" not in watched.log()


def test_service_logins_are_recorded(watched, trail):
    admin = watched.superuser()
    admin.expect(201, "PUT", "/users/svc", {"public_key": keys.rsa_key().public_pem})
    rows, _ = trail(lambda: watched.client().post(
        "/auth/login", {"uid": "svc", "token": keys.rsa_key().service_token("svc")}))
    assert rows[0][0] == "service-login" and rows[0][1:4:2] == ("svc", "allow")
    rows, _ = trail(lambda: watched.client().post(
        "/auth/login", {"uid": "svc", "token": keys.rsa_key(1).service_token("svc")}))
    assert rows[0][0] == "service-login" and rows[0][1:4:2] == ("svc", "deny")


def test_each_change_is_recorded_with_its_actor(watched, trail):
    admin = watched.superuser()
    for method, path, body, action in [
            ("PUT", "/users/a1", {"password": PASSWORD}, "user-create"),
            ("PATCH", "/users/a1", {"description": "x"}, "user-update"),
            ("PATCH", "/users/a1", {"enabled": False, "password": "another password"}, "user-update"),
            ("DELETE", "/users/a1/tokens", None, "tokens-end"),
            ("DELETE", "/users/a1", None, "user-delete")]:
        row, line = one(trail(lambda m=method, p=path, b=body: admin(m, p, b) if b else admin(m, p)))
        assert row[:4] == (action, "bootstrapuser", "a1", "allow"), row
        assert row[6], "no request id"
        if body and len(body) == 2:
            assert row[4] == "password disabled", "the reason names what changed"


def test_a_wrong_current_password_is_recorded_like_a_wrong_login(watched, trail):
    watched.superuser().expect(201, "PUT", "/users/guess", {"password": PASSWORD})
    me = watched.client(watched.login("guess", PASSWORD))
    row, line = one(trail(lambda: me.patch(
        "/users/guess", {"password": "the next password", "current_password": "not the current one"})))
    assert row[:4] == ("password-change", "guess", "guess", "deny")
    assert line["reason"] == '"current password is wrong"'


def test_revocation_and_logout_are_recorded(watched, trail):
    admin = watched.superuser()
    admin.put("/users/a2", {"password": PASSWORD})
    token = watched.login("a2", PASSWORD)
    rows, _ = trail(lambda: admin.expect(204, "POST", "/auth/revoke", {"token": token}))
    assert ("token-revoke", "bootstrapuser") in [r[:2] for r in rows]
    token = watched.login("a2", PASSWORD)
    rows, _ = trail(lambda: watched.client(token).get("/auth/logout"))
    assert ("logout", "a2") in [r[:2] for r in rows]


def test_a_refused_or_failed_change_leaves_no_allow(watched):
    admin = watched.superuser()
    before = watched.sql("SELECT count(*) FROM audit WHERE result = 'allow' AND action = 'user-create'")
    assert admin.put("/users/bootstrapuser", {"password": PASSWORD}).status == 409
    assert admin.put("/users/a3", {"password": "short"}).status == 400
    assert watched.client().put("/users/a3", {"password": PASSWORD}).status == 401
    assert watched.sql("SELECT count(*) FROM audit WHERE result = 'allow' AND action = 'user-create'") == before


def test_the_source_is_what_a_trusted_proxy_forwards(watched, trail):
    def login(forwarded):
        return watched.client().post("/auth/login", {"uid": "bootstrapuser", "password": "a wrong password"},
                                     headers=[("X-Forwarded-For", forwarded)])

    assert one(trail(lambda: login("192.0.2.7")))[1]["srcip"] == "192.0.2.7"
    assert one(trail(lambda: login("10.9.9.9, 192.0.2.8")))[1]["srcip"] == "192.0.2.8"
    assert one(trail(lambda: login("2001:db8::1")))[1]["srcip"] == "2001:db8::1"
    for nonsense in ("x y=z", 'a" b', "", ",", "1.2.3.4.5", "a" * 300):
        source = one(trail(lambda n=nonsense: login(n)))[1]["srcip"]
        assert source == "127.0.0.1", nonsense


def test_a_stranger_forges_no_source(new_daemon):
    daemon = new_daemon(trusted_proxies="192.0.2.1").start()
    daemon.client().post("/auth/login", {"uid": "u", "password": "some password"},
                         headers=[("X-Forwarded-For", "192.0.2.7")])
    assert LINE.search(daemon.log())["srcip"] == "127.0.0.1"


def test_in_gateway_mode_the_actor_is_the_forwarded_token_or_unauthenticated(new_daemon):
    daemon = new_daemon(api_access="gateway").start()
    token = daemon.login()
    daemon.client(token).expect(201, "PUT", "/users/g1", {"password": PASSWORD})
    daemon.client("forged.token.x").expect(201, "PUT", "/users/g2", {"password": PASSWORD})
    daemon.client().expect(201, "PUT", "/users/g3", {"password": PASSWORD})
    rows = dict(daemon.sql("SELECT object, actor FROM audit WHERE action = 'user-create' AND object LIKE 'g_'"))
    assert rows == {"g1": "bootstrapuser", "g2": "unauthenticated", "g3": "unauthenticated"}


def test_an_acknowledged_change_has_its_row_after_kill_9(new_daemon):
    daemon = new_daemon().start()
    daemon.superuser().expect(201, "PUT", "/users/k1", {"password": PASSWORD})
    daemon.kill()
    db = sqlite3.connect(daemon.database)
    try:
        assert db.execute("SELECT count(*) FROM audit WHERE object = 'k1' AND action = 'user-create'").fetchone() == (1,)
    finally:
        db.close()


def test_a_log_line_is_one_line_with_time_level_and_event(watched):
    for line in watched.log().splitlines():
        assert re.match(r"(time=\S+ level=\w+ event=\S+|type=audit |.*type=audit )", line), line
