"""One connection to one server: what real directories answer, TLS, pages, ranges; deadlines on a bad network."""
import time

import pytest

from ldap_driver import SANITIZED, Driver, settings

KINDS = ["slapd", "ds389", "samba"]
OPEN = "Cannot open connection to directory back-end: "


@pytest.fixture(params=KINDS)
def directory(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def driver(directory):
    with Driver(**settings(directory)) as d:
        assert d.open()["state"] == "ok"
        yield d


@pytest.fixture
def at_slapd(slapd):
    with Driver(**settings(slapd)) as d:
        assert d.open()["state"] == "ok"
        yield d


# What libldap 2.5 itself leaks, a few bytes each time (test_what_libldap_leaks_is_little).
LEAKS = {
    "disconnect": "the name and the text of a notice of disconnection",
    "short_inside": "the request whose answer cannot be decoded", "deep": "the same",
    "client": "the client certificate of a TLS context; there is one of a configuration",
}


def reader(driver, directory):
    answer = driver.bind(dn=directory.bind_dn, password=directory.bind_password)
    assert answer["result"] == "accepted", answer


# -- binds


def test_a_right_password_a_wrong_one_and_the_right_one_again(driver, directory):
    dn = directory.users["user000000"]
    assert driver.bind(dn=dn, password=directory.user_password)["why"] == "accepted"
    wrong = driver.bind(dn=dn, password="wrong")
    assert (wrong["state"], wrong["code"], wrong["result"]) == ("code", 49, "rejected")
    assert wrong["text"].startswith("Invalid credentials (49)")
    assert driver.bind(dn=dn, password=directory.user_password)["result"] == "accepted"


@pytest.mark.parametrize("dn, password", [
    ("cn=x", ""), ("", "secret"), ("", ""), ("cn=x", "\0"), ("cn=x", "\0secret"), ("cn=x", "secret\0"),
])
def test_l2_what_could_be_an_anonymous_bind_never_reaches_the_network(hostile, dn, password):
    server = hostile()
    with Driver(servers=[server.address], allow_cleartext=True) as d:
        assert d.open()["state"] == "ok"
        answer = d.bind(dn=dn, password=password)
        assert (answer["code"], answer["result"]) == (49, "rejected")
    assert server.seen("bind") == []


@pytest.mark.parametrize("name, result, why", [
    ("locked", "disabled", "account locked"), ("expired", "expired", "password expired"),
    ("mustchange", "expired", "password must be changed"), ("expiring", "accepted", "accepted"),
])
def test_states_of_slapd(slapd, at_slapd, name, result, why):
    answer = at_slapd.bind(dn=slapd.users[name], password=slapd.user_password)
    assert (answer["result"], answer["why"]) == (result, why), answer
    assert (answer["expires"] > 0) == (name == "expiring")


@pytest.mark.parametrize("name, result, why", [
    ("locked", "disabled", "account locked"), ("expired", "expired", "password expired"),
    ("disabled", "disabled", "account disabled"), ("mustchange", "expired", "password must be changed"),
])
def test_states_of_389(ds389, name, result, why):
    with Driver(**settings(ds389)) as d:
        d.open()
        answer = d.bind(dn=ds389.users[name], password=ds389.user_password)
        assert (answer["result"], answer["why"]) == (result, why), answer


@pytest.mark.parametrize("name, result, why", [
    ("disabled", "disabled", "account disabled"), ("accountexpired", "expired", "account expired"),
    ("passwordexpired", "expired", "password expired"), ("mustchange", "expired", "password must be changed"),
    ("locked", "disabled", "account locked"),
])
def test_states_of_samba(samba, name, result, why):
    with Driver(**settings(samba)) as d:
        d.open()
        answer = d.bind(dn=samba.users[name], password=samba.user_password)
        assert (answer["result"], answer["why"]) == (result, why), answer


@pytest.mark.parametrize("name", ["user000000@example.test", "EXAMPLE\\user000000"])
def test_names_of_a_domain_are_taken_for_a_bind(samba, name):
    with Driver(**settings(samba)) as d:
        d.open()
        assert d.bind(dn=name, password=samba.user_password)["result"] == "accepted"


def test_a_bind_as_nobody_known_is_refused(slapd, at_slapd):
    assert at_slapd.bind(dn="cn=nobody," + slapd.base, password="x")["result"] == "rejected"
    assert at_slapd.bind(dn="this is no dn", password="x")["result"] == "unknown_user"
    assert at_slapd.bind(dn="cn=a\0b", password="x")["result"] == "unknown_user"


# -- searches


def test_l4_every_entry_is_told_once_in_pages(driver, directory):
    reader(driver, directory)
    found = driver.search(base=directory.user_base, filter=f"({directory.login}=user*)", page=3,
                          attributes=[directory.login, "mail"])
    names = [e["values"][directory.login][0] for e in found["entries"]]
    assert found["state"] == "ok" and len(names) >= 20
    assert sorted(names) == sorted(n for n in directory.users if n.startswith("user"))


def test_attribute_names_have_no_case(driver, directory):
    reader(driver, directory)
    found = driver.search(base=directory.user_base, filter=f"({directory.login}=user000000)",
                          attributes=["MAIL", "ObjectClass"])
    entry, = found["entries"]
    assert entry["values"]["MAIL"] == ["user000000@example.test"]
    assert len(entry["values"]["ObjectClass"]) >= 2
    assert not entry["disabled"]


def test_what_the_server_says_of_itself(driver, directory):
    reader(driver, directory)
    kind = driver.kind()
    assert kind["state"] == "ok" and kind["paging"]
    assert kind["active_directory"] == kind["in_chain"] == (directory.kind() == "samba")
    assert kind["password_policy"] == (directory.kind() != "samba")
    if directory.kind() == "ds389":
        assert "389" in kind["vendor"]
    if directory.kind() == "slapd":
        assert kind["content_sync"]


def test_a_limit_is_enough_to_see_that_there_are_several(slapd, at_slapd):
    reader(at_slapd, slapd)
    for page in (0, 1, 100):
        found = at_slapd.search(base=slapd.user_base, filter="(uid=user*)", limit=2, page=page)
        assert (found["state"], found["count"]) == ("ok", 2), found


def test_the_servers_limit_is_an_error_without_pages_only(new_slapd):
    directory = new_slapd("--users", "600", "--sizelimit", "100")
    with Driver(**settings(directory)) as d:
        d.open()
        reader(d, directory)
        plain = d.search(base=directory.user_base, filter="(uid=user*)", attributes=["uid"])
        assert (plain["state"], plain["code"], plain["count"]) == ("code", 4, 100)
        paged = d.search(base=directory.user_base, filter="(uid=user*)", attributes=["uid"], page=100)
        assert (paged["state"], paged["count"]) == ("ok", 600)


def test_after_a_stop_the_connection_goes_on(slapd, at_slapd):
    reader(at_slapd, slapd)
    found = at_slapd.search(base=slapd.base, stop=1)
    assert (found["state"], found["count"]) == ("ok", 1)
    assert at_slapd.search(base=slapd.user_base, filter="(uid=user000001)")["count"] == 1


@pytest.mark.parametrize("query, code", [
    ({"filter": "(uid=x"}, 87), ({"filter": "uid\0=x"}, 87), ({"filter": ""}, 87),
    ({"base": "cn=nowhere,dc=example,dc=test"}, 32), ({"base": "no dn"}, 34),
])
def test_a_search_that_cannot_be_is_a_code_and_no_dead_connection(slapd, at_slapd, query, code):
    reader(at_slapd, slapd)
    answer = at_slapd.search(**{"base": slapd.base, **query})
    assert (answer["state"], answer["code"]) == ("code", code), answer
    assert at_slapd.search(base=slapd.user_base, filter="(uid=user000001)")["count"] == 1


def test_disabled_entries_say_so(samba, ds389):
    for directory in (samba, ds389):
        with Driver(**settings(directory)) as d:
            d.open()
            reader(d, directory)
            found = d.search(base=directory.user_base, filter=f"({directory.login}=disabled)",
                             attributes=["userAccountControl", "nsAccountLock", "accountExpires"])
            assert [e["disabled"] for e in found["entries"]] == [True]


def test_l4_ranges_of_a_long_attribute(samba):
    with Driver(**settings(samba)) as d:
        d.open()
        reader(d, samba)
        where = {"base": samba.groups["big"], "where": 0}
        first, = d.search(**where, attributes=["member;range=0-999", "member"])["entries"]
        assert first["next"] == 1000 and len(first["values"]["member"]) >= 1000
        last, = d.search(**where, attributes=["member;range=1900-*", "member"])["entries"]
        assert "next" not in last


# -- TLS


def test_ldaps(slapd):
    with Driver(**settings(slapd, servers=[[slapd.host, slapd.ldaps_port]], tls="ldaps")) as d:
        assert d.open()["tls"]
        reader(d, slapd)


@pytest.mark.parametrize("tls", ["starttls", "ldaps"])
@pytest.mark.parametrize("certificate, why", [
    ("wronghost", "match"), ("expired", "expired"), ("untrusted", "issuer"),
])
def test_l3_a_bad_certificate_is_refused_and_the_text_says_why(new_slapd, tls, certificate, why):
    directory = new_slapd("--server-cert", certificate)
    port = directory.port if tls == "starttls" else directory.ldaps_port
    with Driver(**settings(directory, servers=[[directory.host, port]], tls=tls)) as d:
        answer = d.open()
        assert (answer["state"], answer["connecting"]) == ("tls", True)
        assert why in answer["text"], answer
        assert answer["ms"] < 1500
    with Driver(**settings(directory, servers=[[directory.host, port]], tls=tls, ca=None)) as d:
        assert d.open()["tls"]  # without `ca-certs` nothing is verified


def test_l3_a_certificate_is_never_forgiven_for_cleartext(new_slapd):
    directory = new_slapd("--server-cert", "untrusted")
    with Driver(**settings(directory, tls="try", allow_cleartext=True)) as d:
        assert d.open()["state"] == "tls"


def test_try_means_tls_where_there_is_tls(slapd):
    with Driver(**settings(slapd, tls="try", allow_cleartext=True)) as d:
        assert d.open()["tls"]


@pytest.mark.parametrize("pem", ["", "no pem at all", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_bundle_without_a_certificate_trusts_nobody(slapd, pem):
    with Driver(**settings(slapd, ca=pem)) as d:
        answer = d.open()
        assert answer["state"] == "tls", answer


def test_a_bundle_may_have_several(slapd, ca):
    with Driver(**settings(slapd, ca=ca.other_ca.read_text() + ca.ca_pem)) as d:
        assert d.open()["tls"]


def test_sasl_external_by_client_certificate(new_slapd, ca):
    directory = new_slapd("--client-cert", "demand")
    with Driver(LEAKS["client"], **settings(directory, client=ca.client_pem, lookup_dn=None, lookup_external=True)) as d:
        assert d.take(use=0)["state"] == "ok"
        assert d.search(handle=0, base=directory.user_base, filter="(uid=user000000)")["count"] == 1
    with Driver(**settings(directory)) as d:
        answer = d.open()
        bound = answer if answer["state"] != "ok" else d.bind(dn=directory.bind_dn, password=directory.bind_password)
        assert bound["state"] in ("tls", "unreachable"), bound


def test_a_server_that_demands_tls_gets_no_cleartext_login(new_slapd):
    directory = new_slapd("--require-tls")
    with Driver(**settings(directory)) as d:
        d.open()
        reader(d, directory)


def test_l3_no_cleartext_without_leave(hostile):
    server = hostile("starttls_stripped")
    for tls in ("try", "starttls"):
        with Driver(servers=[server.address], tls=tls) as d:
            answer = d.open()
            assert (answer["state"], answer["code"], answer["starttls"]) == ("tls", 2, True)
            assert "StartTLS operation failed: Protocol error (2)" in answer["text"]
            assert ("`enforce-starttls` is set" in answer["text"]) == (tls == "starttls")
    with Driver(servers=[server.address], tls="starttls", allow_cleartext=True) as d:
        assert d.open()["state"] == "tls"  # enforce-starttls wins
    assert server.seen("bind") == []


def test_cleartext_with_leave(hostile):
    server = hostile("starttls_refused")
    with Driver(servers=[server.address], tls="try", allow_cleartext=True) as d:
        answer = d.open()
        assert (answer["state"], answer["tls"]) == ("ok", False)
        assert d.bind(dn="cn=x", password="y")["result"] == "accepted"
    assert server.accepted == 2, "not on the connection where StartTLS had failed"


# -- servers that misbehave: the documented state, in bounded time, nothing left over


BAD_BINDS = [
    ("silent", "timeout"), ("close", "unreachable"), ("reset", "unreachable"), ("slow", "timeout"),
    ("disconnect", "unreachable"), ("garbage", None), ("http", None), ("long_length", "protocol"),
    ("indefinite", None), ("short_inside", "protocol"), ("deep", None), ("wrong_type", None), ("wrong_id", "timeout"),
    ("referral", "code"),
]


@pytest.mark.parametrize("fault, state", BAD_BINDS)
def test_l4_bad_answers_to_a_bind(hostile, fault, state):
    server = hostile(fault, at="bind")
    with Driver(LEAKS.get(fault), servers=[server.address], allow_cleartext=True) as d:
        before = None
        for _ in range(3):
            assert d.open()["state"] == "ok"
            answer = d.bind(dn="cn=x", password="y", within=500)
            assert answer["result"] == "unavailable" and answer["state"] != "ok", answer
            if state:
                assert answer["state"] == state, answer
            assert answer["ms"] < 1000
            d.close()
            before = before or d.census()
        assert d.census() == before
        assert d.cpu_seconds() < 1.5, "no busy loop"


BAD_SEARCHES = [
    ("silent", "timeout"), ("close", "unreachable"), ("reset", "unreachable"), ("slow", "timeout"),
    ("disconnect", "unreachable"), ("garbage", None), ("long_length", "protocol"), ("short_inside", None),
    ("deep", None), ("wrong_type", "protocol"), ("wrong_id", "timeout"), ("huge", "protocol"), ("endless", "timeout"),
    ("endless_pages", "timeout"), ("huge_cookie", "protocol"), ("referral", "code"),
]
ENTRIES = {"dc=example": {"dc": ["example"]}}


@pytest.mark.parametrize("fault, state", BAD_SEARCHES)
def test_l4_bad_answers_to_a_search(hostile, fault, state):
    server = hostile(fault, at="search", entries=ENTRIES)
    with Driver(LEAKS.get(fault), servers=[server.address], allow_cleartext=True) as d:
        before = None
        for _ in range(2):
            assert d.open()["state"] == "ok"
            answer = d.search(base="dc=example", page=10, within=800, page_within=500)
            if state:
                assert answer["state"] == state, answer["text"]
            assert answer["state"] != "ok"
            assert answer["ms"] < 1500
            d.close()
            before = before or d.census()
        assert d.census() == before


def test_a_hundred_megabytes_cost_no_memory(hostile):
    server = hostile("huge")
    with Driver(servers=[server.address], allow_cleartext=True) as d:
        d.open()
        assert d.search(base="dc=example", within=5000, page_within=5000)["state"] == "protocol"
        with open(f"/proc/{d.process.pid}/status", encoding="ascii") as status:
            peak_kb = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
        d.close()
    assert server.sent < 20 << 20
    assert peak_kb < (300 << 10)  # the address sanitizer's own included


def test_l4_referrals_are_not_followed(hostile):
    server = hostile("references", entries=ENTRIES)
    with Driver(servers=[server.address], allow_cleartext=True) as d:
        d.open()
        answer = d.search(base="dc=example")
        assert (answer["state"], answer["count"]) == ("ok", 1)
    assert server.accepted == 2  # StartTLS refused, then in clear
    server = hostile("referral", at="bind")
    with Driver(servers=[server.address], allow_cleartext=True) as d:
        d.open()
        answer = d.bind(dn="cn=x", password="y")
        assert (answer["code"], answer["why"]) == (10, "the directory answered with a referral")
    assert server.accepted == 2


@pytest.mark.parametrize("fault", ["silent", "close", "reset", "garbage", "http", "disconnect", "starttls_lie", "slow"])
def test_l3_bad_answers_to_starttls(hostile, fault):
    server = hostile(fault, at="starttls")
    with Driver(LEAKS.get(fault), servers=[server.address], tls="try", allow_cleartext=True) as d:
        answer = d.open(within=500)
        assert answer["state"] not in ("ok", "code"), answer
        assert answer["ms"] < 1000
        assert not answer["tls"]
    assert server.seen("bind") == []


def test_l3_what_was_slipped_in_before_tls_is_no_answer(hostile, ca):
    server = hostile("starttls_injected", certificates=ca)
    with Driver(servers=[server.address], tls="starttls", ca=ca.ca_pem) as d:
        if d.open()["state"] == "ok":
            assert d.bind(dn="cn=x", password="wrong")["result"] != "accepted"


def test_an_answer_that_came_before_the_question_is_none(hostile):
    server = hostile("early", at="bind")
    with Driver(servers=[server.address], allow_cleartext=True) as d:
        d.open()
        assert d.bind(dn="cn=x", password="y")["result"] == "accepted"
        time.sleep(0.1)
        answer = d.bind(dn="cn=x", password="wrong")
        assert (answer["state"], answer["result"]) == ("unreachable", "unavailable")


@pytest.mark.parametrize("fault", ["silent", "close", "reset", "garbage", "http"])
def test_bad_answers_to_a_handshake(hostile, ca, fault):
    server = hostile(fault, at="connect")
    with Driver(servers=[server.address], tls="ldaps", ca=ca.ca_pem) as d:
        for _ in range(2):
            answer = d.open(within=500)
            # A reset may already be there when the connection is looked at for the first time.
            assert answer["state"] in ("tls", "timeout", "unreachable"), answer
            assert answer["text"].startswith(OPEN + "socket ")
            assert answer["ms"] < 1000
        assert d.cpu_seconds() < 1, "no busy loop"
    if fault == "silent":
        assert answer["text"] == OPEN + "socket ssl wrapping error: timed out"
    if fault == "reset":
        assert answer["text"].endswith(": [Errno 104] Connection reset by peer")


def resident_kb(d):
    with open(f"/proc/{d.process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


@pytest.mark.parametrize("fault, at_most_kb", [("short_inside", 8), ("disconnect", 2)])
def test_what_libldap_leaks_is_little(hostile, fault, at_most_kb):
    server = hostile(fault, at="bind")
    with Driver(LEAKS[fault], servers=[server.address], tls="try", allow_cleartext=True) as d:
        def round_(times):
            for _ in range(times):
                assert d.open()["state"] == "ok"
                assert d.bind(dn="cn=x", password="y")["result"] == "unavailable"
            return resident_kb(d)
        before = round_(50)
        grown = round_(100) - before
    if not SANITIZED:  # what was freed waits there
        assert grown < 100 * at_most_kb


def test_a_client_certificate_costs_once(new_slapd, ca):
    directory = new_slapd("--client-cert", "demand")
    with Driver(LEAKS["client"], **settings(directory, client=ca.client_pem)) as d:
        def round_(times):
            for _ in range(times):
                assert d.open()["tls"]
            return resident_kb(d)
        before = round_(40)
        grown = round_(60) - before
    if not SANITIZED:
        assert grown < 60 * 13, "a parsed certificate is 26 KiB"


# -- no server at all


def test_nobody_listens(proxy, slapd):
    relay = proxy(slapd)
    relay.refuse()
    with Driver(servers=[["127.0.0.1", relay.port]]) as d:
        answer = d.open()
        assert answer["state"] == "unreachable" and answer["connecting"]
        assert answer["text"] == (OPEN + "socket connection error while opening: [Errno 111] Connection refused")


def test_a_name_that_is_none():
    with Driver(servers=[["no-such-host.invalid", 389]], tls="ldaps") as d:
        answer = d.open(within=3000)
        assert answer["state"] in ("unreachable", "timeout")
        assert answer["text"].startswith(OPEN + "socket connection error while opening: ")
        assert answer["ms"] < 4000


def test_a_network_that_swallows_everything():
    with Driver(servers=[["192.0.2.1", 389]]) as d:  # RFC 5737: nobody's
        answer = d.open(within=400)
        assert answer["state"] in ("timeout", "unreachable")
        assert answer["ms"] < 800
        if answer["state"] == "timeout":
            assert answer["text"] == OPEN + "socket connection error while opening: timed out"


@pytest.mark.parametrize("fault, state", [(("hang",), "timeout"), (("drop_down",), "timeout"), (("reset",), "unreachable"),
                                          (("cut_after", 5), "unreachable")])
def test_a_network_that_breaks_between_operations(slapd, proxy, fault, state):
    relay = proxy(slapd)
    with Driver(**settings(slapd, servers=[["127.0.0.1", relay.port]])) as d:
        assert d.open()["state"] == "ok"
        reader(d, slapd)
        getattr(relay, fault[0])(*fault[1:])
        answer = d.bind(dn=slapd.bind_dn, password=slapd.bind_password, within=500)
        assert answer["state"] == state, answer
        assert answer["ms"] < 1000
        relay.heal()
        assert d.open()["state"] == "ok"
        reader(d, slapd)
