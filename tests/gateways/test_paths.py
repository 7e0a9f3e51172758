"""Whatever the spelling of a path: iamd is asked about the bytes that the service is then asked for."""
import re
import urllib.parse

import pytest

from conftest import Client

BASE = b"/service/hello"
# Each could be read as something else than what lies below BASE, by somebody.
TRICKY = [BASE + t for t in (
    b"/../admin", b"/%2e%2e/admin", b"/%2E%2E/admin", b"/.%2e/admin", b"/..%2fadmin", b"/..%2Fadmin", b"/%2e%2e%2fadmin",
    b"/%252e%252e/admin", b"/..%252fadmin", b"/%%32%65%%32%65/admin", b"//admin", b"///", b"/a//b", b"/./a", b"/%2e/a", b"/a/.", b"/a/..",
    b"/..", b"/../", b"/..;/admin", b"/;/../admin", b"/a;b=c/../../admin", b"/a;jsessionid=1", b"/%3b/a", b"/..%3b/admin", b"/%2Fadmin",
    b"/a%2Fb", b"/a%2fb", b"%2Fadmin", b"%2f..%2fadmin", b"/..\\admin", b"\\..\\admin", b"/..%5cadmin", b"/%5c..%5cadmin", b"/a\\b", b"/%00",
    b"/a%00b", b"/%00/../admin", b"/%", b"/%2", b"/%zz", b"/%u002e%u002e/admin", b"/%c0%ae%c0%ae/admin", b"/%c0%af", b"/%ff",
    b"/%e0%80%ae", b"/%0d%0aX-Iam-User:%20root", b"/%0a", b"/%09", b"/%7f", b"/%ef%bc%8f..", b"/#/../admin", b"/..#", b"/a#b",
    b";/../admin", b";a", b"/.../a", b"/..../a", b"/. ./a".replace(b" ", b"%20"), b"/%20../a", b"/..%20/a", b"/..%09/admin")] + [
    b"/service/../service/hello/x", b"/service//hello/x", b"//service/hello/x", b"/./service/hello/x", b"/x/../service/hello/x",
    b"/%2e%2e/service/hello/x", b"/service%2fhello/x", b"/service/hello%2f..%2fadmin", b"/service/%68ello/x", b"/%73ervice/hello/x",
    b"\\service\\hello\\x", b"/service\\hello/x", b"/service/hello/x/../../../admin", b"/service/HELLO/x", b"/SERVICE/hello/x",
    b"/service/hello.", b"/service/hello/..%00/", b"/service/helloX", b"/service/hello%20", b"/service/hello%09/x", b"/service/admin",
    b"/service/admin/../hello/", b"/service/admin/%2e%2e/hello/", b"/service/;/hello/", b"/service/hello/?x=/../admin",
    b"/?/service/hello/", b"/service/hello?/../admin", b"/acs/api/v1/../../../service/hello/", b"/_iamd/check", b"/%5fiamd/check",
    b"*", b"service/hello/", b"http://other/service/hello/", b"http://other/../service/hello/x", b"http:/service/hello/",
]
# Unusual, and harmless.
PLAIN = [BASE + t for t in (
    b"/", b"/a", b"/a/b/c/", b"/a%20b", b"/a+b", b"/%41", b"/%C3%A9", b"/%e2%82%ac", b"/~a_b-c.d", b"/a.b", b"/..a", b"/a..", b"/a..b", b"/.well-known/x",
    b"/a:b@c", b"/(a)!*'", b"/$&,=", b"/?", b"/?a=b", b"/?u=http://x/../y", b"/x?y=%2e%2e%2f&z=//", b"/x?a;b\\c", b"/x?%00")]


def resolved(path):
    """Its segments as a lenient server reads them: \\ as /, ; and NUL end a segment, dots resolved."""
    out = []
    for segment in path.replace(b"\\", b"/").split(b"/")[1:]:
        segment = segment.split(b";")[0].split(b"\0")[0]
        if segment == b"..":
            out = out[:-1]
        elif segment not in (b"", b"."):
            out.append(segment)
    return out


def below_base(target):
    """Decoded once, as HTTP has it: below BASE even for a lenient reader."""
    path = target.split(b"?")[0].split(b"#")[0]
    if any(s in (b"..", b".") for s in path.split(b"/")):
        return False
    return resolved(urllib.parse.unquote_to_bytes(path))[:2] == [b"service", b"hello"]


def ask(gateway, world, target):
    """(answer, what iamd was asked about, what the service was asked for)"""
    questions, requests = len(world.tap.questions), len(world.service.seen)
    with Client(gateway, world.alice) as c:
        c.connection.send(b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                          b"Authorization: token=" + world.alice.encode() + b"\r\n\r\n")
        answer = c.connection.receive()
    asked = [q.first("x-original-uri").encode("latin-1") for q in world.tap.questions[questions:] if q.first("x-original-uri")]
    return answer, asked, [gateway.strip.encode() + s.target for s in world.service.since(requests)]


def same_bytes(gateway, sent, seen):
    """Caddy writes a path anew where the client left out an escape; it must mean the same."""
    sent = re.sub(rb"^http:(//[^/]*)?", b"", sent)  # RFC 9112 section 3.2.2: only the path is passed on
    if sent == seen:
        return True
    return gateway.kind == "caddy" and urllib.parse.unquote_to_bytes(sent) == urllib.parse.unquote_to_bytes(seen)


@pytest.mark.parametrize("target", TRICKY, ids=lambda t: t.decode("latin-1"))
def test_iamd_and_the_service_see_the_same_path_or_nobody_does(tapped, world, target):
    answer, asked, arrived = ask(tapped, world, target)
    if not arrived:
        assert answer is None or answer.status >= 300, "refused without an error"
        return
    assert answer.status == 200 and arrived == asked, "the service was asked for something else than iamd"
    assert below_base(arrived[0]), f"{target} came through as {arrived}"
    assert same_bytes(tapped, target, arrived[0])


@pytest.mark.parametrize("target", PLAIN, ids=lambda t: t.decode("latin-1"))
def test_an_ordinary_path_arrives_as_it_was_sent(tapped, world, target):
    answer, asked, arrived = ask(tapped, world, target)
    assert answer.status == 200, answer
    assert arrived == asked and same_bytes(tapped, target, arrived[0])


@pytest.mark.parametrize("byte", [0x01, 0x08, 0x0b, 0x1f, 0x20, 0x22, 0x3c, 0x5b, 0x5e, 0x60, 0x7b, 0x7c, 0x7f, 0x80, 0xa0, 0xe9, 0xff])
def test_a_raw_byte_in_a_path_is_refused_or_seen_by_both(tapped, world, byte):
    target = BASE + b"/a" + bytes([byte]) + b"b"
    answer, asked, arrived = ask(tapped, world, target)
    if arrived:
        assert arrived == asked and below_base(arrived[0])
    else:
        assert answer is None or answer.status >= 300


def test_a_long_path_is_judged_or_refused(tapped, world):
    for length in (1000, 4000, 7000, 20000, 70000):
        target = BASE + b"/" + b"a" * length
        answer, asked, arrived = ask(tapped, world, target)
        if arrived:
            assert answer.status == 200 and arrived == asked == [target]
        else:
            assert answer is None or answer.status >= 400
