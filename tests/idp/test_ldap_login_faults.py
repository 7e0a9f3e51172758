"""L5: directories that are down, silent or mad, several directories, and everybody else meanwhile."""
import concurrent.futures
import signal
import statistics
import threading
import time

import pytest

import iamd
from hostile_ldap import Hostile
from logins import WRONG, assert_said, bindings, configure, login, timed, uid_of

SHORT = {"connect": 1, "operation": 1, "search": 5}
PERSON = {"uid=alice,dc=x": {"uid": ["alice"], "cn": ["Alice"],
                             "entryUUID": ["6d2c7b1e-0000-4000-8000-000000000001"]}}
LOCAL = "An0ther-local-password"


def plain(server, **more):
    """A configuration for a server without TLS."""
    return {"host": server.host, "port": server.port, "enforce-starttls": False, "use-ldaps": False,
            "allow-cleartext": True, "timeouts": SHORT,
            "user-search": {"search-base": "dc=x", "search-filter-template": "(uid=%(username)s)"}, **more}


def assert_others_are_well(daemon, token):
    """A local superuser logs in within a second, everybody's tokens go on."""
    answer, took = timed(login, daemon, iamd.SUPERUSER, iamd.SUPERUSER_PASSWORD)
    assert answer.status == 200 and took < 1, (answer, took)
    answer, took = timed(login, daemon, iamd.SUPERUSER, WRONG)
    assert answer.status == 401 and took < 1, (answer, took)
    for uid, good in token.items():
        answer, took = timed(daemon.client(good).get, f"/users/{uid}")
        assert answer.status == 200 and took < 0.5, (uid, answer, took)


# -- one directory, at fault

# What libldap itself leaks is bounded by a test of its own (test_ldap_conn.py).
LEAKING = {"deep", "disconnect"}

WAYS_DOWN = ["hang", "refuse", "reset", "drop_up", "drop_down"]


@pytest.mark.parametrize("way", WAYS_DOWN)
def test_l5_with_the_directory_down_everybody_else_goes_on(slapd, proxy, new_daemon, way):
    daemon = new_daemon().start()
    admin = daemon.superuser()
    relay = proxy(slapd)
    configure(admin, slapd, host=relay.host, port=relay.port, timeouts=SHORT)
    tokens = {iamd.SUPERUSER: daemon.login(),
              "user000001": login(daemon, "user000001", slapd.user_password).json()["token"]}
    getattr(relay, way)()
    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        waiting = [pool.submit(timed, login, daemon, f"user0000{n:02}", slapd.user_password, timeout=30)
                   for n in range(20)]
        time.sleep(0.2)
        for _ in range(5):
            assert_others_are_well(daemon, tokens)
        for answer, took in (w.result() for w in waiting):
            assert (answer.status, answer.code) == (503, "ERR_UNAVAILABLE"), answer
            assert answer.header("retry-after") and took < 16, took
    assert daemon.sql("SELECT count(*) FROM users WHERE provider_type = 'ldap'") == [(1,)]
    iamd.wait_until(lambda: daemon.sql("SELECT count(*) FROM audit WHERE action = 'ldap-login' AND result = 'error'")
                    == [(20,)], what="a row for each")
    relay.heal()

    def back():
        return login(daemon, "user000002", slapd.user_password, timeout=30).status == 200

    iamd.wait_until(back, timeout=90, what="logins after the directory is back")
    assert uid_of(login(daemon, "user000001", slapd.user_password)) == "user000001"


@pytest.mark.parametrize("fault", ["silent", "close", "reset", "garbage", "http", "long_length", "deep", "wrong_type",
                                   "wrong_id", "disconnect", "referral"])
@pytest.mark.parametrize("at", ["bind", "search"])
def test_l5_a_server_that_lies_is_no_answer(new_daemon, fault, at):
    daemon = new_daemon().start(env={"ASAN_OPTIONS": f"detect_leaks={int(fault not in LEAKING)}"})
    admin = daemon.superuser()
    with Hostile(fault, at=at, entries=PERSON) as server:
        configure(admin, plain(server))
        answer, took = timed(login, daemon, "alice", WRONG, timeout=30)
        assert answer.status == 503 and took < 6, (answer, took)
        assert_others_are_well(daemon, {iamd.SUPERUSER: daemon.login()})
        assert bindings(daemon) == {}
        tried = admin.post("/ldap/config/test", {"uid": "alice", "password": WRONG}, timeout=30)
        assert tried.status == 502 and tried.json()["code"].startswith("ERR_"), tried


def test_a_right_server_of_that_kind_is_believed(new_daemon):
    """So that the test above is about the fault."""
    daemon = new_daemon().start()
    with Hostile(entries=PERSON, password="A-right-passw0rd") as server:
        configure(daemon.superuser(), plain(server))
        assert login(daemon, "alice", WRONG).status == 401
        assert uid_of(login(daemon, "alice", "A-right-passw0rd")) == "alice"
        assert not [m for m in server.seen("bind") if not m.fields]


@pytest.mark.parametrize("entry", [{"uid": ["alice"]}, {"uid": ["alice"], "entryUUID": ["no id \n of any kind"]},
                                   {"uid": ["alice"], "entryUUID": ["6" * 119]},
                                   {"uid": ["alice"], "objectGUID": ["of 16 bytes each"]},
                                   {"uid": ["alice"], "nsUniqueId": ["6d2c7b1e-00004000"]},
                                   {"uid": ["alice"], "ipaUniqueID": ["6d2c7b1e-00004000"]},
                                   {"entryUUID": ["6d2c7b1e-0000-4000-8000-000000000001"]}])
def test_an_entry_without_a_lasting_id_or_name_is_no_account(new_daemon, entry):
    daemon = new_daemon().start()
    with Hostile(entries={"cn=alice,dc=x": {"cn": ["alice"], **entry}}) as server:
        configure(daemon.superuser(), plain(server, **{"user-search": {
            "search-base": "dc=x", "search-filter-template": "(cn=%(username)s)"}}))
        assert login(daemon, "alice", WRONG).status == 503
        assert_said(daemon, "alice", "error", "default: the entry shows no lasting id or no login name")


AD = {"supportedCapabilities": ["1.2.840.113556.1.4.800"]}
OF_389 = {"vendorName": ["389 Project"]}
IDS = {"entryUUID": ["6D2C7B1E-0000-4000-8000-000000000001"], "objectGUID": ["of 16 bytes each"],
       "nsUniqueId": ["6d2c7b1e-00004000-80000000-00000001"], "ipaUniqueID": ["of-ipa"]}


def ids(*names):
    return {n: IDS[n] for n in names}


@pytest.mark.parametrize("root, shown, subject", [
    ({}, ids(*IDS), "entryuuid:6d2c7b1e-0000-4000-8000-000000000001"),
    ({"vendorName": ["Example"]}, ids(*IDS), "entryuuid:6d2c7b1e-0000-4000-8000-000000000001"),
    (AD, ids(*IDS), "objectguid:" + b"of 16 bytes each".hex()),
    (OF_389, ids(*IDS), "nsuniqueid:6d2c7b1e-00004000-80000000-00000001"),
    (OF_389, ids("entryUUID", "ipaUniqueID"), "entryuuid:6d2c7b1e-0000-4000-8000-000000000001"),
    (OF_389, ids("ipaUniqueID"), "ipauniqueid:of-ipa")])
def test_a_lasting_id_is_of_the_attribute_that_this_kind_of_server_guards(new_daemon, root, shown, subject):
    """Elsewhere it may be one that people write themselves. Users and groups alike."""
    daemon = new_daemon().start()
    admin = daemon.superuser()
    entry = {"uid": ["alice"], "sAMAccountName": ["alice"], "cn": ["alice"], **shown}
    crew = {"cn": ["crew"], "objectClass": ["top", "group"], "member": ["uid=alice,ou=people,dc=x"], **shown}
    with Hostile(entries={"": root, "uid=alice,ou=people,dc=x": entry, "cn=crew,ou=groups,dc=x": crew}) as server:
        configure(admin, plain(server, **{
            "user-search": {"search-base": "ou=people,dc=x", "search-filter-template": "(uid=%(username)s)"},
            "group-search": {"search-base": "ou=groups,dc=x", "search-filter-template": "(cn=%(groupname)s)"}}))
        assert uid_of(login(daemon, "alice", "A-right-passw0rd")) == "alice"
        admin.expect(201, "POST", "/ldap/importgroup", {"groupname": "crew"})
    assert bindings(daemon) == {"alice": ("default", subject)}
    assert daemon.sql("SELECT gid, subject FROM directory_groups") == [("crew", subject)]


def test_an_id_written_by_its_owner_makes_him_nobody_else(new_daemon):
    daemon = new_daemon().start()
    (victim,) = IDS["entryUUID"]
    mallory = {"uid": ["mallory"], "entryUUID": ["6d2c7b1e-0000-4000-8000-000000000002"], "nsUniqueId": [victim],
               "objectGUID": [victim[:16]], "ipaUniqueID": [victim]}
    with Hostile(entries={"uid=alice,dc=x": {"uid": ["alice"], "entryUUID": [victim]},
                          "uid=mallory,dc=x": mallory}) as server:
        configure(daemon.superuser(), plain(server))
        for uid in ("alice", "mallory"):
            assert uid_of(login(daemon, uid, "A-right-passw0rd")) == uid


def root_dse(code):
    """Codes that refuse the root DSE, asked for its attributes, and nothing else."""
    return lambda m: code if not m.fields["base"] and "vendorName" in m.fields["attributes"] else 0


@pytest.mark.parametrize("code, status", [(1, 200), (32, 200), (50, 200), (3, 503), (11, 503), (51, 503), (52, 503),
                                          (53, 503), (80, 503)])
def test_only_a_root_dse_that_is_not_shown_means_a_server_of_no_kind(new_daemon, code, status):
    """Busy, Active Directory would be taken for another server: other names, other ids."""
    daemon = new_daemon().start()
    with Hostile(entries=PERSON, codes=root_dse(code)) as server:
        configure(daemon.superuser(), plain(server))
        assert login(daemon, "alice", "A-right-passw0rd").status == status
    assert len(bindings(daemon)) == (status == 200)


# -- several

@pytest.fixture
def second(new_slapd):
    """A slapd of which user000001 has another password, and someone is there only."""
    made = new_slapd()
    with made.admin() as c:
        c.modify(made.users["user000001"], {"userPassword": [("MODIFY_REPLACE", ["The-second-passw0rd"])]})
        c.add("uid=only-second,ou=people,dc=example,dc=test", ["inetOrgPerson"],
              {"cn": "O", "sn": "O", "userPassword": made.user_password})
    return made


def test_directories_are_asked_in_their_order_and_an_account_keeps_its_own(slapd, second, new_daemon):
    daemon = new_daemon().start()
    admin = daemon.superuser()
    configure(admin, slapd, "alpha", login_order=20)
    configure(admin, second, "beta", login_order=10)
    assert uid_of(login(daemon, "user000001", slapd.user_password)) == "user000001"
    assert_said(daemon, "user000001", "allow", "beta: wrong password; alpha: accepted")
    assert bindings(daemon)["user000001"][0] == "alpha"
    assert login(daemon, "user000001", "The-second-passw0rd").status == 401, "another directory's is another's"
    assert_said(daemon, "user000001", "deny", "alpha: wrong password")
    answer = login(daemon, "USER000001", "The-second-passw0rd")
    assert (answer.status, answer.code) == (400, "ERR_CANNOT_IMPORT_USER"), "the same name, another entry"
    assert uid_of(login(daemon, "only-second", second.user_password)) == "only-second"
    assert_said(daemon, "only-second", "allow", "beta: accepted")
    assert login(daemon, "nobody-there", WRONG).status == 401
    assert_said(daemon, "nobody-there", "deny", "beta: no such user; alpha: no such user")
    assert login(daemon, "locked", slapd.user_password).status == 401
    assert_said(daemon, "locked", "deny", "beta: account locked"), "the first that knows about it ends it"
    admin.expect(204, "DELETE", "/ldap/directories/alpha")
    assert login(daemon, "user000001", slapd.user_password).status == 401
    assert uid_of(login(daemon, "only-second", second.user_password)) == "only-second"


def test_of_an_account_made_in_advance_the_first_that_knows_the_name_decides(slapd, second, new_daemon):
    """Else the weakest directory would own whatever somebody prepared."""
    daemon = new_daemon().start()
    admin = daemon.superuser()
    configure(admin, slapd, "alpha", login_order=1)
    configure(admin, second, "beta", login_order=2)
    admin.expect(201, "PUT", "/users/user000001", {"provider_type": "ldap"})
    admin.expect(201, "PUT", "/users/only-second", {"provider_type": "ldap"})
    assert login(daemon, "user000001", "The-second-passw0rd").status == 401
    assert_said(daemon, "user000001", "deny", "alpha: wrong password")
    assert bindings(daemon) == {}
    assert uid_of(login(daemon, "only-second", second.user_password)) == "only-second"
    assert uid_of(login(daemon, "user000001", slapd.user_password)) == "user000001"
    assert {uid: d for uid, (d, _) in bindings(daemon).items()} == {"user000001": "alpha", "only-second": "beta"}


def test_no_answer_is_never_a_reason_to_ask_the_next(slapd, proxy, new_daemon):
    daemon = new_daemon().start()
    admin = daemon.superuser()
    relay = proxy(slapd)
    configure(admin, slapd, "alpha", login_order=1, host=relay.host, port=relay.port, timeouts=SHORT)
    configure(admin, slapd, "beta", login_order=2)
    relay.refuse()
    answer = login(daemon, "user000001", slapd.user_password, timeout=30)
    assert answer.status == 503
    assert bindings(daemon) == {}
    assert_said(daemon, "user000001", "error", "alpha: the directory cannot be reached")


def test_l5_a_silent_directory_keeps_its_own_callers_only(slapd, proxy, new_daemon):
    """Both are asked through the same threads."""
    daemon = new_daemon().start()
    admin = daemon.superuser()
    relay = proxy(slapd)
    configure(admin, slapd, "beta")
    token = uid_of(login(daemon, "user000003", slapd.user_password))
    configure(admin, slapd, "alpha", host=relay.host, port=relay.port, login_order=1, timeouts=SHORT)
    relay.hang()
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        waiting = [pool.submit(login, daemon, f"stranger-{n}", WRONG, timeout=40) for n in range(32)]
        time.sleep(0.3)
        for _ in range(10):  # bound to beta: alpha is not asked
            answer, took = timed(login, daemon, token, slapd.user_password, timeout=30)
            assert answer.status == 200 and took < 1, (answer, took)
        assert {w.result().status for w in waiting} == {503}


def p99(times):
    return statistics.quantiles(times, n=100)[98]


def test_l5_other_logins_hardly_notice_a_silent_directory(slapd, proxy, new_daemon):
    """At a fixed rate, local ones; a figure for a loose bound (the benchmark has the strict one)."""
    daemon = new_daemon().start()
    admin = daemon.superuser()
    relay = proxy(slapd)
    configure(admin, slapd, host=relay.host, port=relay.port, timeouts=SHORT)
    admin.expect(201, "PUT", "/users/native", {"password": LOCAL})
    ended = threading.Event()

    def measure():
        times = []
        for _ in range(200):
            answer, took = timed(login, daemon, "native", LOCAL)
            assert answer.status == 200
            times.append(took)
            time.sleep(0.01)
        return p99(times)

    measure()
    without = measure()

    def ask_the_silent():
        while not ended.is_set():
            login(daemon, "stranger", WRONG, timeout=40)
            time.sleep(0.02)

    relay.hang()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        asking = [pool.submit(ask_the_silent) for _ in range(8)]
        time.sleep(0.5)
        beside = measure()
        ended.set()
        for a in asking:
            a.result()
    print(f"p99 of local logins: {without * 1000:.1f} ms, beside a silent directory {beside * 1000:.1f} ms")
    assert beside < max(3 * without, 0.05)


# -- the end

def test_a_login_that_waits_for_a_directory_does_not_hold_the_end(slapd, proxy, new_daemon):
    daemon = new_daemon(drain_timeout="1s").start()
    daemon.validate = False  # the server's own 503 has no body
    admin = daemon.superuser()
    relay = proxy(slapd)
    configure(admin, slapd, host=relay.host, port=relay.port, timeouts={"connect": 5, "operation": 5, "search": 5})
    relay.hang()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(timed, login, daemon, f"user00000{n}", slapd.user_password, timeout=30) for n in range(8)]
        iamd.wait_until(lambda: "\niamd_lane_jobs{lane=\"net\"} 8\n" in
                        admin.get("/metrics", root=True).body.decode(), what="logins on their way")
        process = daemon.process
        daemon.signal(signal.SIGTERM)
        for w in waiting:
            answer, took = w.result()
            assert answer.status == 503 and took < 5, (answer, took)
        begin = time.monotonic()
        process.wait(15)
        assert time.monotonic() - begin < 10
    daemon.stop()
