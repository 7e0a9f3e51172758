"""Ordinary clients see of hostile_ldap what it was told to do."""
import socket
import subprocess
import time

import ldap3
import pytest
from ldap3.core import exceptions

import ber
import directories
from hostile_ldap import FAULTS, Hostile

BASE = "dc=example"
ENTRIES = {
    BASE: {"dc": ["example"]},
    f"uid=ann,{BASE}": {"uid": ["ann"], "cn": ["Ann"]},
    f"cn=crew,{BASE}": {"cn": ["crew"], "member": [f"uid=u{i},{BASE}" for i in range(3500)]},
}
ALL_TESTED = set()


def search(server, *args, query="(uid=ann)", seconds=20, starttls=False, env=None):
    """ldapsearch; None when it does not come to an end."""
    ALL_TESTED.add(server.fault.__name__ if server.fault else None)
    more = ["-ZZ"] if starttls else []
    scheme = "ldaps" if server.ldaps else "ldap"
    try:
        return directories.run("ldapsearch", "-x", "-LLL", "-o", "ldif-wrap=no", "-H", f"{scheme}://127.0.0.1:{server.port}",
                               *more, "-D", f"uid=ann,{BASE}", "-w", "secret", "-b", BASE, query, *args,
                               timeout=seconds, env=env or {})
    except subprocess.TimeoutExpired:
        return None


def code(server, **how):
    done = search(server, **how)
    return None if done is None else directories.Bound(done).code


def connection(server, seconds=20):
    return ldap3.Connection(ldap3.Server(server.host, port=server.port, get_info=ldap3.NONE, connect_timeout=seconds),
                            f"uid=ann,{BASE}", "secret", receive_timeout=seconds, auto_referrals=False)


def test_without_a_fault_it_is_a_server():
    with Hostile(entries=ENTRIES) as server:
        done = search(server)
        assert done.returncode == 0 and "cn: Ann" in done.stdout and "member" not in done.stdout
        assert [m.fields["dn"] for m in server.seen("bind")] == [f"uid=ann,{BASE}"]
        assert code(server, query="(&(cn=crew)(!(uid=ann)))") == 0
        with connection(server) as client:
            assert client.search(BASE, "(|(uid=ann)(uid=bob))", attributes=["cn"])
            assert client.entries[0].cn == "Ann"


def test_a_wrong_password_is_refused_when_one_is_set():
    with Hostile(entries=ENTRIES, password="other") as server:
        assert code(server) == 49


@pytest.mark.parametrize("ldaps", [False, True])
def test_it_speaks_tls(ca, ldaps):
    with Hostile(entries=ENTRIES, certificates=ca, ldaps=ldaps) as server:
        assert code(server, starttls=not ldaps, env={"LDAPTLS_CACERT": str(ca.ca)}) == 0
        assert server.seen("bind") and not server.seen_plain("bind")


@pytest.mark.parametrize("fault, at, seen", [
    ("silent", "connect", None), ("silent", "bind", None), ("silent", "search", None),
    ("close", "connect", -1), ("close", "bind", -1), ("close", "search", -1),
    ("reset", "connect", -1), ("reset", "bind", -1), ("reset", "search", -1),
    ("disconnect", "bind", -1), ("http", "bind", None), ("indefinite", "bind", -1),
    ("short_inside", "bind", -1), ("wrong_id", "bind", None), ("wrong_id", "search", None),
    ("long_length", "search", None), ("wrong_type", "bind", None), ("wrong_type", "search", None),
    ("referral", "bind", 10), ("referral", "search", 10),
    ("starttls_refused", "starttls", 52), ("starttls_stripped", "starttls", 2),
])
def test_what_ldapsearch_gets(fault, at, seen):
    with Hostile(fault, at=at, entries=ENTRIES) as server:
        got = code(server, starttls=at == "starttls", seconds=2 if seen is None else 20)
        assert got == seen
        if at == "starttls":
            assert server.seen("bind") == []


@pytest.mark.parametrize("fault", ["garbage", "deep"])
def test_nonsense_is_no_success(fault):
    with Hostile(fault, entries=ENTRIES) as server:
        assert code(server, seconds=2) != 0
        with pytest.raises(Exception):  # ldap3 lets its decoder's errors through
            connection(server, 2).bind()


@pytest.mark.parametrize("fault", ["silent", "wrong_id", "reset", "close"])
def test_what_ldap3_gets(fault):
    with Hostile(fault, entries=ENTRIES) as server:
        with pytest.raises(exceptions.LDAPExceptionError):
            connection(server, 2).bind()


def test_a_slow_answer_comes_byte_by_byte():
    with Hostile("slow", entries=ENTRIES, seconds=0.02) as server:
        begin = time.monotonic()
        assert code(server) == 0
        assert time.monotonic() - begin >= 0.02 * (len(ber.bind_answer(1)) - 1)


def test_answers_come_before_their_questions():
    with Hostile("early") as server:
        with socket.create_connection(server.address, 5) as sock:
            sock.settimeout(5)
            sock.sendall(ber.tlv(0x30, ber.integer(1), ber.tlv(
                0x60, ber.integer(3), ber.octets("cn=x"), ber.octets("y", 0x80))))
            got = b""
            while len(got) < 4 * len(ber.bind_answer(1)):
                got += sock.recv(4096)
            assert [parts[0][1] for parts in map(lambda m: ber.elements(m[1]), ber.elements(got))] == [b"\1", b"\2", b"\3", b"\4"]
        ALL_TESTED.add("early")


def test_one_value_of_many_megabytes():
    with Hostile("huge", entries=ENTRIES, size=8 << 20) as server:
        done = search(server, seconds=20)
        assert done.returncode == 0
        assert len(done.stdout.splitlines()[1]) == len("description: ") + (8 << 20)


def test_entries_without_end():
    with Hostile("endless", entries=ENTRIES) as server:
        assert search(server, "-z", "none", seconds=3) is None
        assert server.sent > 100_000


def test_pages_without_end():
    with Hostile("endless_pages", entries=ENTRIES) as server:
        assert search(server, "-E", "pr=10/noprompt", seconds=3) is None
        assert server.pages > 10


def test_a_cookie_of_megabytes():
    with Hostile("huge_cookie", entries=ENTRIES) as server:
        with connection(server) as client:
            client.search(BASE, "(uid=ann)", paged_size=10)
            assert len(client.result["controls"][ber.PAGED_RESULTS]["value"]["cookie"]) == 4 << 20
        ALL_TESTED.add("huge_cookie")


def test_references_lead_back():
    with Hostile("references", entries=ENTRIES) as server:
        done = search(server)
        assert done.stdout.count(f"ldap://127.0.0.1:{server.port}/") == 100 and "cn: Ann" in done.stdout


def test_success_of_starttls_that_is_a_lie():
    with Hostile("starttls_lie", entries=ENTRIES) as server:
        assert code(server, starttls=True) not in (0, None)
        assert server.seen("bind") == []


def test_a_bind_answer_slipped_in_before_tls(ca):
    with Hostile("starttls_injected", entries=ENTRIES, certificates=ca) as server:
        assert code(server, starttls=True, env={"LDAPTLS_CACERT": str(ca.ca)}) != 0


def crew(server, *wanted):
    client = connection(server)
    with client:
        client.search(BASE, "(cn=crew)", attributes=list(wanted) or ["*"])
        return client


def test_ranges_that_nobody_asked_for():
    with Hostile("ranges", entries=ENTRIES) as server:
        done = search(server, query="(cn=crew)")
        assert done.stdout.count("member;range=0-1499: ") == 1500 and "member: " not in done.stdout
        done = search(server, "member;range=3000-*", query="(cn=crew)")
        assert done.stdout.count("member;range=3000-*: ") == 500
        with connection(server) as client:  # ldap3 follows them by itself
            client.search(BASE, "(cn=crew)", attributes=["member"])
            assert len(client.response[0]["attributes"]["member"]) == 3500


def test_ranges_without_end():
    with Hostile("ranges_without_end", entries=ENTRIES) as server:
        for _ in range(2):
            done = search(server, "member;range=1500-*", query="(cn=crew)")
            assert done.stdout.count("member;range=0-1499: ") == 1500


def test_ranges_of_nonsense():
    with Hostile("ranges_of_nonsense", entries=ENTRIES) as server:
        assert "member;range=abc: cn=nonsense" in search(server, query="(cn=crew)").stdout


def test_every_fault_was_seen():
    """Runs last in this file; alone it says nothing."""
    assert not ALL_TESTED or len(ALL_TESTED) < 20 or set(FAULTS) <= ALL_TESTED, set(FAULTS) - ALL_TESTED
