"""Sizes: request line, headers, bodies; bodies in chunks, and bodies that never end."""
import json
import socket
import time

import pytest

import wire

JSON = ("Content-Type", "application/json")
CAP = 64 * 1024


def ask(daemon, *args, **kw):
    with wire.Connection(daemon.address) as c:
        return c.ask(wire.request_bytes(*args, **kw))


def test_a_request_line_of_8_kib_is_served_and_a_longer_one_is_not(enforce):
    line = "GET  HTTP/1.1\r\n"
    path = wire.API + "/auth/jwks?a="
    fits = path + "x" * (8192 - len(line) - len(path))
    assert ask(enforce, "GET", fits).status == 200
    assert ask(enforce, "GET", fits + "x" * 200).status in (414, 431, 400)
    answer = ask(enforce, "GET", path + "x" * 200_000)
    assert answer is None or 400 <= answer.status < 500


def test_headers_of_32_kib_are_served_and_more_are_431(enforce):
    def headers(total):
        return [(f"X-{i:03}", "v" * 1000) for i in range(total // 1009)]

    assert ask(enforce, "GET", wire.API + "/auth/jwks", headers(30 * 1024)).status == 200
    assert ask(enforce, "GET", wire.API + "/auth/jwks", headers(34 * 1024)).status == 431
    answer = ask(enforce, "GET", wire.API + "/auth/jwks", headers(300 * 1024))
    assert answer is None or 400 <= answer.status < 500


def test_many_small_headers_are_served(enforce):
    assert ask(enforce, "GET", wire.API + "/auth/jwks", [(f"x{i}", "") for i in range(90)]).status == 200


def login_body(size):
    frame = json.dumps({"uid": "u", "password": "w", "x": ""}).encode()
    return frame[:-2] + b"x" * (size - len(frame)) + frame[-2:]


def test_a_body_of_the_cap_is_read_and_one_byte_more_is_413(nobody):
    assert len(login_body(CAP)) == CAP
    answer = nobody.post("/auth/login", headers=[JSON], body=login_body(CAP))
    assert answer.code == "ERR_INVALID_CREDENTIALS"
    answer = nobody.post("/auth/login", headers=[JSON], body=login_body(CAP + 1))
    assert (answer.status, answer.code) == (413, "ERR_TOO_LARGE")


def test_a_chunked_body_over_the_cap_is_413(enforce):
    head = [JSON, ("Transfer-Encoding", "chunked")]
    for size, status in ((CAP, 401), (CAP + 1, 413)):
        answer = ask(enforce, "POST", wire.API + "/auth/login", head, wire.chunked(login_body(size), 4096))
        assert answer.status == status


@pytest.mark.parametrize("path, headers, status", [
    ("/auth/login", [("Accept", "text/html")], 406), ("/no/such/path", [], 404), ("/auth/jwks", [], 405),
])
def test_what_comes_before_the_size_is_said_first_however_the_body_comes(enforce, path, headers, status):
    for framing, body in (([("Transfer-Encoding", "chunked")], wire.chunked(login_body(CAP + 1), 4096)),
                          ([], login_body(CAP + 1))):
        answer = ask(enforce, "POST", wire.API + path, [JSON, *headers, *framing], body)
        assert answer.status == status


def test_a_password_of_a_mebibyte_is_413(nobody, admin, uid):
    for client, method, path in ((nobody, "POST", "/auth/login"), (admin, "PUT", f"/users/{uid}")):
        answer = client(method, path, {"uid": uid, "password": "p" * (1 << 20)})
        assert answer.status == 413


def test_gateway_mode_has_the_same_cap(gw, uid):
    answer = gw.put(f"/users/{uid}", {"password": "p" * CAP})
    assert (answer.status, answer.code) == (413, "ERR_TOO_LARGE")


def test_the_size_is_refused_before_the_body_is_sent(enforce):
    with wire.Connection(enforce.address) as c:
        head = wire.request_bytes("POST", wire.API + "/auth/login",
                                  [JSON, ("Content-Length", str(10 ** 9))])
        assert c.ask(head).status == 413
        assert c.is_closed()


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_chunked_body_is_read(enforce, admin, uid, size):
    body = json.dumps({"password": "long enough", "description": "in chunks"}).encode()
    head = [JSON, ("Transfer-Encoding", "chunked"), ("Authorization", f"token={admin.token}")]
    answer = ask(enforce, "PUT", f"{wire.API}/users/{uid}", head, wire.chunked(body, size))
    assert answer.status == 201
    assert admin.get(f"/users/{uid}").json()["description"] == "in chunks"


def test_a_chunked_body_with_trailers_and_extensions_is_read(enforce):
    body = b'1a;ext="x"\r\n{"uid":"u","password":"x"}\r\n0\r\nX-Trailer: y\r\n\r\n'
    answer = ask(enforce, "POST", wire.API + "/auth/login", [JSON, ("Transfer-Encoding", "chunked")], body)
    assert answer.status == 401


def test_an_empty_chunked_body_is_no_body(gateway):
    answer = ask(gateway, "PUT", wire.API + "/users/u", [JSON, ("Transfer-Encoding", "chunked")], b"0\r\n\r\n")
    assert answer.status == 400


def test_a_body_in_single_bytes_is_read(enforce):
    body = b'{"uid":"u","password":"x"}'
    data = wire.request_bytes("POST", wire.API + "/auth/login", [JSON], body)
    with wire.Connection(enforce.address) as c:
        for byte in data:
            c.sock.send(bytes([byte]))
        assert c.receive().status == 401


def test_expect_100_continue_is_honoured(enforce):
    body = b'{"uid":"u","password":"x"}'
    head = wire.request_bytes("POST", wire.API + "/auth/login",
                              [JSON, ("Expect", "100-continue"), ("Content-Length", str(len(body)))])
    with wire.Connection(enforce.address) as c:
        c.send(head)
        assert c.stream.readline().startswith(b"HTTP/1.1 100")
        assert c.stream.readline() == b"\r\n"
        assert c.ask(body).status == 401


@pytest.mark.parametrize("cut", [0, 1, 20, 60, 120])
def test_a_truncated_request_harms_nobody(enforce, admin, uid, cut):
    body = json.dumps({"password": "long enough"}).encode()
    whole = wire.request_bytes("PUT", f"{wire.API}/users/{uid}",
                               [JSON, ("Authorization", f"token={admin.token}")], body)
    part = whole[:cut] if cut < 120 else whole[:-1]
    with wire.Connection(enforce.address) as c:
        c.send(part)
        c.sock.shutdown(socket.SHUT_WR)
        answer = c.receive()
        assert answer is None or 400 <= answer.status < 500
    assert admin.get(f"/users/{uid}").code == "ERR_UNKNOWN_USER_ID"


def test_a_caller_who_goes_away_while_the_password_is_hashed_harms_nobody(enforce, user):
    body = json.dumps({"uid": user, "password": "correct horse battery"}).encode()
    for _ in range(20):
        with wire.Connection(enforce.address) as c:
            c.send(wire.request_bytes("POST", wire.API + "/auth/login", [JSON], body))
    time.sleep(0.2)
    assert enforce.login(user, "correct horse battery")


@pytest.mark.parametrize("fields", [8, 95])
def test_the_longest_request_line_and_the_most_header_bytes_are_served_together(enforce, fields):
    target = wire.API + "/auth/jwks?x="
    target += "a" * (8000 - len(target))
    headers = [(f"x{i:03d}", "b" * (32000 // fields - 8)) for i in range(fields)]
    assert ask(enforce, "GET", target, headers).status == 200
