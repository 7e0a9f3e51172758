"""GET /internal/policyquery: the question gateways and authorizers ask, and who may ask it."""
import threading
import time

import pytest

import iamd
import seed
import wire

PASSWORD = "correct horse battery"
PATH = "/internal/policyquery"
ODD_RID = "dcos:secrets:default:/kubernetes/*"


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """Users with grants of every kind; granted by SQL while the daemon was down."""
    daemon = iamd.Daemon(tmp_path_factory.mktemp("policyquery")).start()
    admin = daemon.superuser()
    for name in ("alice", "bob", "carol", "dave", "off", "asker", "updater", "acs", "a.b@c-d_e"):
        admin.expect(201, "PUT", f"/users/{name}", {"password": PASSWORD})
    admin.expect(204, "PATCH", "/users/off", {"enabled": False})
    daemon.stop()
    for name, rid, action in [
            ("alice", "svc:a", "read"), ("bob", "svc:a", "full"), ("off", "svc:a", "read"),
            ("asker", "iam:decisions", "read"), ("updater", "iam:decisions", "update"),
            ("acs", "dcos:adminrouter:acs", "full"), ("a.b@c-d_e", ODD_RID, "update"), ("alice", "svc:a+b", "read"),
            ("alice", "svc:übung/ß", "read")]:
        seed.grant(daemon, name, rid, action)
    seed.acl(daemon, "svc:nobody")
    seed.group(daemon, "outer", [], [("svc:g", "update")])
    seed.group(daemon, "inner", ["carol"], inside=["outer"])
    daemon.start()
    tokens = {}

    def client(name="bootstrapuser"):
        if name not in tokens:
            tokens[name] = daemon.login() if name == "bootstrapuser" else daemon.login(name, PASSWORD)
        return daemon.client(tokens[name])

    client.daemon = daemon
    yield client
    daemon.stop()


def ask(client, uid, rid, action, **kw):
    return client.get(f"{PATH}?rid={rid}&uid={uid}&action={action}", **kw)


@pytest.mark.parametrize("uid, rid, action, allowed", [
    ("alice", "svc:a", "read", True), ("alice", "svc:a", "update", False), ("alice", "svc:a", "full", False),
    ("bob", "svc:a", "read", True), ("bob", "svc:a", "delete", True), ("bob", "svc:a", "full", True),
    ("bob", "svc:b", "read", False), ("alice", "svc:a/x", "read", False), ("alice", "svc:", "read", False),
    ("carol", "svc:g", "update", True), ("carol", "svc:g", "read", False), ("dave", "svc:g", "update", False),
    ("bootstrapuser", "svc:a", "full", True), ("bootstrapuser", "never:heard:of", "delete", True),
    ("bootstrapuser", "svc:a", "fly", False), ("off", "svc:a", "read", False), ("nobody", "svc:a", "read", False),
    ("anonymous", "svc:a", "read", False), ("alice", "svc:a", "READ", False), ("alice", "svc:nobody", "read", False),
    ("a.b@c-d_e", ODD_RID, "update", True), ("a.b%40c-d_e", "dcos:secrets:default:%2Fkubernetes%2F%2A", "update", True),
    ("alice", "svc:a+b", "read", True), ("alice", "svc:a%2Bb", "read", True), ("alice", "svc:a%20b", "read", False),
    ("alice", "svc%253Aa", "read", False), ("alice", "svc:%C3%BCbung/%C3%9F", "read", True),
    ("x" * 97, "svc:a", "read", False), ("alice", "r" * 1024, "read", False), ("alice", "r" * 1025, "read", False),
    ("alice", "r" * 6000, "read", False), ("alice", "svc:a", "a" * 3000, False)])
def test_the_decision_is_in_the_body_and_never_an_error(house, uid, rid, action, allowed):
    answer = ask(house(), uid, rid, action)
    assert answer.status == 200
    assert answer.body == (b'{\n  "allowed": true\n}\n' if allowed else b'{\n  "allowed": false\n}\n')
    assert answer.header("content-type") == "application/json; charset=utf-8"
    assert int(answer.header("x-iam-revision")) > 0
    assert not allowed or len(answer.body) == 22


@pytest.mark.parametrize("query", [
    "", "?", "?rid=svc:a", "?rid=svc:a&uid=alice", "?uid=alice&action=read", "?rid=svc:a&action=read",
    "?rid=&uid=alice&action=read", "?rid=svc:a&uid=&action=read", "?rid=svc:a&uid=alice&action=",
    "?rid&uid&action", "?rid=svc:a&rid=svc:a&uid=alice&action=read", "?rid=svc:a&uid=alice&uid=bob&action=read",
    "?rid=svc:a&uid=alice&action=read&action=full", "?rid=svc:a&%72id=svc:a&uid=alice&action=read",
    "?rid=%zz&uid=alice&action=read", "?rid=%ff&uid=alice&action=read", "?rid=svc%&uid=alice&action=read",
    "?RID=svc:a&uid=alice&action=read"])
def test_a_parameter_that_is_missing_repeated_or_unreadable_is_400(house, query):
    answer = house().get(PATH + query)
    assert (answer.status, answer.code) == (400, "ERR_MISSING_QUERY_PARAMETERS")


def test_an_encoded_nul_is_refused_as_everywhere(house):
    assert house().get(PATH + "?rid=a%00&uid=alice&action=read").status == 400


def test_other_parameters_are_ignored(house):
    assert house().get(PATH + "?_timestamp=1&rid=svc:a&x&uid=alice&=&action=read&&y=%zz").json() == {"allowed": True}


def test_a2_who_may_ask_about_whom(house):
    names = ["alice", "carol", "asker", "updater", "acs", "bootstrapuser"]
    others = {n for n in names if ask(house(n), "bob", "svc:a", "read").status == 200}
    assert others == {"asker", "acs", "bootstrapuser"}
    for name in names:
        assert ask(house(name), name, "svc:a", "read").status == 200
    refused = ask(house("alice"), "bob", "svc:a", "read")
    assert (refused.status, refused.code) == (403, "ERR_FORBIDDEN")
    # nor do they learn of others by what is wrong
    assert house("alice").get(PATH + "?uid=bob").status == 403
    assert house("alice").get(PATH).status == 403
    assert house("alice").get(PATH + "?uid=alice&uid=bob&rid=svc:a&action=read").status == 403
    assert house("alice").get(PATH + "?uid=alice").status == 400


def test_without_a_token_it_is_401(house):
    answer = ask(house.daemon.client(), "alice", "svc:a", "read")
    assert (answer.status, answer.header("www-authenticate")) == (401, "acsjwt")


def test_gateway_mode_asks_for_no_token(gw):
    assert ask(gw, "bootstrapuser", "svc:a", "read").json() == {"allowed": True}
    assert ask(gw, "nobody", "svc:a", "read").json() == {"allowed": False}


def test_a_cookie_will_do(house):
    token = house("alice").token
    client = house.daemon.client(cookie=token)
    assert ask(client, "alice", "svc:a", "read", headers=[("Sec-Fetch-Site", "cross-site")]).json() == {"allowed": True}


def test_keep_alive_and_http_1_0_as_the_router_asks(house):
    token = house().token
    target = wire.API + PATH + "?rid=svc:a&uid=alice&action=read"
    with wire.Connection(house.daemon.address) as c:
        for version in ("1.0", "1.1", "1.0"):
            head = [("Authorization", f"token={token}"), ("Connection", "keep-alive")]
            answer = c.ask(wire.request_bytes("GET", target, head, version=version))
            assert answer.status == 200 and len(answer.body) == 22


# -- X-Iam-At-Least

def revision(client):
    return int(ask(client, "alice", "svc:a", "read").header("x-iam-revision"))


def at_least(client, n, **kw):
    return ask(client, "alice", "svc:a", "read", headers=[("X-Iam-At-Least", str(n))], **kw)


def test_at_least_a_revision_that_is_there_costs_nothing(house):
    now = revision(house())
    for n in (0, 1, now):
        started = time.monotonic()
        assert at_least(house(), n).status == 200
        assert time.monotonic() - started < 0.4


def test_at_least_a_revision_that_does_not_come_is_503_after_half_a_second(house):
    started = time.monotonic()
    answer = at_least(house(), revision(house()) + 1000)
    took = time.monotonic() - started
    assert (answer.status, answer.code) == (503, "ERR_UNAVAILABLE")
    assert int(answer.header("retry-after")) > 0
    assert 0.45 < took < 2


@pytest.mark.parametrize("value", ["-1", "x", "1.5", "", "9223372036854775808", "1, 2", "0x10"])
def test_at_least_what_is_no_number_is_400(house, value):
    assert at_least(house(), value).status == 400


def test_at_least_given_twice_is_400(house):
    headers = [("X-Iam-At-Least", "1"), ("X-Iam-At-Least", "1")]
    assert ask(house(), "alice", "svc:a", "read", headers=headers).status == 400


def test_at_least_is_answered_by_the_change_it_waited_for(house):
    admin = house()
    for i in range(20):
        now = revision(admin)
        answers = []
        waiter = threading.Thread(target=lambda n=now: answers.append((at_least(admin, n + 1), time.monotonic())))
        started = time.monotonic()
        waiter.start()
        time.sleep(0.05 if i % 2 else 0)
        admin.expect(204, "PATCH", "/users/dave", {"enabled": bool(i % 2)})
        waiter.join()
        answer, done = answers[0]
        assert answer.status == 200
        assert int(answer.header("x-iam-revision")) > now
        assert done - started < 0.45


@pytest.mark.parametrize("callers, waiting", [
    (["acs"], 64), (["bob"], 16), (["alice", "bob"], 32), (["acs", "bob"], 56), (["acs", "asker", "bootstrapuser"], 64)])
def test_at_least_64_wait_16_of_one_who_may_ask_about_himself_only_and_the_next_is_refused_at_once(house, callers, waiting):
    target = wire.API + PATH + "?rid=svc:a&uid=alice&action=read"
    tokens = [house(name).token for name in callers]
    n = str(revision(house()) + 1000)
    connections = [wire.Connection(house.daemon.address) for _ in range(80)]
    started = time.monotonic()
    for i, c in enumerate(connections):
        head = [("Authorization", f"token={tokens[i % len(tokens)]}"), ("X-Iam-At-Least", n)]
        c.send(wire.request_bytes("GET", target, head))
    answers, times = [], []
    threads = [threading.Thread(target=lambda c=c: (answers.append(c.receive()), times.append(time.monotonic() - started)))
               for c in connections]
    for t in threads:
        t.start()
    # others are answered meanwhile
    assert ask(house(), "alice", "svc:a", "read").json() == {"allowed": True}
    assert time.monotonic() - started < 0.45
    for t in threads:
        t.join()
    for c in connections:
        c.sock.close()
    assert [a.status for a in answers] == [503] * 80
    assert sum(t > 0.45 for t in times) == waiting
    assert at_least(house(), 1).status == 200


def test_at_least_a_token_that_ends_meanwhile_is_401(house):
    admin = house()
    now = revision(admin)
    token = house.daemon.login("carol", PASSWORD)
    answers = []
    client = house.daemon.client(token)
    url = f"{PATH}?rid=svc:g&uid=carol&action=update"
    waiter = threading.Thread(target=lambda: answers.append(client.get(url, headers=[("X-Iam-At-Least", str(now + 1))])))
    waiter.start()
    time.sleep(0.1)
    admin.expect(204, "DELETE", "/users/carol/tokens")
    waiter.join()
    assert answers[0].status == 401


def test_at_least_a_client_that_leaves_while_it_waits_does_no_harm(house):
    target = wire.API + PATH + "?rid=svc:a&uid=alice&action=read"
    head = [("Authorization", f"token={house().token}"), ("X-Iam-At-Least", str(revision(house()) + 1000))]
    for _ in range(10):
        with wire.Connection(house.daemon.address) as c:
            c.send(wire.request_bytes("GET", target, head))
    time.sleep(0.8)
    assert ask(house(), "alice", "svc:a", "read").json() == {"allowed": True}


@pytest.mark.parametrize("drain", ["10s", "0"])
def test_at_least_a_stop_while_requests_wait_answers_them_and_ends_cleanly(new_daemon, drain):
    daemon = new_daemon(drain_timeout=drain).start()
    admin = daemon.superuser()
    target = wire.API + PATH + "?rid=svc:a&uid=alice&action=read"
    head = [("Authorization", f"token={admin.token}"), ("X-Iam-At-Least", "1000000")]
    connections = [wire.Connection(daemon.address) for _ in range(20)]
    for c in connections:
        c.send(wire.request_bytes("GET", target, head))
    time.sleep(0.1)
    started = time.monotonic()
    daemon.stop()
    assert time.monotonic() - started < 5
    answers = [c.receive() for c in connections]
    for c in connections:
        c.sock.close()
    assert all(a is not None and a.status == 503 for a in answers)
