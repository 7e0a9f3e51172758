"""The connections of one directory: kept, replaced when they died, servers that fail, and come back."""
import time

import pytest

from ldap_driver import STATES, Driver, settings

LOOKUP, BIND = 0, 1


@pytest.fixture
def two(slapd, proxy):
    """Two relays before one slapd: two servers of one directory."""
    return proxy(slapd), proxy(slapd)


def of(slapd, relays, **more):
    return settings(slapd, servers=[["127.0.0.1", r.port] for r in relays], **{"connect": 500, "operation": 500, **more})


def take_and_give(d, use=LOOKUP, state="ok"):
    answer = d.take(use=use)
    if answer["state"] == "ok":
        d.give(use=use, state=STATES.index(state))
    return answer


def until(d, wanted, seconds=10, use=LOOKUP):
    """Takes and gives until it comes from that server."""
    deadline = time.monotonic() + seconds
    while (answer := take_and_give(d, use))["server"] != wanted:
        assert time.monotonic() < deadline, answer
        time.sleep(0.05)
    return answer


# -- kept connections


def test_a_connection_is_used_again(slapd, proxy):
    relay = proxy(slapd)
    with Driver(**of(slapd, [relay])) as d:
        assert [take_and_give(d)["kept"] for _ in range(5)] == [False, True, True, True, True]
        assert relay.accepted == 1


def test_the_two_uses_are_never_mixed(slapd, proxy):
    relay = proxy(slapd)
    with Driver(**of(slapd, [relay])) as d:
        take_and_give(d, LOOKUP)
        assert not take_and_give(d, BIND)["kept"]
        d.take(use=LOOKUP, handle=1)
        assert d.search(handle=1, base=slapd.user_base, filter="(uid=user000000)")["count"] == 1
        d.take(use=BIND, handle=2)
        assert d.search(handle=2, base=slapd.user_base, filter="(uid=user000000)")["state"] == "code", "anonymous"


def test_at_most_sixteen_are_kept(slapd, proxy):
    relay = proxy(slapd)
    with Driver(**of(slapd, [relay])) as d:
        for n in range(20):
            assert d.take(use=BIND, handle=n)["state"] == "ok"
        for n in range(20):
            d.give(use=BIND, handle=n)
        assert sum(d.take(use=BIND, handle=n)["kept"] for n in range(20)) == 16


@pytest.mark.parametrize("use", [LOOKUP, BIND])
def test_connections_that_the_server_cut_are_not_handed_out(slapd, proxy, use):
    relay = proxy(slapd)
    with Driver(**of(slapd, [relay])) as d:
        take_and_give(d, use)
        files = d.call("census")["files"]
        relay.kill()
        time.sleep(0.2)
        answer = take_and_give(d, use)
        assert (answer["state"], answer["kept"]) == ("ok", False)
        assert d.call("census")["files"] == files
        assert d.health()["servers"][0]["up"]


def test_a_restarted_server_is_met_without_an_error(new_slapd):
    directory = new_slapd()
    with Driver(**settings(directory)) as d:
        for n in range(8):
            d.take(use=LOOKUP, handle=n)
        for n in range(8):
            d.give(use=LOOKUP, handle=n)
        directory.stop()
        directory.start()
        for _ in range(8):
            assert take_and_give(d)["state"] == "ok"


def test_one_that_died_unseen_costs_one_failure_and_takes_the_others_along(slapd, proxy):
    """A caller that sees UNREACHABLE on a kept one gets a new one next, and the server is not down for it."""
    relay = proxy(slapd)
    with Driver(**of(slapd, [relay])) as d:
        for n in range(3):
            d.take(use=BIND, handle=n)
        for n in range(3):
            d.give(use=BIND, handle=n)
        assert take_and_give(d, BIND, state="unreachable")["kept"]
        assert not take_and_give(d, BIND)["kept"]
        assert d.health()["servers"][0]["up"]


def test_the_maintenance_closes_those_that_ended(slapd, proxy):
    relay = proxy(slapd)
    with Driver(**of(slapd, [relay])) as d:
        bare = d.call("census")["files"]
        take_and_give(d)
        take_and_give(d, BIND)
        d.tend()
        assert d.call("census")["files"] == bare + 2, "those that live stay"
        relay.kill()
        time.sleep(0.2)
        d.tend()
        assert d.call("census")["files"] == bare


# -- servers that fail


@pytest.mark.parametrize("fault, at_most_ms", [("refuse", 200), ("hang", 900), ("reset", 300)])
def test_the_next_server_takes_over(slapd, two, fault, at_most_ms):
    with Driver(**of(slapd, two)) as d:
        getattr(two[0], fault)()
        answer = take_and_give(d)
        assert (answer["state"], answer["server"]) == ("ok", 1), answer
        assert answer["ms"] < at_most_ms
        again = d.take(use=BIND)
        assert (again["server"], again["ms"] < 100) == (1, True), "the first one is left alone meanwhile"
        assert [s["up"] for s in d.health()["servers"]] == [False, True]


def test_the_first_server_gets_its_callers_back(slapd, two):
    with Driver(**of(slapd, two)) as d:
        two[0].refuse()
        assert take_and_give(d)["server"] == 1
        two[0].heal()
        d.take(use=LOOKUP, handle=9)  # so that no kept one is in the way
        time.sleep(1.1)
        d.take(use=LOOKUP, handle=10)
        assert d.take(use=LOOKUP, handle=11)["server"] == 0
        assert d.health()["servers"][0]["up"]


def test_with_all_of_them_down_nobody_waits(slapd, two):
    with Driver(**of(slapd, two)) as d:
        for relay in two:
            relay.hang()
        first = take_and_give(d)
        assert (first["state"], first["connecting"]) == ("timeout", True)
        assert first["ms"] < 1500
        refused = [take_and_give(d) for _ in range(20)]
        assert max(a["ms"] for a in refused) < 50
        assert {a["state"] for a in refused} == {"timeout"} and refused[0]["text"] != ""


def test_the_back_off_doubles_and_ends(slapd, proxy):
    relay = proxy(slapd)
    with Driver(**of(slapd, [relay])) as d:
        relay.refuse()
        waits = []
        for failures in (1, 2, 3):
            assert take_and_give(d)["state"] == "unreachable"
            health = d.health()["servers"][0]
            assert health["failures"] == failures
            waits.append(health["in"])
            if failures < 3:
                time.sleep(health["in"] / 1000 + 0.02)
        assert 700 < waits[0] <= 1000 < waits[1] <= 2000 < waits[2] <= 4000
        relay.heal()
        assert take_and_give(d)["state"] == "unreachable", "not before its time"
        time.sleep(waits[2] / 1000 + 0.02)
        assert take_and_give(d)["state"] == "ok"
        assert d.health()["servers"][0] == {"up": True, "failures": 0, "in": 0}


def test_one_caller_at_a_time_tries_a_server_that_failed(slapd, proxy):
    relay = proxy(slapd)
    with Driver(**of(slapd, [relay])) as d:
        relay.refuse()
        take_and_give(d)
        relay.heal()
        time.sleep(1.05)
        assert d.take(use=BIND, handle=1)["state"] == "ok", "on trial: it has not answered anything yet"
        assert d.take(use=BIND, handle=2)["state"] == "unreachable"
        d.give(use=BIND, handle=1)
        assert d.take(use=BIND, handle=2)["state"] == "ok"


def test_many_callers_with_one_failure_count_once(slapd, proxy):
    relay = proxy(slapd)
    with Driver(**of(slapd, [relay])) as d:
        for n in range(8):
            d.take(use=BIND, handle=n)
        for n in range(8):
            d.give(use=BIND, handle=n, state=STATES.index("timeout"))
        assert d.health()["servers"][0]["failures"] == 1


def test_a_server_that_answers_no_operation_is_down_for_longer_each_time(hostile):
    server = hostile("silent", at="bind")
    with Driver(servers=[server.address], allow_cleartext=True, operation=300) as d:
        for failures in (1, 2):
            assert d.take(use=BIND)["state"] == "ok"
            answer = d.bind(handle=0, dn="cn=x", password="y", within=300)
            assert answer["state"] == "timeout"
            d.give(use=BIND, state=STATES.index("timeout"))
            health = d.health()["servers"][0]
            assert health["failures"] == failures, "that it took the connection says nothing"
            time.sleep(health["in"] / 1000 + 0.02)


def test_a_busy_server_is_left_alone(slapd, two):
    with Driver(**of(slapd, two)) as d:
        d.take(use=BIND)
        d.give(use=BIND, state=STATES.index("code"), code=51)
        assert [s["failures"] for s in d.health()["servers"]] == [1, 0]


@pytest.mark.parametrize("code", [49, 53, 32])
def test_an_answer_about_an_account_is_no_failure(slapd, two, code):
    with Driver(**of(slapd, two)) as d:
        d.take(use=BIND)
        d.give(use=BIND, state=STATES.index("code"), code=code)
        answer = d.take(use=BIND)
        assert (answer["server"], answer["kept"]) == (0, True)


# -- the lookup account


def test_a_refused_lookup_account_is_not_tried_again_at_once(new_slapd):
    directory = new_slapd()
    with Driver(**settings(directory, lookup_password="wrong")) as d:
        answers = [take_and_give(d) for _ in range(10)]
        assert {(a["state"], a["code"]) for a in answers} == {("code", 49)}
        assert directory.operations().count("BIND dn=\"" + directory.bind_dn + "\" method=128") == 1
        assert take_and_give(d, BIND)["state"] == "ok", "users still log in"
        time.sleep(1.05)
        assert take_and_give(d)["code"] == 49
        assert directory.operations().count("BIND dn=\"" + directory.bind_dn + "\" method=128") == 2


def test_no_lookup_account_means_no_bind_at_all(new_slapd):
    directory = new_slapd("--anonymous")
    with Driver(**settings(directory, lookup_dn=None, lookup_password=None)) as d:
        assert take_and_give(d)["state"] == "ok"
        d.take(use=LOOKUP)
        assert d.search(handle=0, base=directory.user_base, filter="(uid=user000000)")["count"] == 1
    assert "BIND dn=\"\"" not in directory.operations()


# -- what a login costs


def test_a_login_on_a_kept_connection_is_one_request(new_slapd):
    directory = new_slapd()
    dn = directory.users["user000000"]
    before = len(directory.operations())
    with Driver(**settings(directory)) as d:
        done = d.logins(count=50, dn=dn, password=directory.user_password)
        assert done["good"] == 50
    log = directory.operations()[before:]
    assert log.count(f'BIND dn="{dn}" method=128') == 50
    assert log.count("STARTTLS") == 1
    assert "SRCH" not in log and "ABANDON" not in log
