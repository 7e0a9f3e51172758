"""Each gateway before a real iamd and a real service: who passes, who does not, and from when on."""
import asyncio
import base64
import hashlib
import os
import re
import subprocess
import time
import urllib.parse

import pytest

import gateways
import iamd
import serving
import wire
from conftest import PASSWORD, STRICT, Client, gateway_of

CLOSED = (500, 502, 503)


def test_a_right_passes_and_the_service_learns_who_it_is(gateway, world, client):
    answer = client(world.alice).ask("/service/hello/a/b?c=d")
    assert answer.status == 200
    saw = answer.json()
    assert saw["target"] == "/service/hello/a/b?c=d"[len(gateway.strip):]
    headers = [(n, v) for n, v in saw["headers"] if n.startswith("x-iam-")]
    assert ("x-iam-user", "alice") in headers and ("x-iam-groups", "crew") in headers
    assert int(dict(headers)["x-iam-revision"]) > 0
    assert len(headers) == 3


def test_the_login_cookie_is_as_good_as_the_header(gateway, world, client):
    answer = client().ask(headers=[("Cookie", f"a=b; dcos-acs-auth-cookie={world.alice}; c=d")])
    assert answer.status == 200
    assert dict(answer.json()["headers"])["x-iam-user"] == "alice"


def test_without_a_right_the_service_is_not_asked(gateway, world, client):
    mark = len(world.service.seen)
    answer = client(world.bob).ask()
    assert answer.status == 403
    assert answer.header("x-iam-reason") == "no-grant"
    assert client(world.alice).ask("/service/unknown/x").status in (403, 404)
    assert client(world.alice).ask("/elsewhere").status in (403, 404)
    assert client(world.alice).ask("/").status in (403, 404)
    assert world.service.since(mark) == []


def test_without_a_token_comes_the_challenge(gateway, world, client):
    mark = len(world.service.seen)
    for token in (None, "no.good.token", world.alice[:-6] + "AAAAAA"):
        answer = client(token).ask()
        assert answer.status == 401
        assert answer.header("www-authenticate") == "acsjwt"
    assert world.service.since(mark) == []


def test_a_browser_that_goes_to_a_page_is_sent_to_the_login_page(gateway, world, client):
    html = [("Accept", "text/html,application/xhtml+xml"), ("Sec-Fetch-Mode", "navigate")]
    answer = client().ask("/service/hello/x?y=1", headers=html)
    assert answer.status == 302
    assert answer.header("location").endswith("redirect=%2Fservice%2Fhello%2Fx%3Fy%3D1")
    assert client().ask("/service/hello/x", "POST", headers=html, body=b"").status == 401


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_method_is_judged(gateway, world, client, method):
    body = b"x" if method in ("POST", "PUT", "PATCH") else None
    mark = len(world.service.seen)
    assert client(world.bob).ask(method=method, body=body).status == 403
    assert client().ask(method=method, body=body).status == 401
    assert world.service.since(mark) == []
    assert client(world.alice).ask(method=method, body=body).status == 200
    (seen,) = world.service.since(mark)
    assert seen.method.decode() == method


def test_a_body_arrives_whole(gateway, world, client):
    body = os.urandom(300_000)
    c = client(world.alice)
    for headers, sent in (([], body), ([("Transfer-Encoding", "chunked")], wire.chunked(body, 50_000))):
        answer = c.ask(method="POST", headers=headers, body=sent)
        assert answer.status == 200
        assert answer.json()["sha256"] == hashlib.sha256(body).hexdigest()


def test_a_removed_right_ends_with_the_very_next_request(gateway, world, client):
    uid, token = world.new_user()
    c = client(token)
    for _ in range(20):
        assert c.ask().status == 200
        world.forbid(uid)
        assert c.ask().status == 403, "the next request on the same connection"
        world.allow(uid)
        assert c.ask().status == 200
    assert c.reconnects == 0


@pytest.mark.parametrize("how", ["revoke", "disable", "delete", "password"])
def test_a_revoked_token_is_dead_with_the_very_next_request(gateway, world, client, how):
    uid, token = world.new_user()
    c = client(token)
    assert c.ask().status == 200
    if how == "revoke":
        world.admin.expect(204, "POST", "/auth/revoke", {"token": token})
    elif how == "disable":
        world.admin.expect(204, "PATCH", f"/users/{uid}", {"enabled": False})
    elif how == "delete":
        world.admin.expect(204, "DELETE", f"/users/{uid}")
    else:
        world.admin.expect(204, "PATCH", f"/users/{uid}", {"password": "another " + PASSWORD})
    mark = len(world.service.seen)
    assert c.ask().status == 401
    assert c.reconnects == 0
    assert world.service.since(mark) == []


def test_a_token_ends_when_it_says(gateway, world, client):
    token, end = world.short_token(3)
    c = client(token)
    assert c.ask().status == 200
    iamd.wait_until(lambda: time.time() >= end, what="the token's end")
    assert c.ask().status == 401


FORGED = ["X-Iam-User", "x-iam-user", "X-IAM-USER", "X-Iam-Groups", "X-Iam-Groups-Omitted", "X-Iam-Revision", "X-Iam-Reason",
          "X-Iam-At-Least", "X-Original-URI", "X-Original-Method", "X-Forwarded-Uri", "X-Forwarded-Method"]


def test_what_the_client_says_about_itself_never_arrives(gateway, world, client):
    forged = [(n, "forged") for n in FORGED] * 2
    answer = client(world.alice).ask(headers=forged)
    assert answer.status == 200, "a forged X-Iam-At-Least or X-Original-URI changes no decision"
    saw = answer.json()["headers"]
    assert "forged" not in dict((v, n) for n, v in saw)
    assert [v for n, v in saw if n == "x-iam-user"] == ["alice"]
    assert [v for n, v in saw if n == "x-iam-groups"] == ["crew"]
    assert not [n for n, _ in saw if n in ("x-iam-reason", "x-iam-groups-omitted")]


@pytest.mark.parametrize("name", ["X_Iam_User", "X-Iam_User", "X_Iam-User", "x_iam_groups"])
def test_nor_does_a_spelling_that_some_services_take_for_it(gateway, world, client, name):
    answer = client(world.alice).ask(headers=[(name, "forged")])
    assert answer.status in (200, 400)
    assert "forged" not in [v for _, v in answer.json()["headers"]] if answer.status == 200 else True


def test_forged_questions_do_not_help_who_has_no_right(gateway, world, client):
    mark = len(world.service.seen)
    for name, value in (("X-Original-URI", "/service/hello/"), ("X-Forwarded-Uri", "/service/hello/"), ("X-Iam-User", "alice"),
                        ("Connection", "close, Authorization"), ("Connection", "X-Original-URI"), ("Connection", "X-Iam-User")):
        assert client(world.bob).ask(headers=[(name, value)]).status == 403
        assert client(world.alice).ask("/service/other/x", headers=[(name, value)]).status in (401, 403, 404)
    assert client(world.bob).ask("/service/hello/?rid=dcos:adminrouter:service:other&action=read&redirect=1").status == 403
    assert world.service.since(mark) == []


def test_a_header_named_in_connection_does_not_cost_the_identity(gateway, world, client):
    """RFC 9110 section 7.6.1: a gateway drops what Connection names; it must not drop its own."""
    answer = client(world.alice).ask(headers=[("Connection", "keep-alive, X-Iam-User, X-Iam-Groups")])
    if answer.status == 200:
        assert dict(answer.json()["headers"]).get("x-iam-user") == "alice"


@pytest.mark.parametrize("kind", STRICT + ["nginx-cached"])
def test_iamd_down_is_closed_and_back_is_open(kind, world, tmp_path):
    daemon = iamd.Daemon(tmp_path / "iamd").start()
    admin = daemon.superuser()
    admin.expect(201, "PUT", "/acls/dcos:adminrouter:service:hello", {"description": "x"})
    token = admin.token
    gateway = gateway_of(kind, world, daemon.address).start()
    try:
        with Client(gateway, token) as c:
            assert c.ask().status == 200
            daemon.stop()
            if kind == "nginx-cached":
                iamd.wait_until(lambda: c.ask().status != 200, timeout=5, what="the cached yes to end")
            mark = len(world.service.seen)
            for _ in range(5):
                assert c.ask().status in CLOSED
                with Client(gateway, token) as another:
                    assert another.ask("/service/hello/another").status in CLOSED
            assert world.service.since(mark) == []
            daemon.start()
        with Client(gateway, token) as c:
            iamd.wait_until(lambda: c.ask().status == 200, what="the gateway to find iamd again")
    finally:
        gateway.close()
        daemon.stop()


def handshake(token, target="/service/hello/ws"):
    key = base64.b64encode(os.urandom(16)).decode()
    return wire.request_bytes("GET", target, [
        ("Authorization", f"token={token}"), ("Upgrade", "websocket"), ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", key)])


def frame(text):
    return bytes([0x81, 0x80 | len(text)]) + b"\0\0\0\0" + text


def test_a_websocket_opens_for_who_has_a_right_alone(gateway, world, client):
    c = client().connection
    c.send(handshake(world.alice))
    assert c.stream.readline().startswith(b"HTTP/1.1 101")
    while c.stream.readline().strip():
        pass
    for text in (b"hello", b"again"):
        c.send(frame(text))
        assert c.stream.read(2 + len(text)) == bytes([0x81, len(text)]) + text
    mark = len(world.service.seen)
    assert client().connection.ask(handshake(world.bob)).status == 403
    assert client().connection.ask(handshake("no.good.token")).status == 401
    assert world.service.since(mark) == []


def test_connections_to_iamd_are_kept(tapped, world):
    before, asked = world.tap.connections, len(world.tap.questions)
    with Client(tapped, world.alice) as c:
        for _ in range(200):
            assert c.ask().status == 200
    assert len(world.tap.questions) - asked == 200, "one question a request"
    # Apache keeps one a thread; Caddy must keep none (see its recipe).
    assert world.tap.connections - before <= {"apache": 136, "caddy": 200}.get(tapped.kind, 20)


def test_a_question_holds_nothing_of_the_client_but_the_token(tapped, world):
    mark = len(world.tap.questions)
    with Client(tapped, world.alice) as c:
        c.ask("/service/hello/q", "POST", headers=[("X-Iam-At-Least", "999999"), ("Upgrade", "h2c"), ("X-Request-Id", "abcdefgh1")],
              body=b"some body")
    (question,) = world.tap.questions[mark:]
    assert question.all("x-original-method") == ["POST"] and question.all("x-original-uri") == ["/service/hello/q"]
    assert question.first("content-length") in (None, "0") and not question.first("transfer-encoding")
    for name in ("x-iam-at-least", "upgrade", "x-forwarded-method"):
        assert question.all(name) == [], name
    assert question.all("authorization") == [f"token={world.alice}"]


@pytest.mark.parametrize("upgrades", [["h2c"], ["H2C"], ["websocket, h2c"], ["h2c, websocket"], ["h2c", "websocket"],
                                      ["websocket", "h2c"], ["TLS/1.0"], ["websocket2"]], ids=" and ".join)
def test_no_upgrade_but_to_websocket_arrives(gateway, world, upgrades):
    """After one to h2c the client would speak to the service past the gateway, as whomever it likes."""
    mark = len(world.service.seen)
    with Client(gateway, world.alice) as c:
        c.ask(headers=[("Upgrade", u) for u in upgrades] + [("Connection", "Upgrade, HTTP2-Settings, X-Iam-User"),
                                                           ("HTTP2-Settings", "AAMAAABkAAQAAP__")])
    for seen in world.service.since(mark):
        assert seen.all("upgrade") in ([], ["websocket"]) and seen.all("http2-settings") == []
        assert not re.search("http2|iam", seen.first("connection") or "", re.I), seen.headers
        assert seen.all("x-iam-user") == ["alice"]


def test_a_browser_is_sent_to_log_in_whatever_its_query(gateway, world):
    for query in ("redirect=1", "redirect=0&redirect=2", "rid=x&action=full"):
        with Client(gateway) as c:
            answer = c.ask(f"/service/hello/x?{query}", headers=[("Accept", "text/html"), ("Sec-Fetch-Mode", "navigate")])
        assert answer.status == 302, answer
        assert answer.header("location").endswith(urllib.parse.quote(f"/service/hello/x?{query}", safe="")), answer


async def read_answer(reader):
    """(status, does the connection end)"""
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
    if b"content-length" in fields:
        await reader.readexactly(int(fields[b"content-length"]))
    elif b"chunked" in fields.get(b"transfer-encoding", b""):
        await reader.readuntil(b"0\r\n\r\n")
    return int(head.split()[1]), fields.get(b"connection") == b"close"


async def one_client(address, token, expected, rounds):
    request = wire.request_bytes("GET", "/service/hello/many", [("Authorization", f"token={token}")])
    writer = None
    for _ in range(rounds):
        for may_be_idle in (writer is not None, False):
            if writer is None:
                reader, writer = await asyncio.open_connection(*address)
            try:
                writer.write(request)
                status, ends = await read_answer(reader)
            except (asyncio.IncompleteReadError, ConnectionError) as lost:
                writer.close()
                writer = None
                # A kept connection may be closed as idle at any time; a fresh one may not.
                assert may_be_idle and not getattr(lost, "partial", b""), "no answer on a fresh connection"
                continue
            break
        assert status == expected
        if ends:
            writer.close()
            writer = None
    if writer is not None:
        writer.close()


def test_a_thousand_clients_at_once_each_get_their_own_answer(every, world):
    async def all_of_them():
        callers = [(world.alice, 200), (world.bob, 403)]
        await asyncio.gather(*(one_client(every.address, *callers[i % 2], rounds=3) for i in range(1000)))

    mark = len(world.service.seen)
    asyncio.run(all_of_them())
    seen = world.service.since(mark)
    # A GET may be repeated, by a client or a gateway whose kept connection was just closed.
    assert 1500 <= len(seen) <= 1600
    odd = [(s.method, s.target, s.headers) for s in seen if s.first("x-iam-user") != "alice"]
    assert not odd, odd


def load(address, token, path):
    """(a running wrk, which ends by itself)"""
    return subprocess.Popen(["wrk", "-t1", "-c200", "-d4s", "-H", f"Authorization: token={token}",
                             "http://%s:%d%s" % (*address, path)], stdout=subprocess.PIPE, text=True)


def counts(running):
    """(answers, how many of them were no 2xx)"""
    out = running.communicate(timeout=60)[0]
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    return int(re.search(r"(\d+) requests in", out).group(1)), int(refused.group(1)) if refused else 0


def test_under_load_every_question_reaches_iamd_and_nobody_else(every, world):
    """Caddy 2.6 with kept connections once in some thousand requests asked the service instead."""
    mark = len(world.service.seen)
    may, may_not = load(every.address, world.alice, "/service/hello/may"), load(every.address, world.bob, "/service/hello/not")
    answers, refused = counts(may_not)
    counts(may)
    assert 0 < answers == refused
    odd = [(s.method, s.target, s.headers) for s in world.service.since(mark)
           if s.first("x-iam-user") != "alice" or not s.target.endswith(b"/may")]
    assert not odd, odd[:3]


def test_the_cached_variant_is_late_by_its_stated_delay_and_no_more(cached, world):
    uid, token = world.new_user()
    with Client(cached, token) as c:
        assert c.ask().status == 200
        world.forbid(uid)
        ends = time.monotonic() + 2
        iamd.wait_until(lambda: c.ask().status == 403, timeout=4, what="the removal to be seen")
        assert time.monotonic() <= ends + 0.5
        world.allow(uid)
        assert c.ask().status == 200, "a no is not remembered"


def test_the_cached_variant_keeps_callers_paths_and_methods_apart(cached, world):
    with Client(cached) as c:
        for _ in range(3):
            assert c.ask(token=world.alice).status == 200
            assert c.ask(token=world.bob).status == 403
            assert c.ask().status == 401
            assert c.ask("/service/other/x", token=world.alice).status == 403
            assert c.ask(method="POST", body=b"", token=world.bob).status == 403
            assert dict(c.ask(token=world.alice).json()["headers"])["x-iam-user"] == "alice"


def test_the_cached_variant_writes_no_token_to_disk(cached, world):
    with Client(cached, world.alice) as c:
        assert c.ask().status == 200
        assert c.ask(headers=[("Cookie", f"dcos-acs-auth-cookie={world.alice}")]).status == 200
    files = [p for p in (cached.directory / "cache").rglob("*") if p.is_file()]
    assert files, "nothing was cached: this test shows nothing"
    for path in files:
        assert world.alice.rsplit(".", 1)[1].encode() not in path.read_bytes()


def test_the_cache_is_off_by_default():
    text = (gateways.RECIPES / "nginx" / "nginx.conf").read_text()
    used = [line.split("#")[0] for line in text.splitlines()]
    assert any("iamd-server.conf" in line for line in used) and not any("cache" in line for line in used)


class Confused(serving.Loop):
    """Something at iamd's address that is not iamd, or not well. No real one can be made to answer so."""

    answer = b""

    async def talk(self, reader, writer):
        while True:
            await reader.readuntil(b"\r\n\r\n")
            if self.answer is None:
                await asyncio.sleep(60)
            writer.write(self.answer)
            await writer.drain()
            if not self.answer.startswith(b"HTTP/1.1") or b"\r\n\r\n" not in self.answer:
                return


ANSWERS = {
    "nothing": b"", "silence": None, "garbage": b"\0\1\2\r\n\r\n", "another protocol": b"220 mail ESMTP\r\n\r\n", "half a status": b"HTTP/1.1 2",
    "half a head": b"HTTP/1.1 200 OK\r\nX-Iam-User: al", "404": b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    "500": b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", "503": b"HTTP/1.1 503 Oh\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
    **{status: f"HTTP/1.1 {status} Oh\r\nContent-Length: 0\r\n\r\n".encode() for status in ("400", "414", "431")},
    "429": b"HTTP/1.1 429 Oh\r\nContent-Length: 0\r\n\r\n", "301": b"HTTP/1.1 301 Oh\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
    "304": b"HTTP/1.1 304 Oh\r\n\r\n", "status 20": b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n", "status 2000": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("kind", STRICT)
def test_whatever_is_wrong_with_iamd_nothing_passes(kind, world):
    confused = Confused()
    gateway = gateway_of(kind, world, confused.address).start()
    mark = len(world.service.seen)
    try:
        for name, confused.answer in ANSWERS.items():
            with Client(gateway, world.alice) as c:
                c.connection.send(wire.request_bytes("GET", "/service/hello/confused", [("Connection", "close")]))
                answer = c.connection.receive()
            assert answer is None or answer.status >= 300, f"{name}: {answer}"
            assert world.service.since(mark) == [], name
        confused.answer = b"HTTP/1.1 200 OK\r\nX-Iam-User: x\r\nX-Iam-Revision: 1\r\nContent-Length: 0\r\n\r\n"
        with Client(gateway) as c:
            iamd.wait_until(lambda: c.ask("/service/hello/confused").status == 200, what="a yes after all that")
    finally:
        gateway.close()
        confused.close()


@pytest.mark.parametrize("kind,broken", [(k, b) for k in ("haproxy", "apache") for b in ("error('x')", "syntax error here", "return nil")])
def test_an_error_in_a_script_is_closed(kind, broken, world):
    gateway = gateway_of(kind, world, world.daemon.address)
    script = gateway.directory / "recipe" / "iamd.lua"
    before = "function check(r)\n" if kind == "apache" else 'core.register_action("iamd_check", { "http-req" }, function(txn)\n'
    text = script.read_text()
    assert text.count(before) == 1
    script.write_text(text.replace(before, before + f"    if true then {broken} end\n"))
    mark = len(world.service.seen)
    try:
        try:
            gateway.start()
        except AssertionError:
            return  # it does not even start
        for _ in range(3):
            with Client(gateway, world.alice) as c:
                answer = c.ask()
            assert answer.status >= 400, answer
        assert world.service.since(mark) == []
    finally:
        gateway.close()


@pytest.mark.parametrize("name,request_", [
    ("HTTP/1.0", b"GET /service/hello/odd HTTP/1.0\r\n%s\r\n"),
    ("HTTP/1.0 with Host", b"GET /service/hello/odd HTTP/1.0\r\nHost: x\r\n%s\r\n"),
    ("no Host", b"GET /service/hello/odd HTTP/1.1\r\nConnection: close\r\n%s\r\n"),
    ("two Hosts", b"GET /service/hello/odd HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n%s\r\n"),
    ("an odd method", b"FROB /service/hello/odd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n"),
    ("a small method", b"get /service/hello/odd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n"),
    ("folded header", b"GET /service/hello/odd HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-A: b\r\n X-Iam-User: root\r\n%s\r\n"),
    ("space before the colon", b"GET /service/hello/odd HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Iam-User : root\r\n%s\r\n"),
    ("bare LF", b"GET /service/hello/odd HTTP/1.1\nHost: x\nConnection: close\nX-Iam-User: root\n%s\n"),
    ("two lengths", b"POST /service/hello/odd HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\nContent-Length: 5\r\n%s\r\nhello"),
    ("length and chunks", b"POST /service/hello/odd HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n%s\r\n"
                          b"0\r\n\r\nGET /service/hello/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("CONNECT", b"CONNECT /service/hello/odd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n"),
    ("CONNECT host", b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\nConnection: close\r\n%s\r\n"),
    ("TRACE", b"TRACE /service/hello/odd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n"),
    ("h2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n%s"),
])
def test_odd_requests_pass_only_as_who_they_are(gateway, world, client, name, request_):
    """With alice's token nothing but her own request arrives; with bob's or none, nothing at all."""
    for token, may_pass in ((world.bob, False), (None, False), (world.alice, True)):
        mark = len(world.service.seen)
        c = client().connection
        line = b"Authorization: token=" + token.encode() + b"\r\n" if token else b""
        c.send(request_.replace(b"%s", line))
        c.sock.settimeout(3)
        try:
            c.receive()
        except TimeoutError:
            pass  # it waits for more
        seen = world.service.since(mark)
        assert len(seen) <= may_pass, f"{name}: {[s.target for s in seen]}"
        for s in seen:
            assert s.target == b"/service/hello/odd"[len(gateway.strip):] and s.all("x-iam-user") == ["alice"]


def test_of_two_tokens_the_service_learns_the_one_that_was_judged(gateway, world, client):
    for first, second in ((world.alice, world.bob), (world.bob, world.alice)):
        mark = len(world.service.seen)
        client().ask(headers=[("Authorization", f"token={first}"), ("Authorization", f"token={second}")])
        assert [s.first("x-iam-user") for s in world.service.since(mark)] in ([], ["alice"])
        client().ask(headers=[("Authorization", f"token={first}"), ("Cookie", f"dcos-acs-auth-cookie={second}")])
        assert [s.first("x-iam-user") for s in world.service.since(mark)] in ([], ["alice"], ["alice", "alice"])


def test_pipelined_requests_are_each_judged(gateway, world, client):
    mark = len(world.service.seen)
    c = client().connection
    tokens = [world.alice, world.bob, world.alice, "bad", world.alice]
    c.send(b"".join(wire.request_bytes("GET", f"/service/hello/p{i}", [("Authorization", f"token={t}")]) for i, t in enumerate(tokens)))
    assert [c.receive().status for _ in tokens] == [200, 403, 200, 401, 200]
    assert [s.target[-2:] for s in world.service.since(mark)] == [b"p0", b"p2", b"p4"]


def test_the_router_finds_the_service_by_its_whole_name(world):
    gateway = gateway_of("dcos-router", world, world.daemon.address)
    gateways.replace(gateway.directory / "recipe", [("127.0.0.1:8001", f"127.0.0.1:{iamd.free_port()}")])
    wiki = "dcos:adminrouter:service:tools%252Fwiki"
    world.admin.expect(201, "PUT", f"/acls/{wiki}", {"description": "in a group"})
    world.admin.expect(204, "PUT", f"/acls/{wiki}/users/alice/full")
    try:
        gateway.start()
        with Client(gateway, world.alice) as c:
            slash = c.ask("/service/hello")
            assert (slash.status, slash.header("location").split("/", 3)[3]) == (308, "service/hello/")
            for target in ("/service/hello?", "/service/hello?x=/y", "/service/hellox/", "/service/hell/", "/service/", "/"):
                assert c.ask(target).status == 404, target
            # Nobody listens there: 502 is the service's door, behind the decision.
            assert c.ask("/service/tools/wiki/x").status == 502
            assert c.ask("/service/tools/wiki/x", token=world.bob).status == 403
            assert c.ask("/service/tools/", token=world.alice).status == 404
            assert c.ask("/acs/api/v1/users/alice").status == 200
            assert c.ask("/acs/api/v1/users/bob").status == 403
            assert c.ask("/acs/api/v1/users", token="bad").status == 401
    finally:
        gateway.close()
        world.admin.expect(204, "DELETE", f"/acls/{wiki}")
