"""Requests that two servers could read differently are refused and their connection closed."""
import pytest

import wire

START = b"GET /acs/api/v1/auth/jwks HTTP/1.1\r\n"
HOST = b"Host: localhost\r\n"
LOGIN = b"POST /acs/api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
BODY = b'{"uid":"u","password":"x"}'
CHUNKED_BODY = wire.chunked(BODY)
NEXT = b"GET /acs/api/v1/auth/providers HTTP/1.1\r\nHost: localhost\r\n\r\n"


def controls():
    return [c for c in range(0x20) if c not in (0x09, 0x0a, 0x0d)] + [0x7f]


REFUSED = {
    "two Content-Length that differ": LOGIN + b"Content-Length: 26\r\nContent-Length: 2\r\n\r\n" + BODY,
    "two equal Content-Length": LOGIN + b"Content-Length: 26\r\nContent-Length: 26\r\n\r\n" + BODY,
    "Content-Length list": LOGIN + b"Content-Length: 26, 26\r\n\r\n" + BODY,
    "Content-Length plus sign": LOGIN + b"Content-Length: +26\r\n\r\n" + BODY,
    "Content-Length minus sign": LOGIN + b"Content-Length: -26\r\n\r\n" + BODY,
    "Content-Length hex": LOGIN + b"Content-Length: 0x1a\r\n\r\n" + BODY,
    "Content-Length empty": LOGIN + b"Content-Length: \r\n\r\n" + BODY,
    "Content-Length with a blank inside": LOGIN + b"Content-Length: 2 6\r\n\r\n" + BODY,
    "Content-Length beyond 64 bits": LOGIN + b"Content-Length: 99999999999999999999999\r\n\r\n" + BODY,
    "Content-Length with Transfer-Encoding":
        LOGIN + b"Content-Length: 26\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKED_BODY,
    "Transfer-Encoding with Content-Length":
        LOGIN + b"Transfer-Encoding: chunked\r\nContent-Length: 26\r\n\r\n" + CHUNKED_BODY,
    "a blank before the colon of Transfer-Encoding":
        LOGIN + b"Transfer-Encoding : chunked\r\n\r\n" + CHUNKED_BODY,
    "a blank before the colon of Content-Length": LOGIN + b"Content-Length : 26\r\n\r\n" + BODY,
    "a blank before any colon": START + HOST + b"X-A : b\r\n\r\n",
    "a tab before a colon": START + HOST + b"X-A\t: b\r\n\r\n",
    "Transfer-Encoding twice":
        LOGIN + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKED_BODY,
    "Transfer-Encoding identity": LOGIN + b"Transfer-Encoding: identity\r\n\r\n" + BODY,
    "Transfer-Encoding gzip, chunked": LOGIN + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + CHUNKED_BODY,
    "Transfer-Encoding xchunked": LOGIN + b"Transfer-Encoding: xchunked\r\n\r\n" + CHUNKED_BODY,
    "two Hosts": START + HOST + HOST + b"\r\n",
    "two different Hosts": START + HOST + b"Host: other\r\n\r\n",
    "no Host in HTTP/1.1": START + b"\r\n",
    "absolute-form target": b"GET http://localhost/acs/api/v1/auth/jwks HTTP/1.1\r\n" + HOST + b"\r\n",
    "authority-form target": b"CONNECT localhost:80 HTTP/1.1\r\n" + HOST + b"\r\n",
    "target without a slash": b"GET acs/api/v1/auth/jwks HTTP/1.1\r\n" + HOST + b"\r\n",
    "%00 in the path": b"GET /acs/api/v1/auth/jwks%00x HTTP/1.1\r\n" + HOST + b"\r\n",
    "%00 in a segment": b"GET /acs/api/v1/users/a%00 HTTP/1.1\r\n" + HOST + b"\r\n",
    "folded header": START + HOST + b"X-A: b\r\n c\r\n\r\n",
    "folded header with a tab": START + HOST + b"X-A: b\r\n\tc\r\n\r\n",
    "folded Transfer-Encoding": LOGIN + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + CHUNKED_BODY,
    "header without a colon": START + HOST + b"X-A\r\n\r\n",
    "header without a name": START + HOST + b": b\r\n\r\n",
    "a blank in a header name": START + HOST + b"X A: b\r\n\r\n",
    "a control in a header name": START + HOST + b"X\x01A: b\r\n\r\n",
    "a byte above ASCII in a header name": START + HOST + b"X\xe9A: b\r\n\r\n",
    "first header begins with a blank": START + b" X-A: b\r\n" + HOST + b"\r\n",
    "a control in the target": b"GET /acs/api/v1/auth/jwks\x01 HTTP/1.1\r\n" + HOST + b"\r\n",
    "no version": b"GET /acs/api/v1/auth/jwks\r\n" + HOST + b"\r\n",
    "an unknown version": b"GET /acs/api/v1/auth/jwks HTTP/3.7\r\n" + HOST + b"\r\n",
    "no HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64) + b"\r\n\r\n",
    "bad chunk size": LOGIN + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "negative chunk size": LOGIN + b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
    "chunk size beyond 64 bits": LOGIN + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 17 + b"\r\n{}\r\n",
    "chunk longer than said": LOGIN + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n",
}
REFUSED.update({f"control {c:#04x} in a header value": START + HOST + b"X-A: a%cb\r\n\r\n" % c
                for c in controls()})


@pytest.mark.parametrize("what", REFUSED)
def test_what_could_be_read_in_two_ways_is_refused_and_the_connection_closed(enforce, what):
    with wire.Connection(enforce.address, timeout=15) as c:
        answer = c.ask(REFUSED[what] + NEXT)
        assert answer is None or (400 <= answer.status < 500 or answer.status == 505), answer
        assert answer is None or answer.closed
        assert b"dcos-users" not in c.stream.read(), "a second answer came: the request was taken for two"
    assert enforce.client().get("/auth/jwks").status == 200


@pytest.mark.parametrize("what", ["Content-Length with Transfer-Encoding", "two Hosts", "two equal Content-Length",
                                  "absolute-form target", "%00 in the path", "folded header",
                                  "control 0x01 in a header value", "a blank before any colon"])
def test_the_sanitiser_answers_400(enforce, what):
    with wire.Connection(enforce.address) as c:
        answer = c.ask(REFUSED[what])
        assert answer.status == 400, answer
        assert c.is_closed()


@pytest.mark.parametrize("value", [b"a\tb", b"\ta", b"caf\xc3\xa9", b"\x80\xff", b"", b"a  b", b"\"'<>:;,"])
def test_tabs_and_bytes_above_ascii_are_fine_in_a_header_value(enforce, value):
    with wire.Connection(enforce.address) as c:
        answer = c.ask(START + HOST + b"User-Agent: " + value + b"\r\n\r\n")
        assert answer.status == 200
        assert c.ask(START + HOST + b"\r\n").status == 200


@pytest.mark.parametrize("data", [
    b"\r\n" + START + HOST + b"\r\n",
    START + b"HOST:localhost\r\n\r\n",
    START + b"host:   localhost  \r\n\r\n",
    START + HOST + b"X-A: 1\r\nX-A: 2\r\n\r\n",
    START + HOST + b"Connection: keep-alive\r\n\r\n",
    b"GET /acs/api/v1/auth/jwks?a=%00 HTTP/1.1\r\n" + HOST + b"\r\n",
])
def test_unusual_but_clear_requests_are_served(enforce, data):
    with wire.Connection(enforce.address) as c:
        assert c.ask(data).status in (200, 400 if b"%00" in data else 200)


def test_a_refused_request_is_counted(enforce, admin):
    before = enforce.metric(r"iamd_\w*malformed\w*", admin)
    with wire.Connection(enforce.address) as c:
        c.ask(REFUSED["two Hosts"])
    assert enforce.metric(r"iamd_\w*malformed\w*", admin) > before
