"""/auth/check: what a gateway asks before it lets a request pass."""
import threading
import time

import pytest

import iamd
import keys
import wire

PASSWORD = "correct horse battery"
CHECK = wire.API + "/auth/check"
MESOS = "dcos:adminrouter:ops:mesos"
SERVICE = "dcos:adminrouter:service:"
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "TRACE", "x"]


def original(uri, method="GET", family="Original"):
    return [(f"X-{family}-Method", method), (f"X-{family}-{'URI' if family == 'Original' else 'Uri'}", uri)]


class Gateway:
    """Asks as a gateway does: one connection, kept alive, whatever the method."""

    def __init__(self, daemon, token=None):
        self.daemon = daemon
        self.token = token

    def ask(self, uri=None, method="GET", query="", headers=(), token=None, connection=None, **kw):
        head = list(headers) + (original(uri, **kw) if uri is not None else [])
        if token or self.token:
            head.append(("Authorization", f"token={token or self.token}"))
        data = wire.request_bytes(method, CHECK + query, head)
        if connection:
            answer = connection.ask(data, method)
        else:
            with wire.Connection(self.daemon.address) as c:
                answer = c.ask(data, method)
        assert answer is not None, (method, uri)
        self.daemon.note_exchange(method, CHECK + query, None, answer)
        assert answer.body == b"" and answer.header("content-type") is None
        return answer


def verdict(answer):
    """200, 401, or why not."""
    assert answer.status in (200, 401, 403), answer
    assert answer.header("cache-control") == "no-store"
    if answer.status == 403:
        return answer.header("x-iam-reason")
    assert answer.header("x-iam-reason") is None
    assert (answer.header("www-authenticate") == "acsjwt") == (answer.status == 401)
    return answer.status


def grant(admin, uid, rid, action="full"):
    escaped = rid.replace("/", "%252F")
    assert admin.put(f"/acls/{escaped}", {"description": rid}).status in (201, 409)
    if uid:
        admin.expect(204, "PUT", f"/acls/{escaped}/users/{uid}/{action}")


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    daemon = iamd.Daemon(tmp_path_factory.mktemp("auth-check")).start()
    admin = daemon.superuser()
    for name in ("alice", "bob", "off"):
        admin.expect(201, "PUT", f"/users/{name}", {"password": PASSWORD})
    for rid in (MESOS, SERVICE + "app", SERVICE + "g/app"):
        grant(admin, "alice", rid)
    grant(admin, None, SERVICE + "g/app/secret")
    grant(admin, None, SERVICE + "admin")
    grant(admin, "bob", SERVICE + "app", "read")
    daemon.admin = admin
    yield daemon
    daemon.stop()


@pytest.fixture(scope="module")
def alice(house):
    return Gateway(house, house.login("alice", PASSWORD))


@pytest.fixture(scope="module")
def bob(house):
    return Gateway(house, house.login("bob", PASSWORD))


# -- what is answered

def test_200_tells_who_it_is(alice):
    answer = alice.ask("/mesos/state")
    assert answer.status == 200
    assert answer.header("x-iam-user") == "alice"
    assert int(answer.header("x-iam-revision")) > 0
    assert answer.header("x-iam-groups") is None and answer.header("x-iam-groups-omitted") is None


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_answered_and_keeps_the_connection(alice, house, method):
    with wire.Connection(house.address) as c:
        for _ in range(2):
            assert verdict(alice.ask("/mesos", method, connection=c)) == 200
            assert verdict(alice.ask("/exhibitor", method, connection=c)) == "unknown-resource"
            assert verdict(Gateway(house).ask("/mesos", method, connection=c)) == 401


@pytest.mark.parametrize("headers", [
    [("Accept", "text/html")], [("Accept", "image/png;q=0")], [("Accept", "application/xml")], [("Accept", "")],
    [("Content-Type", "text/plain")], [("Content-Type", "")], [("Sec-Fetch-Site", "cross-site")],
    [("Origin", "https://evil.example")], [("Expect", "100-continue")], [("If-None-Match", "*")],
    [("Range", "bytes=0-1")], [("Upgrade", "websocket"), ("Connection", "Upgrade")]])
def test_nothing_else_of_the_head_matters(alice, headers):
    assert verdict(alice.ask("/mesos", headers=headers)) == 200


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PROPFIND"])
@pytest.mark.parametrize("headers, body", [
    ([("Content-Length", "1000000")], b""), ([("Content-Length", "1000000"), ("Expect", "100-continue")], b""),
    ([("Content-Length", "999999999999999")], b"begin"), ([("Transfer-Encoding", "chunked")], b""),
    ([("Transfer-Encoding", "chunked"), ("Expect", "100-continue")], b""), ([("Content-Length", "9")], b"{not json"),
    ([("Content-Length", "9"), ("Content-Type", "application/json")], b"{not json"),
    ([("Transfer-Encoding", "chunked")], b"5\r\nhello\r\n0\r\n\r\n"), ([("Transfer-Encoding", "chunked")], b"xyz\r\n")])
def test_a_body_is_neither_read_nor_waited_for(alice, house, method, headers, body):
    token = [("Authorization", f"token={alice.token}")]
    with wire.Connection(house.address) as c:
        started = time.monotonic()
        c.send(wire.request_bytes(method, CHECK, token + original("/mesos") + headers) + body)
        answer = c.receive(method)
        assert answer.status == 200 and answer.closed
        assert time.monotonic() - started < 2
        assert c.is_closed()


def test_a_large_body_that_is_on_its_way_does_not_hide_the_answer(alice, house):
    head = [("Authorization", f"token={alice.token}"), *original("/mesos")]
    with wire.Connection(house.address) as c:
        answer = c.ask(wire.request_bytes("POST", CHECK, head, b"x" * 200000), "POST")
        assert answer is None or answer.status == 200  # a reset may overtake it, another status may not


def test_content_length_zero_keeps_the_connection(alice, house):
    with wire.Connection(house.address) as c:
        for _ in range(3):
            answer = alice.ask("/mesos", "POST", headers=[("Content-Length", "0")], connection=c)
            assert answer.status == 200 and not answer.closed


def test_http_1_0_as_nginx_speaks_it(alice, house):
    head = [("Authorization", f"token={alice.token}"), *original("/mesos")]
    with wire.Connection(house.address) as c:
        assert c.ask(wire.request_bytes("GET", CHECK, head, version="1.0", host=None)).status == 200


def test_a_trailing_slash_of_the_endpoint_is_ignored(alice, house):
    head = [("Authorization", f"token={alice.token}"), *original("/mesos")]
    with wire.Connection(house.address) as c:
        assert c.ask(wire.request_bytes("GET", CHECK + "/", head)).status == 200


# -- the token

def test_no_token_and_bad_tokens_are_401(house, alice):
    revision = alice.ask("/mesos").header("x-iam-revision")
    good = alice.token
    for headers in ([], [("Authorization", "")], [("Authorization", "Basic YTpi")], [("Authorization", "token=")],
                    [("Authorization", f"token={good[:-4]}AAAA")], [("Authorization", f"Bearer {good}x")],
                    [("Cookie", "dcos-acs-auth-cookie=x")], [("Cookie", "other=" + good)],
                    [("Authorization", "Bearer x"), ("Cookie", f"dcos-acs-auth-cookie={good}")]):
        answer = Gateway(house).ask("/mesos", headers=headers)
        assert verdict(answer) == 401, headers
        assert answer.header("x-iam-revision") == revision
        assert answer.header("x-iam-user") is None


def test_a_token_is_taken_from_header_or_cookie(house, alice):
    for headers in ([("Authorization", f"token={alice.token}")], [("Authorization", f"Bearer {alice.token}")],
                    [("Cookie", f"a=b; dcos-acs-auth-cookie={alice.token}; c=d")],
                    [("Cookie", f"dcos-acs-auth-cookie={alice.token}"), ("Sec-Fetch-Site", "cross-site")]):
        assert verdict(Gateway(house).ask("/mesos", headers=headers)) == 200


def test_the_next_request_on_the_connection_sees_the_end_of_a_token(house):
    admin = house.admin
    for end in ("disable", "tokens", "revoke", "password", "logout", "delete"):
        admin.expect(201, "PUT", "/users/victim", {"password": PASSWORD})
        admin.expect(204, "PUT", f"/acls/{MESOS}/users/victim/full")
        gateway = Gateway(house, house.login("victim", PASSWORD))
        with wire.Connection(house.address) as c:
            for _ in range(3):
                assert verdict(gateway.ask("/mesos", connection=c)) == 200
            if end == "disable":
                admin.expect(204, "PATCH", "/users/victim", {"enabled": False})
            elif end == "tokens":
                admin.expect(204, "DELETE", "/users/victim/tokens")
            elif end == "revoke":
                admin.expect(204, "POST", "/auth/revoke", {"token": gateway.token})
            elif end == "password":
                admin.expect(204, "PATCH", "/users/victim", {"password": "another long password"})
            elif end == "logout":
                house.client(gateway.token).expect(200, "GET", "/auth/logout")
            else:
                admin.expect(204, "DELETE", "/users/victim")
            for _ in range(3):
                assert verdict(gateway.ask("/mesos", connection=c)) == 401, end
        if end != "delete":
            admin.expect(204, "DELETE", "/users/victim")


def test_a_token_that_expires_is_401_at_that_second(house):
    admin = house.admin
    admin.expect(201, "PUT", "/users/brief", {"public_key": keys.rsa_key().public_pem})
    admin.expect(204, "PUT", f"/acls/{MESOS}/users/brief/full")
    exp = int(time.time()) + 3
    body = {"uid": "brief", "token": keys.rsa_key().service_token("brief"), "exp": exp}
    gateway = Gateway(house, house.client().post("/auth/login", body).json()["token"])
    with wire.Connection(house.address) as c:
        assert verdict(gateway.ask("/mesos", connection=c)) == 200
        time.sleep(max(0, exp - time.time()) + 0.1)
        assert verdict(gateway.ask("/mesos", connection=c)) == 401


# -- the resource by name

@pytest.mark.parametrize("rid, action, expected", [
    (MESOS, "full", 200), (MESOS, "read", 200), (MESOS, "fly", "bad-action"), ("unknown:rid", "read", "unknown-resource"),
    (SERVICE + "admin", "read", "no-grant"), (SERVICE + "g%2Fapp", "full", 200), (SERVICE + "g/app", "full", 200),
    (SERVICE + "g%252Fapp", "full", "unknown-resource"), ("r" * 1025, "read", "unknown-resource"),
    ("r" * 6000, "read", "unknown-resource")])
def test_rid_and_action_name_the_resource(alice, rid, action, expected):
    assert verdict(alice.ask(query=f"?rid={rid}&action={action}")) == expected


@pytest.mark.parametrize("query", [
    f"?rid={MESOS}", "?action=full", f"?rid={MESOS}&rid={MESOS}&action=full", f"?rid={MESOS}&action=full&action=read",
    f"?rid={MESOS}&%72id=x&action=full", "?rid=&action=full", f"?rid={MESOS}&action=", "?rid=%zz&action=full",
    "?rid&action", "?rid=%ff&action=read"])
def test_half_a_name_or_a_repeated_one_is_refused(alice, query):
    assert verdict(alice.ask(query=query)) == "bad-query"


def test_bob_may_read_only(bob):
    assert verdict(bob.ask(query=f"?rid={SERVICE}app&action=read")) == 200
    assert verdict(bob.ask(query=f"?rid={SERVICE}app&action=full")) == "no-grant"
    assert verdict(bob.ask("/service/app")) == "no-grant"  # paths need full


def test_a_name_beside_the_original_request_is_refused(bob):
    """Else a client whose query the gateway passes on would choose what it is judged by."""
    query = f"?rid={SERVICE}app&action=read"
    assert verdict(bob.ask("/service/admin", query=query)) == "ambiguous-resource"
    assert verdict(bob.ask("/service/admin", query="?rid=x")) == "ambiguous-resource"
    assert verdict(bob.ask("/service/admin", query="?action=read")) == "ambiguous-resource"
    # the address alone is for the way back from the login page
    assert verdict(bob.ask(query=query, headers=[("X-Original-URI", "/service/admin")])) == 200


# -- the resource by path

@pytest.mark.parametrize("uri, expected", [
    ("/mesos", 200), ("/mesos/", 200), ("/mesos/a/b?c=/../d#e", 200), ("/mesosx", "no-mapping"), ("/", "no-mapping"),
    ("/nothing/here", "no-mapping"), ("/exhibitor", "unknown-resource"), ("/acs/api/v1/users", "unknown-resource"),
    ("/service", "no-mapping"), ("/service/", "no-mapping"), ("/service/app", 200), ("/service/app/x/y", 200),
    ("/service/apps", "unknown-resource"), ("/service/g/app", 200), ("/service/g/app/x", 200),
    ("/service/g/app/secret", "no-grant"), ("/service/g/app/secret/x", "no-grant"), ("/service/g/app/secrets", 200),
    ("/service/g", "unknown-resource"), ("/service/g/other", "unknown-resource"), ("/service/admin/app", "no-grant"),
    ("/%6desos", 200), ("/service/%61pp", 200), ("/service/app/%20%3f%23%25", 200), ("/service/app/%c3%bc", 200),
    ("/service/app/" + "x" * 8000, 200), ("/service/app/" + "x" * 9000, "path-too-long"),
    ("/service/app" + "/x" * 62, 200), ("/service/app" + "/x" * 63, "path-too-long")])
def test_a_path_is_mapped_by_its_longest_prefix(alice, uri, expected):
    assert verdict(alice.ask(uri)) == expected


@pytest.mark.parametrize("uri", [
    "/service/app/../admin", "/service/app/..", "/service/./app", "/service/app/.", "/service/app/%2e%2e/admin",
    "/service/app/%2E./admin", "/service/app/.%2e/admin", "/service/app/..%2fadmin", "/service/app%2f..%2fadmin",
    "/service/app/%2F", "/service%2fapp", "//service/app", "/service//app", "/service/app//", "/service/app//x",
    "/service/app\\..\\admin", "/service/app/%5c..%5cadmin", "/service/app;x=1", "/service/app/..;/admin",
    "/service/app/%3b", "/service/app/%00", "/service/app/%0a", "/service/app/%0d%0aX: y", "/service/app/%7f",
    "/service/app/%c0%ae%c0%ae/admin", "/service/app/%ff", "/service/app/%", "/service/app/%2", "/service/app/%zz",
    "/service/app/%u002e", "/service/app/a b", "/service/app#/admin", "service/app", "*", "http://host/service/app", ".",
    "?", "%2fservice/app"])
def test_a_path_that_two_readers_could_read_differently_is_refused(alice, uri):
    assert verdict(alice.ask(uri)) == "ambiguous-path"


def test_bytes_that_are_no_utf_8_are_refused(alice):
    headers = [("X-Original-Method", "GET"), ("X-Original-URI", b"/service/app/\xff")]
    assert verdict(alice.ask(headers=headers)) == "ambiguous-path"


def test_headers_that_are_missing_or_repeated_are_refused(alice):
    method, uri = original("/mesos")
    assert verdict(alice.ask()) == "no-original-request"
    assert verdict(alice.ask(headers=[method])) == "no-original-request"
    assert verdict(alice.ask(headers=[uri])) == "no-original-request"
    assert verdict(alice.ask(headers=[("X-Original-Method", ""), uri])) == "no-original-request"
    assert verdict(alice.ask(headers=[method, ("X-Original-URI", "")])) == "ambiguous-path"
    assert verdict(alice.ask(headers=[method, method, uri])) == "repeated-header"
    assert verdict(alice.ask(headers=[method, uri, uri])) == "repeated-header"
    assert verdict(alice.ask(headers=[method, uri, ("x-original-uri", "/service/app")])) == "repeated-header"
    # the other pair is ignored, whatever it says
    assert verdict(alice.ask(headers=original("/mesos", family="Forwarded"))) == "no-original-request"
    other = original("/service/admin", family="Forwarded") * 2
    assert verdict(alice.ask("/mesos", headers=other)) == 200


def test_the_other_pair_by_configuration(new_daemon):
    daemon = new_daemon(forward_auth_headers="x-forwarded").start()
    root = Gateway(daemon, daemon.login())
    assert verdict(root.ask("/mesos", family="Forwarded")) == 200
    assert verdict(root.ask("/a/../b", family="Forwarded")) == "ambiguous-path"
    assert verdict(root.ask("/mesos")) == "no-original-request"
    assert verdict(root.ask("/mesos", family="Forwarded", headers=original("/a/../b") * 2)) == 200
    assert verdict(root.ask("/mesos", family="Forwarded", query="?rid=x&action=read")) == "ambiguous-resource"


def test_headers_of_an_untrusted_peer_are_not_believed(new_daemon, tmp_path):
    daemon = new_daemon(trusted_proxies="unix:")
    daemon.options["listen"] = f"127.0.0.1:{daemon.address[1]},unix:{tmp_path}/s"
    daemon.start()
    root = Gateway(daemon, daemon.login())
    assert verdict(root.ask("/mesos")) == "untrusted-peer"
    assert verdict(root.ask()) == "untrusted-peer"
    assert verdict(root.ask(query="?rid=x&action=read")) == 200
    with wire.Connection(f"{tmp_path}/s") as c:
        assert verdict(root.ask("/mesos", connection=c)) == 200


def test_gateway_mode_is_no_different(gateway):
    root = Gateway(gateway, gateway.login())
    assert verdict(root.ask("/mesos")) == 200
    assert verdict(root.ask("/a/../b")) == "ambiguous-path"
    assert verdict(Gateway(gateway).ask("/mesos")) == 401
    for method in METHODS:
        assert verdict(root.ask("/mesos", method, headers=[("Accept", "x/y")])) == 200


# -- the path map

def test_the_path_map_of_the_configuration(new_daemon, tmp_path):
    table = tmp_path / "paths"
    table.write_text("# ours\n/wiki svc:wiki read\n/wiki/admin svc:wiki\n/run dcos:app:{service} update\n")
    daemon = new_daemon(path_map_file=table).start()
    admin = daemon.superuser()
    admin.expect(201, "PUT", "/users/alice", {"password": PASSWORD})
    grant(admin, "alice", "svc:wiki", "read")
    grant(admin, "alice", "dcos:app:a/b", "update")
    alice = Gateway(daemon, daemon.login("alice", PASSWORD))
    assert verdict(alice.ask("/wiki/page")) == 200
    assert verdict(alice.ask("/wiki/admin/x")) == "no-grant"
    assert verdict(alice.ask("/wiki/administrators")) == 200
    assert verdict(alice.ask("/run/a/b/c")) == 200
    assert verdict(alice.ask("/run/a/c")) == "unknown-resource"
    assert verdict(alice.ask("/mesos")) == "no-mapping"
    # a reload takes a good table over, and keeps the running one when the new one is bad
    table.write_text("/wiki svc:wiki read\n/wiki/admin svc:wiki read\n")
    daemon.signal(1)
    iamd.wait_until(lambda: verdict(alice.ask("/wiki/admin/x")) == 200, what="reload")
    table.write_text("/wiki svc:wiki read\nnonsense\n")
    daemon.signal(1)
    daemon.wait_for_log(r"config.reload_failed[^\n]*paths:2: ")
    assert verdict(alice.ask("/wiki/admin/x")) == 200


@pytest.mark.parametrize("text, why", [
    ("/a\n", "paths:1: expected PATH-PREFIX RID"), ("\n/a svc:a\na svc:a\n", "paths:3: expected a path"),
    ("/a svc:a fly\n", "paths:1: the action is none"), ("/a svc:a\n/a/ svc:b\n", "paths:2: the path stands in line 1"),
    ("/a svc%2fa\n", "paths:1: the second word is no resource id")])
def test_a_mistake_in_the_path_map_keeps_it_from_starting(new_daemon, tmp_path, text, why):
    table = tmp_path / "paths"
    table.write_text(text)
    daemon = new_daemon(path_map_file=table)
    daemon.write_config()
    for command in (["--check-config"], []):
        done = iamd.run("--config", str(daemon.config_file), *command)
        assert done.returncode != 0
        assert why in done.stderr.decode(), done.stderr


def test_a_path_map_that_is_not_there_keeps_it_from_starting(new_daemon, tmp_path):
    daemon = new_daemon(path_map_file=tmp_path / "none")
    daemon.write_config()
    done = iamd.run("--config", str(daemon.config_file))
    assert done.returncode != 0 and b"path_map_file" in done.stderr


@pytest.mark.parametrize("value", ["login", "//evil.example", "/\\evil.example", "https://evil.example", "/a b", "/ü"])
def test_a_login_page_elsewhere_is_refused(value):
    done = iamd.run("--set", f"login_page={value}", "--check-config")
    assert done.returncode != 0 and b"login_page" in done.stderr


# -- groups

def test_groups_are_effective_sorted_and_told_once(house):
    admin = house.admin
    admin.expect(201, "PUT", "/users/member", {"password": PASSWORD})
    for gid in ("zz", "b.b", "a-a", "B", "top", "other"):
        admin.expect(201, "PUT", f"/groups/{gid}", {"description": gid})
    for gid in ("zz", "b.b"):
        admin.expect(204, "PUT", f"/groups/{gid}/users/member")
    for outer, inner in (("a-a", "zz"), ("a-a", "b.b"), ("B", "a-a"), ("top", "a-a"), ("top", "zz"), ("zz", "top")):
        admin.expect(204, "PUT", f"/groups/{outer}/groups/{inner}")
    admin.expect(204, "PUT", f"/acls/{MESOS}/groups/top/full")
    member = Gateway(house, house.login("member", PASSWORD))
    answer = member.ask("/mesos")
    assert answer.header("x-iam-groups") == "B,a-a,b.b,top,zz"
    admin.expect(204, "DELETE", "/groups/b.b")
    assert member.ask("/mesos").header("x-iam-groups") == "B,a-a,top,zz"


@pytest.mark.parametrize("sizes, fits", [
    ([64] * 31 + [33], True), ([64] * 31 + [34], False), ([1] * 60, True), ([64] * 40, False)])
def test_groups_of_more_than_2_kib_are_left_out(new_daemon, sizes, fits):
    daemon = new_daemon().start()
    admin = daemon.superuser()
    admin.expect(201, "PUT", "/users/member", {"password": PASSWORD})
    alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
    gids = [alphabet[i] + "x" * (n - 1) for i, n in enumerate(sizes)]
    for gid in gids:
        admin.expect(201, "PUT", f"/groups/{gid}", {"description": ""})
        admin.expect(204, "PUT", f"/groups/{gid}/users/member")
    grant(admin, "member", MESOS)
    answer = Gateway(daemon, daemon.login("member", PASSWORD)).ask("/mesos")
    assert answer.status == 200
    if fits:
        assert answer.header("x-iam-groups") == ",".join(sorted(gids))
        assert len(answer.header("x-iam-groups")) <= 2048
        assert answer.header("x-iam-groups-omitted") is None
    else:
        assert answer.header("x-iam-groups") is None
        assert answer.header("x-iam-groups-omitted") == "1"


# -- back to the login page

HTML = ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")


@pytest.mark.parametrize("method, headers, redirected", [
    ("GET", [HTML], True), ("GET", [("Sec-Fetch-Mode", "navigate")], True), ("GET", [HTML, ("Sec-Fetch-Mode", "navigate")], True),
    ("GET", [HTML, ("Sec-Fetch-Mode", "cors")], False), ("GET", [("Accept", "*/*")], False), ("GET", [], False),
    ("GET", [("Accept", "application/json")], False), ("POST", [HTML], False), ("HEAD", [HTML], False)])
def test_a_browser_that_navigates_is_sent_to_the_login_page(house, method, headers, redirected):
    nobody = Gateway(house)
    # the original method decides, since gateways ask with GET
    answer = nobody.ask(headers=[*headers, *original("/mesos/a?b=c&d=%2F", method=method)], query="?redirect=1")
    assert answer.status == (302 if redirected else 401)
    if redirected:
        assert answer.header("location") == "/login?redirect=%2Fmesos%2Fa%3Fb%3Dc%26d%3D%252F"
        assert answer.header("www-authenticate") is None
    # what the client's own query says behind the gateway's does not matter
    for query in ("?redirect=1&redirect=/elsewhere", "?redirect=1&rid=x"):
        again = nobody.ask(headers=[*headers, *original("/mesos/a?b=c&d=%2F", method=method)], query=query)
        assert (again.status, again.header("location")) == (answer.status, answer.header("location"))
    for query in ("", "?redirect=0", "?redirect=0&redirect=1", "?redirect=true", "?redirect"):
        assert nobody.ask("/mesos", query=query, headers=headers).status == 401


def test_without_original_headers_the_own_method_decides(house):
    for method, status in (("GET", 302), ("POST", 401), ("PROPFIND", 401)):
        assert Gateway(house).ask(None, method, query="?redirect=1", headers=[HTML]).status == status


@pytest.mark.parametrize("uri", [
    "//evil.example/", "/\\evil.example/", "https://evil.example/", "javascript:alert(1)", "", "x", "/a\\b", "/a b",
    "/" + "x" * 2048, "/\t/evil.example"])
def test_a_browser_is_never_sent_elsewhere(house, uri):
    answer = Gateway(house).ask(uri, query="?redirect=1", headers=[HTML])
    assert (answer.status, answer.header("location")) == (302, "/login")


def test_a_repeated_address_is_no_way_back(house):
    headers = [HTML, *original("/a"), ("X-Original-URI", "/b")]
    assert Gateway(house).ask(query="?redirect=1", headers=headers).header("location") == "/login"


def test_the_login_page_of_the_configuration(new_daemon):
    daemon = new_daemon(login_page="/#/login?x=1", trusted_proxies="10.0.0.1").start()
    answer = Gateway(daemon).ask("/mesos", query="?redirect=1", headers=[HTML])
    assert answer.header("location") == "/#/login?x=1"  # of an untrusted peer no address is taken
    daemon.stop()
    daemon.options["trusted_proxies"] = "127.0.0.1"
    daemon.start()
    answer = Gateway(daemon).ask("/mesos", query="?redirect=1", headers=[HTML])
    assert answer.header("location") == "/#/login?x=1&redirect=%2Fmesos"


def test_403_is_never_a_redirect(alice):
    assert verdict(alice.ask("/service/admin", query="?redirect=1", headers=[HTML])) == "no-grant"


# -- revisions

def test_at_least(house, alice):
    now = int(alice.ask("/mesos").header("x-iam-revision"))
    for n in (0, 1, now):
        assert verdict(alice.ask("/mesos", headers=[("X-Iam-At-Least", str(n))])) == 200
    for value in ("x", "-1", "", "1.0", "9" * 30):
        assert verdict(alice.ask("/mesos", headers=[("X-Iam-At-Least", value)])) == "bad-at-least"
    twice = [("X-Iam-At-Least", "1")] * 2
    assert verdict(alice.ask("/mesos", headers=twice)) == "bad-at-least"
    started = time.monotonic()
    assert verdict(alice.ask("/mesos", headers=[("X-Iam-At-Least", str(now + 1000))])) == "unavailable"
    assert 0.45 < time.monotonic() - started < 2


def test_who_has_no_good_token_does_not_take_a_place_to_wait(house):
    for token in (None, "no.good.token"):
        head = [("X-Iam-At-Least", "1000000"), *original("/mesos")] + ([("Authorization", f"token={token}")] if token else [])
        started = time.monotonic()
        with wire.Connection(house.address) as c:
            for _ in range(5):
                assert c.ask(wire.request_bytes("GET", CHECK, head)).status == 401
        assert time.monotonic() - started < 0.45


def test_one_user_does_not_take_all_places_to_wait(new_daemon):
    """Eighty of eve's are on their way when bob's comes: it waits for its revision and is answered."""
    daemon = new_daemon().start()
    admin = daemon.superuser()
    for uid in ("eve", "bob"):
        admin.expect(201, "PUT", f"/users/{uid}", {"password": PASSWORD})
    grant(admin, "bob", MESOS)
    eve, bob = (daemon.login(uid, PASSWORD) for uid in ("eve", "bob"))
    now = int(Gateway(daemon, bob).ask("/mesos").header("x-iam-revision"))
    connections = [wire.Connection(daemon.address) for _ in range(80)]
    for c in connections:
        c.send(wire.request_bytes("GET", CHECK, [("Authorization", f"token={eve}"), ("X-Iam-At-Least", "1000000"), *original("/mesos")]))
    with wire.Connection(daemon.address) as c:
        c.send(wire.request_bytes("GET", CHECK, [("Authorization", f"token={bob}"), ("X-Iam-At-Least", str(now + 1)), *original("/mesos")]))
        time.sleep(0.05)
        admin.expect(201, "PUT", "/groups/later", {"description": "later"})
        assert c.receive().status == 200
    for c in connections:
        assert verdict(c.receive()) == "unavailable"
        c.sock.close()


@pytest.mark.parametrize("body", [None, b"some body"])
def test_at_least_is_decided_by_the_change_it_waited_for(house, alice, body):
    admin = house.admin
    rid = SERVICE + ("later" if body is None else "later2")
    grant(admin, None, rid)
    for allowed in (True, False):
        now = int(alice.ask("/mesos").header("x-iam-revision"))
        head = [("Authorization", f"token={alice.token}"), ("X-Iam-At-Least", str(now + 1)),
                *original("/service/" + rid.rsplit(":", 1)[1])]
        with wire.Connection(house.address) as c:
            c.send(wire.request_bytes("POST", CHECK, head, body))
            time.sleep(0.1)
            admin.expect(204, "PUT" if allowed else "DELETE", f"/acls/{rid}/users/alice/full")
            answer = c.receive("POST")
        assert answer.status == (200 if allowed else 403)
        assert int(answer.header("x-iam-revision")) > now
        assert answer.closed == (body is not None)


def test_a_stop_while_requests_wait_ends_cleanly(new_daemon):
    daemon = new_daemon(drain_timeout="0").start()
    token = daemon.login()
    head = [("Authorization", f"token={token}"), ("X-Iam-At-Least", "1000000"), *original("/mesos")]
    connections = [wire.Connection(daemon.address) for _ in range(20)]
    for i, c in enumerate(connections):
        c.send(wire.request_bytes("POST", CHECK, head, b"x" if i % 2 else None))
    time.sleep(0.1)
    daemon.stop()
    for c in connections:
        answer = c.receive("POST")
        assert answer is None or answer.status in (403, 503)
        c.sock.close()


def test_a_grant_and_its_removal_are_seen_by_the_very_next_decision(house, alice):
    """On every loop, while others ask too."""
    admin = house.admin
    grant(admin, None, SERVICE + "flicker")
    connections = [wire.Connection(house.address) for _ in range(4)]
    stop = threading.Event()

    def noise():
        with wire.Connection(house.address) as c:
            while not stop.is_set():
                assert verdict(alice.ask("/mesos", connection=c)) == 200

    others = threading.Thread(target=noise)
    others.start()
    wrong = 0
    admin_connection = wire.Connection(house.address)
    for i in range(600):
        allowed = i % 2 == 0
        data = wire.request_bytes("PUT" if allowed else "DELETE",
                                  f"{wire.API}/acls/{SERVICE}flicker/users/alice/full",
                                  [("Authorization", f"token={admin.token}")])
        assert admin_connection.ask(data).status == 204
        for c in connections:
            wrong += (alice.ask("/service/flicker", connection=c).status == 200) != allowed
    stop.set()
    others.join()
    for c in connections + [admin_connection]:
        c.sock.close()
    assert wrong == 0


# -- the audit

@pytest.mark.parametrize("query, headers, status", [
    ("?rid=%00&action=full", [], 400), ("%zz", [], 400), ("", [("Cookie", "a=\x01")], 400),
    ("", [("X-Large", "x" * 34000)], 431), ("?rid=" + "x" * 20000, [], 414)])
def test_what_is_no_sound_http_never_gets_as_far_and_never_passes(alice, query, headers, status):
    """Refused by the server, before the route: any status but 200, and no reason."""
    head = [("Authorization", f"token={alice.token}"), *original("/mesos"), *headers]
    with wire.Connection(alice.daemon.address) as c:
        answer = c.ask(wire.request_bytes("GET", CHECK + query, head))
    assert answer.status == status
    assert answer.header("x-iam-reason") is None and answer.header("x-iam-user") is None


def test_refusals_are_in_the_audit(house, alice):
    alice.ask("/service/admin/audited")
    alice.ask("/audited/../x")
    Gateway(house).ask("/mesos")
    house.wait_for_log(rf"type=audit[^\n]*uid=alice action=full object={SERVICE}admin result=deny reason=no-grant")
    house.wait_for_log(r"type=audit[^\n]*uid=alice[^\n]*result=deny reason=ambiguous-path")
    house.wait_for_log(r"type=audit[^\n]*uid=unauthenticated[^\n]*result=deny reason=unauthenticated")


# -- a real gateway's connection handling

def test_pipelined_requests_are_answered_in_order(house, alice):
    head = [("Authorization", f"token={alice.token}")]
    uris = ["/mesos", "/nothing", "/service/app", "/a/../b"] * 5
    with wire.Connection(house.address) as c:
        c.send(b"".join(wire.request_bytes("GET", CHECK, head + original(u)) for u in uris))
        assert [verdict(c.receive()) for _ in uris] == [200, "no-mapping", 200, "ambiguous-path"] * 5
