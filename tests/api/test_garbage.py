"""Requests with random damage: never a 5xx, never a crash, and the next caller is served."""
import json
import os
import random
import socket

import pytest

import keys
import wire

ROUNDS = 20000 if os.environ.get("IAMD_TEST_LONG") == "1" else 1000
JSON = ("Content-Type", "application/json")
PIECES = [b"\0", b"\xff", b"\xc3", b"%", b"%00", b"%2F", b"%252F", b"\r\n", b"\n", b"\r", b"\t", b":", b"/", b"//", b"?",
          b"&", b"=", b"#", b"..", b"{", b"}", b"[", b"]", b'"', b"\\", b"\\u0000", b"\\ud800", b",", b"null", b"true",
          b"-1", b"1e999", b"9" * 40, b"A" * 300, b" ", b";", b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n",
          b"Host: b\r\n", b"Expect: 100-continue\r\n", b"Connection: upgrade\r\n", b"token=", b"Bearer ", b"0x10",
          "é\u202e\U0001f600".encode()]


def damage(data, dice):
    data = bytearray(data)
    for _ in range(dice.choice((1, 1, 1, 2, 3, 8))):
        at = dice.randrange(len(data) + 1)
        kind = dice.randrange(6)
        if kind == 0:
            data[at:at] = dice.choice(PIECES)
        elif kind == 1:
            del data[at:at + dice.randrange(1, 12)]
        elif kind == 2 and at < len(data):
            data[at] = dice.randrange(256)
        elif kind == 3:
            data[at:at + dice.randrange(20)] = dice.choice(PIECES)
        elif kind == 4:
            start = dice.randrange(len(data) + 1)
            data[at:at] = data[start:start + dice.randrange(40)]
        else:
            data = data[:at] + data[dice.randrange(at, len(data) + 1):]
        if not data:
            data = bytearray(b"G")
    return bytes(data)


TOKEN = "T@KEN"  # the token is filled in after the damage: else most of it would hit that


def samples(service):
    auth = ("Authorization", f"token={TOKEN}")
    service_token = keys.rsa_key().service_token(service)

    def put(method, path, document, *headers):
        return wire.request_bytes(method, wire.API + path, [JSON, *headers], json.dumps(document).encode())

    return [
        put("POST", "/auth/login", {"uid": "u", "password": "p"}),
        put("POST", "/auth/login", {"uid": service, "token": service_token, "exp": 1999999999}),
        put("PUT", "/users/g1", {"password": "long enough", "description": "d"}, auth),
        put("PUT", "/users/g2", {"provider_type": "oidc", "provider_id": "x"}, auth),
        put("PUT", "/users/g3", {"public_key": keys.rsa_key().public_pem}, auth),
        put("PATCH", f"/users/{service}", {"description": "d"}, auth),
        put("POST", "/auth/revoke", {"token": "a.b.c"}, auth),
        wire.request_bytes("DELETE", wire.API + "/users/g1/tokens", [auth]),
        wire.request_bytes("GET", wire.API + "/users?limit=3&after=a&q=x&type=service&fields=all", [auth]),
        wire.request_bytes("GET", wire.API + f"/users/{service}/permissions", [auth]),
        put("PUT", "/groups/g1", {"description": "d", "provider_type": "ldap"}, auth),
        put("PATCH", "/groups/superusers", {"description": "d"}, auth),
        wire.request_bytes("PUT", wire.API + f"/groups/superusers/users/{service}", [auth, JSON, ("Content-Length", "0")]),
        wire.request_bytes("PUT", wire.API + "/groups/g1/groups/superusers", [auth]),
        wire.request_bytes("DELETE", wire.API + "/groups/g1/groups/superusers", [auth]),
        wire.request_bytes("DELETE", wire.API + "/groups/superusers/users/bootstrapuser", [auth]),
        wire.request_bytes("GET", wire.API + "/groups/g1/users?effective=true&type=service&limit=2&after=a", [auth]),
        wire.request_bytes("GET", wire.API + "/groups?limit=3&after=a&q=x", [auth]),
        put("PUT", "/acls/app:x%252Fy", {"description": "d"}, auth),
        put("PATCH", "/acls/dcos:superuser", {"description": "d"}, auth),
        wire.request_bytes("PUT", wire.API + f"/acls/dcos:superuser/users/{service}/full", [auth, JSON, ("Content-Length", "0")]),
        wire.request_bytes("PUT", wire.API + "/acls/dcos:superuser/groups/superusers/read", [auth]),
        wire.request_bytes("DELETE", wire.API + "/acls/dcos:superuser/groups/superusers", [auth]),
        wire.request_bytes("GET", wire.API + "/acls/app:x%2Fy/users/bootstrapuser/create", [auth]),
        wire.request_bytes("GET", wire.API + "/acls?limit=3&after=%C3%A9&q=x", [auth]),
        wire.request_bytes("GET", wire.API + "/auth/login?oidc-provider=x&target=/", [("Accept", "text/html,*/*")]),
        wire.request_bytes("GET", wire.API + "/auth/logout", [("Cookie", f"a=b; dcos-acs-auth-cookie={TOKEN}"),
                                                              ("Sec-Fetch-Site", "cross-site")]),
        wire.request_bytes("GET", "/metrics", [auth]),
        wire.request_bytes("POST", wire.API + "/auth/login", [JSON, ("Transfer-Encoding", "chunked")],
                           wire.chunked(b'{"uid": "u", "password": "p"}')),
        wire.request_bytes("GET", wire.API + "/users/u", [("Cookie", f"dcos-acs-auth-cookie={TOKEN}"),
                                                          ("X-Forwarded-For", "1.2.3.4, ::1"), ("Origin", "http://x")]),
    ]


def exchange(daemon, data):
    try:
        with wire.Connection(daemon.address, timeout=0.3) as c:
            c.send(data)
            c.sock.shutdown(socket.SHUT_WR)  # what is cut short does not make us wait
            return c.receive("HEAD" if data.startswith(b"HEAD") else "GET")
    except (OSError, ValueError):
        return None


@pytest.mark.parametrize("seed", range(4))
def test_damaged_requests_are_never_a_5xx(new_daemon, seed):
    dice = random.Random(seed)
    daemon = new_daemon(api_access="gateway" if seed == 3 else "enforce", drain_timeout=1).start()
    daemon.superuser().expect(201, "PUT", "/users/svc", {"public_key": keys.rsa_key().public_pem})
    requests = samples("svc")
    token = daemon.login().encode()
    for _ in range(ROUNDS // 4):
        data = damage(dice.choice(requests), dice).replace(TOKEN.encode(), token)
        answer = exchange(daemon, data)
        assert answer is None or answer.status < 500 or answer.status == 505, (data, answer)
        assert daemon.running(), (data, daemon.log()[-3000:])
    daemon.tokens.clear()  # a damaged request may well put a token into the path
    assert daemon.client().get("/auth/jwks").status == 200
    assert daemon.sql("PRAGMA integrity_check") == [("ok",)]
    assert daemon.sql("SELECT count(*) FROM acls WHERE rid = '' OR length(CAST(rid AS BLOB)) > 1024 OR rid GLOB '*[ %?#\\]*'"
                      ) == [(0,)]
    assert daemon.sql("SELECT count(*) FROM groups WHERE gid = '' OR length(gid) > 64 OR gid GLOB '*[^a-zA-Z0-9_@.-]*'"
                      ) == [(0,)]
    assert daemon.sql("SELECT count(*) FROM users WHERE uid = '' OR length(uid) > 96 OR uid GLOB '*[^a-zA-Z0-9_@.-]*'"
                      ) == [(0,)]
