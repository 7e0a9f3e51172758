"""AuthZEN: the three searches; every result evaluates to true, and everything that does is a result."""
import json
import urllib.parse

import pytest

import authzen
import iamd
import keys
import seed
import wire
from authzen import decide, post, question, search

ALICE, BOB, R1 = ("user", "alice"), ("user", "bob"), ("record", "record-1")
ACTIONS = ["can_create", "can_delete", "can_read", "can_update", "can_write", "create", "delete", "full", "read",
           "update", "write"]


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    house = authzen.House(tmp_path_factory.mktemp("authzen-search"))
    yield house
    house.daemon.stop()


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """
    2 500 users (every third in a nested group that may read all of "doc"), 30 service accounts and
    1 300 ACLs: more than one question to the database and more than one page.
    """
    daemon = iamd.Daemon(tmp_path_factory.mktemp("town")).start()
    admin = daemon.superuser()
    admin.expect(201, "PUT", "/users/u0000", {"password": authzen.PASSWORD})
    admin.expect(201, "PUT", "/users/svc00", {"public_key": keys.rsa_key().public_pem})
    daemon.stop()
    daemon.sql("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2499)"
               " INSERT INTO users (id, uid, description, description_folded, provider_type, provider_id, password_hash,"
               " public_key, enabled, gen, raised, created_at_ms, last_login_ms)"
               " SELECT 100000 + i, printf('u%04d', i), '', '', 'internal', '', 'x', NULL, i % 50 <> 0, 100000 + i, 0, 0, 0 FROM n")
    daemon.sql("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 29)"
               " INSERT INTO users (id, uid, description, description_folded, provider_type, provider_id, password_hash,"
               " public_key, enabled, gen, raised, created_at_ms, last_login_ms)"
               " SELECT 200000 + i, printf('svc%02d', i), '', '', 'internal', '', NULL,"
               " (SELECT public_key FROM users WHERE uid = 'svc00'), 1, 200000 + i, 0, 0, 0 FROM n")
    daemon.sql("WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 1299)"
               " INSERT INTO acls (rid, rid_folded, description, description_folded)"
               " SELECT printf('doc:%04d', i), printf('doc:%04d', i), '', '' FROM n")
    for rid in ("doc", "doc:", "doc/x", "docs:1", "dob:1", "doc:é", "zebra"):
        seed.acl(daemon, rid)
    seed.group(daemon, "readers", [], [("doc:0000", "read")])
    seed.group(daemon, "thirds", [], inside=["readers"])
    daemon.sql("INSERT INTO group_members (gid, uid) SELECT 'thirds', uid FROM users"
               " WHERE uid LIKE 'u%' AND CAST(substr(uid, 2) AS INTEGER) % 3 = 0")
    daemon.sql("INSERT INTO group_members (gid, uid) SELECT 'thirds', uid FROM users WHERE uid LIKE 'svc%5'")
    daemon.sql("INSERT INTO group_grants (gid, rid, action) SELECT 'readers', rid, 1 FROM acls"
               " WHERE rid LIKE 'doc:%' AND rid <> 'doc:0000' AND (id % 2 = 0 OR rid IN ('doc:', 'doc:é'))")
    seed.grant(daemon, "u0001", "zebra", "delete")
    daemon.start()
    yield daemon
    daemon.stop()


@pytest.fixture(scope="module")
def mayor(town):
    return town.superuser()


def subjects(kind, action, resource):
    return {"subject": {"type": kind}, "action": {"name": action}, "resource": dict(zip(("type", "id"), resource))}


def resources(subject, action, kind):
    return {"subject": dict(zip(("type", "id"), subject)), "action": {"name": action}, "resource": {"type": kind}}


def actions(subject, resource):
    body = question(subject, "", resource)
    del body["action"]
    return body


def ids(found, kind):
    assert all(set(e) == {"type", "id"} and e["type"] == kind for e in found)
    return [e["id"] for e in found]


# -- the certification's scenario, level Search Core

def test_certification_search_core(house):
    asker = house("asker")
    for _ in range(2):
        assert search(asker, "subject", subjects("user", "read", R1)) == [
            {"type": "user", "id": u} for u in ("alice", "bob", "bootstrapuser")]
        assert search(asker, "resource", resources(ALICE, "read", "record")) == [{"type": "record", "id": "record-1"}]
        found = search(asker, "action", actions(ALICE, R1))
        assert {"name": "read"} in found and {"name": "write"} in found
        assert found == [{"name": n} for n in ("can_read", "can_update", "can_write", "read", "update", "write")]
        assert search(asker, "action", actions(BOB, R1)) == [{"name": "can_read"}, {"name": "read"}]


@pytest.mark.parametrize("kind, body", [
    ("subject", {**subjects("user", "read", R1), "subject": {"type": "user", "id": "bob"}}),
    ("subject", {**subjects("user", "read", R1), "subject": {"type": "user", "id": 5}}),
    ("resource", {**resources(ALICE, "read", "record"), "resource": {"type": "record", "id": "record-2"}}),
    ("resource", {**resources(ALICE, "read", "record"), "resource": {"type": "record", "id": None}}),
    ("action", {**actions(ALICE, R1), "action": {"name": "delete"}}), ("action", {**actions(ALICE, R1), "action": 5})])
def test_what_is_searched_for_is_ignored_if_present(house, kind, body):
    plain = {"subject": subjects("user", "read", R1), "resource": resources(ALICE, "read", "record"),
             "action": actions(ALICE, R1)}[kind]
    assert search(house(), kind, body) == search(house(), kind, plain) != []


# -- against evaluation, one by one

@pytest.mark.parametrize("action", ["read", "write", "full", "can_delete", "fly"])
@pytest.mark.parametrize("resource", [R1, ("record", "record-2"), ("record", "record-3"), ("svc", "g"), ("rid", "folder:"),
                                      ("folder", "a/b:c"), ("none", "such"), ("rid", "dcos:superuser")])
def test_subject_search_finds_exactly_those_who_may(house, action, resource):
    everybody = {"user": ["acs", "alice", "asker", "bob", "bootstrapuser", "carol", "dave", "off", "updater"],
                 "service": ["robot", "robot2"]}
    for kind, uids in everybody.items():
        expected = [u for u in uids if decide(house(), (kind, u), action, resource)]
        assert ids(search(house(), "subject", subjects(kind, action, resource)), kind) == expected
        assert ids(search(house(), "subject", subjects(kind, action, resource), 1), kind) == expected


@pytest.mark.parametrize("subject", [ALICE, BOB, ("user", "carol"), ("service", "robot2"), ("service", "robot"), ("user", "off"),
                                     ("user", "bootstrapuser"), ("user", "robot"), ("user", "nobody"), ("group", "outer")])
@pytest.mark.parametrize("action", ["read", "can_delete", "full", "fly"])
def test_resource_search_finds_exactly_what_the_subject_may(house, subject, action):
    rids = sorted((r for r, in house.daemon.sql("SELECT rid FROM acls")), key=str.encode)
    assert len(rids) >= 12
    expected = [r for r in rids if decide(house(), subject, action, ("rid", r))]
    assert ids(search(house(), "resource", resources(subject, action, "rid")), "rid") == expected
    assert ids(search(house(), "resource", resources(subject, action, "rid"), 2), "rid") == expected
    for kind in ("record", "folder", "svc", "fold", "", "folder:a/b", "rid:x", "x" * 1023, "x" * 1024, "x" * 5000, "ß" * 700, "a b"):
        inside = [r[len(kind) + 1:] for r in expected if r.startswith(kind + ":")]
        assert ids(search(house(), "resource", resources(subject, action, kind)), kind) == inside


@pytest.mark.parametrize("subject", [ALICE, BOB, ("service", "robot"), ("user", "bootstrapuser"), ("user", "off"), ("user", "robot"),
                                     ("robot", "robot")])
@pytest.mark.parametrize("resource", [R1, ("record", "record-2"), ("never", "heard"), ("rid", "plain"), ("x" * 3000, "x")])
def test_action_search_finds_exactly_the_names_that_evaluate_to_true(house, subject, resource):
    expected = [{"name": n} for n in ACTIONS if decide(house(), subject, n, resource)]
    assert search(house(), "action", actions(subject, resource)) == expected
    assert search(house(), "action", actions(subject, resource), 3) == expected


# -- pages

def test_subject_search_over_many_pages_equals_brute_force(town, mayor):
    expected = ["bootstrapuser"] + [f"u{i:04}" for i in range(0, 2500, 3) if i == 0 or i % 50]
    body = subjects("user", "read", ("doc", "0000"))
    assert ids(search(mayor, "subject", body), "user") == expected
    assert ids(search(mayor, "subject", body, 1000), "user") == expected
    assert ids(search(mayor, "subject", body, 7), "user") == expected
    assert decide(mayor, ("user", "u0003"), "read", ("doc", "0000")) is True
    assert decide(mayor, ("user", "u0150"), "read", ("doc", "0000")) is False
    assert ids(search(mayor, "subject", subjects("service", "read", ("doc", "0000"))), "service") == ["svc05", "svc15", "svc25"]
    # one at the very end of a long walk
    assert ids(search(mayor, "subject", subjects("user", "delete", ("rid", "zebra"))), "user") == ["bootstrapuser", "u0001"]


def test_resource_search_over_many_pages_equals_brute_force(town, mayor):
    rids = sorted((r for r, in town.sql(
        "SELECT rid FROM group_grants WHERE gid = 'readers' AND action = 1")), key=str.encode)
    assert len(rids) > 600 and "doc:" in rids and "doc:é" in rids
    for limit in (None, 1000, 50, 13):
        assert ids(search(mayor, "resource", resources(("user", "u0003"), "read", "rid"), limit), "rid") == rids
        found = ids(search(mayor, "resource", resources(("user", "u0003"), "read", "doc"), limit), "doc")
        assert found == [r[4:] for r in rids]
    mine = ids(search(mayor, "resource", resources(("user", "bootstrapuser"), "full", "doc"), 1000), "doc")
    assert mine == sorted([""] + [f"{i:04}" for i in range(1300)] + ["é"], key=str.encode)


def test_a_page_ends_behind_100_000_candidates_and_leads_on(new_daemon):
    daemon = new_daemon().start()
    daemon.stop()
    daemon.sql("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100500)"
               " INSERT INTO users (id, uid, description, description_folded, provider_type, provider_id, password_hash,"
               " public_key, enabled, gen, raised, created_at_ms, last_login_ms)"
               " SELECT 100000 + i, printf('w%06d', i), '', '', 'internal', '', 'x', NULL, 1, 100000 + i, 0, 0, 0 FROM n")
    seed.grant(daemon, "w000007", "far:away", "read")
    seed.grant(daemon, "w100400", "far:away", "read")
    daemon.start()
    admin = daemon.superuser()
    body = subjects("user", "read", ("far", "away"))
    first = post(admin, "search/subject", body).json()
    assert ids(first["results"], "user") == ["bootstrapuser", "w000007"] and first["page"]["next_token"]
    assert ids(search(admin, "subject", body), "user") == ["bootstrapuser", "w000007", "w100400"]
    # a full page says so at once, whatever is behind it
    assert ids(search(admin, "subject", body, 2), "user") == ["bootstrapuser", "w000007", "w100400"]


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_the_last_page_has_no_token_and_says_how_many(house, limit):
    """Three may read record-1: a page that ends with the last result is the last page."""
    answer = post(house(), "search/subject", {**subjects("user", "read", R1), "page": {"limit": limit}})
    assert answer.json()["page"]["count"] == limit
    assert (answer.json()["page"]["next_token"] == "") == (limit == 3)


def test_limits_of_a_page(town, mayor):
    body = subjects("user", "read", ("doc", "0000"))
    for limit, count in ((None, 100), (1, 1), (1000, 819), (1001, 819), (10 ** 15, 819)):
        page = {"page": {"limit": limit}} if limit else {"page": {}}
        answer = post(mayor, "search/subject", {**body, **page})
        assert answer.json()["page"]["count"] == count
    many = subjects("user", "read", ("doc", "0000"))
    many["subject"]["type"] = "nobody"
    assert post(mayor, "search/subject", many).json() == {"page": {"next_token": "", "count": 0}, "results": []}
    answer = post(mayor, "search/resource", {**resources(("user", "bootstrapuser"), "read", "rid"), "page": {"limit": 5000}})
    assert answer.json()["page"]["count"] == 1000 and answer.json()["page"]["next_token"]


@pytest.mark.parametrize("page, says", [
    (1, "`page`"), ([], "`page`"), (None, "`page`"), ("x", "`page`"), ({"limit": 0}, "`page.limit`"), ({"limit": -1}, "`page.limit`"),
    ({"limit": 1.0}, "`page.limit`"), ({"limit": "1"}, "`page.limit`"), ({"limit": True}, "`page.limit`"),
    ({"limit": None}, "`page.limit`"), ({"token": 1}, "`page.token`"), ({"token": None}, "`page.token`"),
    ({"token": "x"}, "`page.token`"), ({"token": "A" * 100}, "`page.token`"), ({"token": "A" * 30000}, "`page.token`"),
    ({"token": "ü"}, "`page.token`"), ({"token": "A" * 54}, "`page.token`"), ({"token": "=" * 20}, "`page.token`")])
@pytest.mark.parametrize("kind", ["subject", "resource", "action"])
def test_a_bad_page_is_400_and_named(house, kind, page, says):
    answer = post(house(), f"search/{kind}", question(ALICE, "read", R1, page=page))
    assert answer.status == 400 and says in answer.description


def test_an_empty_token_and_unknown_members_of_a_page_are_fine(house):
    body = {**subjects("user", "read", R1), "page": {"token": "", "size": 5, "sort": []}}
    assert post(house(), "search/subject", body).json()["page"]["count"] == 3


def test_a_token_belongs_to_its_query(house):
    admin = house()
    base = {**subjects("user", "read", R1), "page": {"limit": 1}}
    token = post(admin, "search/subject", base).json()["page"]["next_token"]
    assert token

    def status(kind="subject", **change):
        return post(admin, f"search/{kind}", {**base, "page": {"limit": 1, "token": token}, **change}).status

    assert status() == 200
    assert status(page={"limit": 2, "token": token}) == 200  # the size of pages may change
    assert status(subject={"type": "user", "id": "ignored"}, context={"x": 1}) == 200  # changes no result
    assert status(action={"name": "write"}) == 400
    assert status(action={"name": "can_read"}) == 400
    assert status(resource={"type": "record", "id": "record-2"}) == 400
    assert status(resource={"type": "rid", "id": "record:record-1"}) == 400
    assert status(subject={"type": "service"}) == 400
    assert status("resource", subject={"type": "user", "id": "alice"}) == 400
    assert status("action", subject={"type": "user", "id": "alice"}) == 400
    flipped = ("B" if token[0] == "A" else "A") + token[1:]
    assert status(page={"token": flipped}) == 400
    assert status(page={"token": token[:-1]}) == 400
    assert status(page={"token": token + "A"}) == 400
    answer = post(admin, "search/subject", {**base, "page": {"token": token + "AAAA"}})
    assert answer.status == 400 and "`page.token`" in answer.description


def test_a_token_tells_nothing_and_ends_with_a_restart(new_daemon):
    daemon = new_daemon().start()
    admin = daemon.superuser()
    admin.expect(201, "PUT", "/users/zzz-secret-name", {"password": authzen.PASSWORD})
    admin.expect(204, "PUT", "/groups/superusers/users/zzz-secret-name")
    body = {**subjects("user", "read", R1), "page": {"limit": 1}}
    tokens = {post(admin, "search/subject", body).json()["page"]["next_token"] for _ in range(5)}
    assert len(tokens) == 5  # a nonce each
    body["page"]["token"] = tokens.pop()
    assert ids(post(admin, "search/subject", body).json()["results"], "user") == ["zzz-secret-name"]
    daemon.restart()
    assert post(daemon.superuser(), "search/subject", body).status == 400


def test_pages_go_on_behind_what_vanished(house):
    admin = house()
    admin.expect(201, "PUT", "/acls/walk:1", {"description": ""})
    for i in range(6):
        admin.expect(201, "PUT", f"/users/walker{i}", {"password": authzen.PASSWORD})
        admin.expect(204, "PUT", f"/acls/walk:1/users/walker{i}/read")
    body = {**subjects("user", "read", ("walk", "1")), "page": {"limit": 3}}
    first = post(admin, "search/subject", body).json()
    assert ids(first["results"], "user") == ["bootstrapuser", "walker0", "walker1"]
    for i in (1, 2):
        admin.expect(204, "DELETE", f"/users/walker{i}")
    admin.expect(204, "PATCH", "/users/walker3", {"enabled": False})
    second = post(admin, "search/subject", {**body, "page": {"limit": 3, "token": first["page"]["next_token"]}}).json()
    assert ids(second["results"], "user") == ["walker4", "walker5"] and second["page"]["next_token"] == ""
    for i in (0, 3, 4, 5):
        admin.expect(204, "DELETE", f"/users/walker{i}")
    admin.expect(204, "DELETE", "/acls/walk:1")


def test_ids_as_long_as_they_get(house):
    admin = house()
    rids = ["long:" + c * 1019 for c in "abc"] + ["long:" + "ß" * 509 + "x"]
    for rid in rids:
        seed_acl(admin, rid)
    body = resources(("user", "bootstrapuser"), "read", "long")
    assert ids(search(admin, "resource", body, 1), "long") == [r[5:] for r in rids]
    for rid in rids:
        admin.expect(204, "DELETE", f"/acls/{urllib.parse.quote(rid)}")


def seed_acl(admin, rid):
    admin.expect(201, "PUT", f"/acls/{urllib.parse.quote(rid)}", {"description": ""})


# -- errors and who may search

@pytest.mark.parametrize("kind, member", [
    ("subject", "subject"), ("subject", "action"), ("subject", "resource"), ("subject", "subject.type"), ("subject", "resource.id"),
    ("resource", "subject"), ("resource", "action"), ("resource", "resource"), ("resource", "subject.id"), ("resource", "resource.type"),
    ("action", "subject"), ("action", "resource"), ("action", "subject.id"), ("action", "resource.id")])
def test_a_missing_member_of_a_search_is_400_and_named(house, kind, member):
    body = question(ALICE, "read", R1)
    part, _, last = member.partition(".")
    del (body[part] if last else body)[last or part]
    answer = post(house(), f"search/{kind}", body)
    assert answer.status == 400 and f"`{member}` is a required property" in answer.description


def test_who_may_search(house):
    for caller, about, expected in (("alice", "alice", 200), ("alice", "bob", 403), ("asker", "bob", 200), ("dave", "alice", 403)):
        for kind in ("resource", "action"):
            assert post(house(caller), f"search/{kind}", question(("user", about), "read", R1)).status == expected
    assert post(house("alice"), "search/subject", question(ALICE, "read", R1)).status == 403
    assert post(house("asker"), "search/subject", question(ALICE, "read", R1)).status == 200
    assert ids(search(house("alice"), "resource", resources(ALICE, "read", "record")), "record") == ["record-1"]


def test_a_search_is_not_audited_as_decisions(house):
    search(house(), "subject", subjects("user", "write", ("record", "never-audited")))
    search(house(), "resource", resources(("user", "dave"), "write", "rid"))
    decide(house(), ("user", "dave"), "write", ("record", "is-audited"))
    house.daemon.wait_for_log("is-audited")
    assert "never-audited" not in house.daemon.log()
    assert house.daemon.sql("SELECT 1 FROM audit WHERE object LIKE '%never-audited%'") == []


def test_one_user_does_not_keep_others_from_the_lane(new_daemon):
    """Each search walks 50 000 ACLs. Of sixty at once some find no place; another's search and list do."""
    daemon = new_daemon().start()
    for uid in ("eve", "bob"):
        daemon.superuser().expect(201, "PUT", f"/users/{uid}", {"password": authzen.PASSWORD})
    daemon.stop()
    daemon.sql("WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 49999)"
               " INSERT INTO acls (rid, rid_folded, description, description_folded)"
               " SELECT printf('doc:%05d', i), printf('doc:%05d', i), '', '' FROM n")
    daemon.start()
    eve, bob = (daemon.login(uid, authzen.PASSWORD) for uid in ("eve", "bob"))

    def request(uid, token):
        body = {"subject": {"type": "user", "id": uid}, "action": {"name": "read"}, "resource": {"type": "doc"}}
        return wire.request_bytes("POST", f"{authzen.ROOT}/search/resource", [
            ("Authorization", f"token={token}"), ("Content-Type", "application/json")], json.dumps(body).encode())

    connections = [wire.Connection(daemon.address) for _ in range(60)]
    for c in connections:
        c.send(request("eve", eve))
    with wire.Connection(daemon.address) as c:
        assert c.ask(request("bob", bob), "POST").status == 200
    daemon.superuser().expect(200, "GET", "/groups")
    statuses = []
    for c in connections:
        statuses.append(c.receive("POST").status)
        c.sock.close()
    assert set(statuses) == {200, 503} and statuses.count(200) >= 16
