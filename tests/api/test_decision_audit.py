"""The audit of decisions: refused calls of iamd's own interface, merged, stored, trimmed, flushed at a stop."""
import re
import signal
import threading

import pytest

import iamd
import wire

PASSWORD = "correct horse battery"
LINE = re.compile(r'^type=audit timestamp=(?P<timestamp>\S+Z) srcip=(?P<srcip>\S+) authorizer=bouncer uid=(?P<uid>\S+) '
                  r'action=(?P<action>"(?:[^"\\]|\\.)*"|\S+) object=(?P<object>"(?:[^"\\]|\\.)*"|\S+) result=(?P<result>allow|deny) '
                  r'reason=(?P<reason>"(?:[^"\\]|\\.)*"|\S+)(?: count=(?P<count>\d+))? request=(?P<request>\S+)$', re.M)


def lines(daemon, **wanted):
    return [m for m in LINE.finditer(daemon.log()) if all(m[k] == v for k, v in wanted.items())]


def total(daemon, **wanted):
    return sum(int(m["count"] or 1) for m in lines(daemon, **wanted))


@pytest.fixture
def daemon(new_daemon):
    d = new_daemon().start()
    d.superuser().expect(201, "PUT", "/users/eve", {"password": PASSWORD})
    d.superuser().expect(201, "PUT", "/users/bob", {"password": PASSWORD})
    return d


@pytest.fixture
def eve(daemon):
    return daemon.client(daemon.login("eve", PASSWORD))


def test_a_refused_call_is_a_line_and_a_row(daemon, eve):
    answer = eve.expect(403, "GET", "/users/bob")
    assert answer.code == "ERR_FORBIDDEN"
    iamd.wait_until(lambda: lines(daemon), what="the line")
    (line,) = lines(daemon)
    assert (line["uid"], line["object"], line["result"], line["srcip"]) == ("eve", "bob", "deny", "127.0.0.1")
    assert line["action"] == '"GET /acs/api/v1/users/{uid}"' and line["reason"] == "no-grant"
    iamd.wait_until(lambda: daemon.sql("SELECT 1 FROM audit WHERE action LIKE 'GET %'"), what="the row")
    (row,) = daemon.sql("SELECT action, actor, object, result, reason, source_ip, request_id FROM audit "
                        "WHERE action LIKE 'GET %'")
    assert row == ("GET /acs/api/v1/users/{uid}", "eve", "bob", "deny", "no-grant", "127.0.0.1", line["request"])


def test_equal_refusals_of_a_second_are_one_line_with_a_count(daemon, eve):
    for _ in range(50):
        eve.expect(403, "DELETE", "/users/bob")
    iamd.wait_until(lambda: total(daemon, uid="eve") == 50, what="50 refusals counted")
    assert len(lines(daemon, uid="eve")) <= 10, "fifty calls, some seconds at most"
    reasons = [r for (r,) in daemon.sql("SELECT reason FROM audit WHERE action LIKE 'DELETE %'")]
    counts = [int(m[1]) if (m := re.fullmatch(r"no-grant \((\d+) times\)", r)) else 1 for r in reasons]
    assert sum(counts) <= 50 and len(reasons) <= 10


def test_a_cross_site_call_is_audited_as_such(daemon):
    browser = daemon.client(cookie=daemon.login("eve", PASSWORD))
    answer = browser("PATCH", "/users/eve", {"description": "x"}, headers=[("Sec-Fetch-Site", "cross-site")])
    assert (answer.status, answer.code) == (403, "ERR_CROSS_SITE")
    iamd.wait_until(lambda: lines(daemon, uid="eve", reason="cross-site"), what="the line")


def test_what_is_allowed_or_not_authenticated_is_no_refusal(daemon, eve):
    daemon.superuser().expect(200, "GET", "/users/bob")
    eve.expect(200, "GET", "/users/eve")
    daemon.client().expect(401, "GET", "/users/bob")
    daemon.stop()
    assert not lines(daemon)


def test_a_stop_writes_what_is_queued(daemon, eve):
    eve.expect(403, "GET", "/users/bob")
    daemon.stop()
    assert total(daemon, uid="eve", object="bob") == 1
    assert daemon.sql("SELECT count(*) FROM audit WHERE actor = 'eve' AND object = 'bob'") == [(1,)]


@pytest.mark.parametrize("name", ["x%22%20result=allow%20uid=%22root", "%C3%A9", "a%0Atype=audit", "x" * 3000])
def test_no_id_forges_a_line(daemon, eve, name):
    answer = eve("GET", f"/users/{name}")
    assert answer.status == 403
    iamd.wait_until(lambda: len(lines(daemon, uid="eve")) == 1, what="one line")
    assert "uid=root" not in LINE.sub("", daemon.log())
    assert daemon.log().count("authorizer=bouncer") == 1


def test_more_than_fit_are_counted_and_told_of_while_calls_go_on(daemon):
    """Two connections send pipelined refusals about objects nobody else names."""
    token = daemon.login("eve", PASSWORD)
    wanted = 12000

    def flood(part):
        with wire.Connection(daemon.address) as c:
            for begin in range(0, wanted // 2, 500):
                c.send(b"".join(wire.request_bytes("GET", f"{wire.API}/users/{part}-{begin + i}", [("Authorization", f"token={token}")])
                                for i in range(500)))
                for _ in range(500):
                    assert c.receive().status == 403

    threads = [threading.Thread(target=flood, args=(p,)) for p in "ab"]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    admin = daemon.superuser()
    iamd.wait_until(lambda: total(daemon, uid="eve") + dropped(daemon) >= wanted, what="every refusal accounted for")
    assert total(daemon, uid="eve") + dropped(daemon) == wanted
    iamd.wait_until(lambda: daemon.metric("iamd_audit_dropped_total", admin) >= dropped(daemon), what="the metric")


def dropped(daemon):
    return sum(int(n) for n in re.findall(r"event=audit.overflow dropped=(\d+)", daemon.log()))


def test_a_full_or_missing_database_costs_rows_alone(daemon, eve):
    """Rows that cannot be written are counted; the line and the answer stay."""
    before = daemon.metric("iamd_audit_dropped_total")
    daemon.sql("CREATE TRIGGER no_rows BEFORE INSERT ON audit WHEN new.action LIKE 'GET %' "
               "BEGIN SELECT RAISE(FAIL, 'no room'); END")
    eve.expect(403, "GET", "/users/bob")
    iamd.wait_until(lambda: lines(daemon, uid="eve"), what="the line")
    iamd.wait_until(lambda: daemon.metric("iamd_audit_dropped_total") == before + 1, what="the metric")
    daemon.sql("DROP TRIGGER no_rows")


@pytest.mark.parametrize("value", ["none", "", "allow", "DENIED"])
def test_other_values_of_audit_decisions_do_not_start(new_daemon, value):
    daemon = new_daemon(audit_decisions=value)
    daemon.write_config()
    checked = iamd.run("--config", str(daemon.config_file), "--check-config")
    assert checked.returncode != 0 and b"audit_decisions: must be denied or all" in checked.stderr


HELLO = "dcos:adminrouter:service:hello"


@pytest.fixture
def asked(new_daemon):
    """(daemon, ask): ask(uid, ...) is a policy query by the superuser about bob's right to HELLO, or eve's, who has none."""
    def make(**options):
        d = new_daemon(**options).start()
        admin = d.superuser()
        admin.expect(201, "PUT", f"/acls/{HELLO}", {"description": "hello"})
        for uid in ("eve", "bob"):
            admin.expect(201, "PUT", f"/users/{uid}", {"password": PASSWORD})
        admin.expect(204, "PUT", f"/acls/{HELLO}/users/bob/full")

        def ask(uid, rid=HELLO, action="full"):
            return admin.expect(200, "GET", f"/internal/policyquery?rid={rid}&uid={uid}&action={action}").json()["allowed"]
        return d, ask
    return make


def test_a_denied_question_is_a_line_and_a_row_and_an_allowed_one_is_neither(asked):
    daemon, ask = asked()
    assert ask("bob") and not ask("eve") and not ask("nobody") and not ask("bob", "svc:none") and not ask("bob", HELLO, "fly")
    iamd.wait_until(lambda: len(lines(daemon)) == 4, what="four lines")
    found = sorted((m["uid"], m["action"], m["object"], m["result"], m["reason"]) for m in lines(daemon))
    assert found == [("bob", "fly", HELLO, "deny", "bad-action"), ("bob", "full", "svc:none", "deny", "unknown-resource"),
                     ("eve", "full", HELLO, "deny", "no-grant"), ("nobody", "full", HELLO, "deny", "unknown-user")]
    daemon.stop()
    assert len(lines(daemon)) == 4
    rows = daemon.sql("SELECT actor, action, object, result, reason FROM audit WHERE object IN (?, 'svc:none') AND action IN ('full', 'fly')", HELLO)
    assert sorted(rows) == found


def test_with_all_an_allowed_question_is_a_line_but_no_row(asked):
    daemon, ask = asked(audit_decisions="all")
    for _ in range(20):
        assert ask("bob")
    assert not ask("eve")
    daemon.stop()
    assert total(daemon, uid="bob", object=HELLO, action="full", result="allow", reason="grant") == 20
    assert total(daemon, uid="eve", result="deny") == 1
    assert daemon.sql("SELECT actor FROM audit WHERE action = 'full'") == [("eve",)]


def test_audit_decisions_is_taken_over_on_reload(asked):
    daemon, ask = asked()
    assert ask("bob")
    daemon.options["audit_decisions"] = "all"
    daemon.write_config()
    daemon.signal(signal.SIGHUP)

    def told():
        assert ask("bob")
        return lines(daemon, uid="bob", result="allow")

    iamd.wait_until(told, what="an allowed decision in the log")


def test_a_gateways_question_is_audited_with_the_address_it_names(asked):
    daemon, _ = asked(audit_decisions="all")
    token = daemon.login("eve", PASSWORD)

    def check(uri, *headers):
        return daemon.client().get("/auth/check", headers=[("X-Original-Method", "GET"), ("X-Original-URI", uri),
                                                           ("X-Forwarded-For", "192.0.2.7"), *headers]).status

    as_eve = ("Authorization", f"token={token}")
    as_bob = ("Authorization", "token=" + daemon.login("bob", PASSWORD))
    assert check("/service/hello/x", as_bob) == 200
    assert check("/service/hello/x", as_eve) == 403
    assert check("/service/hello/../x", as_bob) == 403
    assert check("/service/hello/x") == 401
    daemon.stop()
    found = sorted((m["uid"], m["action"], m["object"], m["result"], m["reason"]) for m in lines(daemon, srcip="192.0.2.7"))
    assert found == [("bob", '""', '""', "deny", "ambiguous-path"), ("bob", "full", HELLO, "allow", "grant"),
                     ("eve", "full", HELLO, "deny", "no-grant"), ("unauthenticated", '""', '""', "deny", "unauthenticated")]


def test_denied_rows_are_trimmed_like_those_of_logins(asked):
    """Rows are bounded whoever asks; the trimming itself is in tests/unit/test_store_audit.c."""
    daemon, ask = asked()
    for i in range(50):
        assert not ask("bob", f"svc:{i}")
    daemon.stop()
    rows = daemon.sql("SELECT result FROM audit WHERE object LIKE 'svc:%'")
    assert rows == [("deny",)] * 50, "what store_audit_trim_denied() looks for"


def test_a_token_sent_by_mistake_reaches_neither_log_nor_database(asked):
    daemon, ask = asked(audit_decisions="all")
    token = daemon.login("eve", PASSWORD)
    _, claims, signature = token.split(".")
    assert not ask("bob", token) and not ask("bob", HELLO, token) and not ask("bob", f"token={token}")
    eve = daemon.client(token)
    for query in (f"rid={token}&action=full", f"rid={HELLO}&action={token}", f"rid=/x%20{token}&action=full"):
        assert eve.get(f"/auth/check?{query}").status == 403
    eve.expect(403, "GET", f"/acls/{token}")
    daemon.stop()
    excerpt = token[:16] + "..."
    assert len(lines(daemon, object=excerpt)) == 3 and len(lines(daemon, action=excerpt)) == 2
    rows = daemon.sql("SELECT count(*) FROM audit WHERE object = ? OR action = ?", excerpt, excerpt)
    assert rows == [(5,)]
    stored = "".join(repr(row) for (name,) in daemon.sql("SELECT name FROM sqlite_schema WHERE type = 'table'")
                     for row in daemon.sql(f'SELECT * FROM "{name}"'))
    for secret in (claims, signature):
        assert secret[:24] not in daemon.log() and secret[:24] not in stored
