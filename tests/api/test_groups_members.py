"""Who and what is in a group: users, service accounts, groups in groups at any depth, cycles."""
import time

import pytest

import keys
import seed

PASSWORD = "correct horse battery"
GOOD = {"description": "Some people"}
IN, NOT_IN = "ERR_USER_ALREADY_IN_GROUP", "ERR_USER_NOT_IN_GROUP"
ANY_BODY = [{}, {"headers": [("Content-Type", "application/json"), ("Content-Length", "0")]},
            {"headers": [("Content-Type", "application/json")]}, {"headers": [("Content-Length", "0")]},
            {"headers": [("Content-Type", "text/plain")]}, {"json_": {}}, {"json_": {"x": 1}}, {"json_": None}]


def members(client, gid, query=""):
    return [m["user"]["uid"] for m in client.expect(200, "GET", f"/groups/{gid}/users{query}").json()["array"]]


def subgroups(client, gid, query=""):
    return [m["group"]["gid"] for m in client.expect(200, "GET", f"/groups/{gid}/groups{query}").json()["array"]]


def groups_of(client, uid, query=""):
    return [m["group"]["gid"] for m in client.expect(200, "GET", f"/users/{uid}/groups{query}").json()["array"]]


EFFECTIVE = "?effective=true"


@pytest.fixture
def make(admin, gid):
    """Makes groups whose names begin with this test's gid: make("a b") returns their gids."""
    def groups(names):
        for name in names.split():
            admin.expect(201, "PUT", f"/groups/{gid}-{name}", GOOD)
        return [f"{gid}-{name}" for name in names.split()]
    return groups


# -- users

@pytest.mark.parametrize("kw", ANY_BODY)
def test_a_user_comes_in_and_goes_out_whatever_empty_or_ignored_body_is_sent(admin, group, user, kw):
    for method in ("PUT", "DELETE"):
        answer = admin(method, f"/groups/{group}/users/{user}", **kw)
        assert (answer.status, answer.body, answer.header("content-type")) == (204, b"", None)
        assert members(admin, group) == ([user] if method == "PUT" else [])
        assert groups_of(admin, user) == ([group] if method == "PUT" else [])


def test_a_second_time_is_409_and_a_removal_of_nobody_400(admin, group, user):
    admin.expect(204, "PUT", f"/groups/{group}/users/{user}")
    answer = admin.put(f"/groups/{group}/users/{user}")
    assert (answer.status, answer.code) == (409, IN)
    assert answer.description == f"User `{user}` is already a member of group `{group}`."
    admin.expect(204, "DELETE", f"/groups/{group}/users/{user}")
    answer = admin.delete(f"/groups/{group}/users/{user}")
    assert (answer.status, answer.code) == (400, NOT_IN)
    assert answer.description == f"User `{user}` is not a member of group `{group}`."


def test_service_accounts_and_disabled_users_may_be_members(admin, group, uid):
    admin.expect(201, "PUT", f"/users/{uid}", {"password": PASSWORD})
    admin.expect(201, "PUT", f"/users/{uid}-svc", {"public_key": keys.rsa_key().public_pem})
    admin.expect(204, "PATCH", f"/users/{uid}", {"enabled": False})
    for name in (uid, f"{uid}-svc"):
        admin.expect(204, "PUT", f"/groups/{group}/users/{name}")
    assert members(admin, group) == [uid]
    assert members(admin, group, "?type=service") == [f"{uid}-svc"]


def test_the_longest_ids_are_members(admin, gid, uid):
    long_gid, long_uid = (gid + "-").ljust(64, "g"), (uid + "-").ljust(96, "u")
    admin.expect(201, "PUT", f"/groups/{long_gid}", GOOD)
    admin.expect(201, "PUT", f"/users/{long_uid}", {"password": PASSWORD})
    admin.expect(204, "PUT", f"/groups/{long_gid}/users/{long_uid}")
    listed = admin.get(f"/groups/{long_gid}/users?limit=1").json()["array"][0]
    assert listed["membershipurl"] == f"/acs/api/v1/groups/{long_gid}/users/{long_uid}"
    assert admin.put(f"/groups/{long_gid}/users/{long_uid}x").code == "ERR_INVALID_USER_ID"
    assert admin.put(f"/groups/{long_gid}x/users/{long_uid}").code == "ERR_INVALID_GROUP_ID"


def test_a_membership_bites_at_the_next_request(enforce, admin, group, user, own):
    """The member of a group inside `superusers` is superuser, until the nesting ends."""
    assert own.get("/groups").status == 403
    admin.expect(204, "PUT", f"/groups/{group}/users/{user}")
    admin.expect(204, "PUT", f"/groups/superusers/groups/{group}")
    try:
        for _ in range(5):
            assert own.get("/groups").status == 200
            admin.expect(204, "DELETE", f"/groups/{group}/users/{user}")
            assert own.get("/groups").status == 403
            admin.expect(204, "PUT", f"/groups/{group}/users/{user}")
    finally:
        admin.expect(204, "DELETE", f"/groups/superusers/groups/{group}")
    assert own.get("/groups").status == 403


# -- groups in groups

@pytest.mark.parametrize("kw", ANY_BODY)
def test_a_group_comes_into_a_group_and_goes(admin, make, user, kw):
    outer, inner = make("outer inner")
    admin.expect(204, "PUT", f"/groups/{inner}/users/{user}")
    for method in ("PUT", "DELETE"):
        answer = admin(method, f"/groups/{outer}/groups/{inner}", **kw)
        assert (answer.status, answer.body, answer.header("content-type")) == (204, b"", None)
        inside = method == "PUT"
        assert subgroups(admin, outer) == subgroups(admin, outer, EFFECTIVE) == ([inner] if inside else [])
        assert members(admin, outer) == [] and members(admin, outer, EFFECTIVE) == ([user] if inside else [])
        assert groups_of(admin, user) == [inner]
        assert groups_of(admin, user, EFFECTIVE) == ([inner, outer] if inside else [inner])
    assert subgroups(admin, inner) == []


def test_nesting_twice_is_409_and_its_removal_twice_400(admin, make):
    outer, inner = make("outer inner")
    admin.expect(204, "PUT", f"/groups/{outer}/groups/{inner}")
    answer = admin.put(f"/groups/{outer}/groups/{inner}")
    assert (answer.status, answer.code) == (409, IN)
    assert answer.description == f"Group `{inner}` is already a member of group `{outer}`."
    admin.expect(204, "DELETE", f"/groups/{outer}/groups/{inner}")
    answer = admin.delete(f"/groups/{outer}/groups/{inner}")
    assert (answer.status, answer.code) == (400, NOT_IN)
    assert answer.description == f"Group `{inner}` is not a member of group `{outer}`."


def test_no_group_is_a_member_of_itself(admin, group):
    answer = admin.put(f"/groups/{group}/groups/{group}")
    assert (answer.status, answer.code) == (409, IN)
    assert answer.description == f"Group `{group}` cannot be a member of itself."
    assert admin.delete(f"/groups/{group}/groups/{group}").code == NOT_IN
    assert subgroups(admin, group, EFFECTIVE) == []


def test_a_group_is_in_any_number_of_groups_and_met_once(admin, make, user):
    """A diamond: d in b and c, both in a."""
    a, b, c, d = make("a b c d")
    for outer, inner in ((a, b), (a, c), (b, d), (c, d)):
        admin.expect(204, "PUT", f"/groups/{outer}/groups/{inner}")
    admin.expect(204, "PUT", f"/groups/{d}/users/{user}")
    admin.expect(204, "PUT", f"/groups/{b}/users/{user}")
    assert members(admin, a, EFFECTIVE) == [user]
    assert subgroups(admin, a, EFFECTIVE) == [b, c, d]
    assert groups_of(admin, user, EFFECTIVE) == [a, b, c, d]
    admin.expect(204, "DELETE", f"/groups/{b}")
    assert groups_of(admin, user, EFFECTIVE) == [a, c, d]
    admin.expect(204, "DELETE", f"/groups/{c}/groups/{d}")
    assert members(admin, a, EFFECTIVE) == [] and groups_of(admin, user, EFFECTIVE) == [d]


@pytest.mark.parametrize("query, is_effective", [
    ("?effective=true", True), ("?x=1&effective=true", True), ("?effective=%74rue", True), ("", False),
    ("?effective=false", False), ("?effective=1", False), ("?effective=TRUE", False), ("?effective=", False),
    ("?effective=true&effective=true", False), ("?effective=true%20", False), ("?effective", False)])
def test_exactly_one_effective_true_goes_through_the_nesting(admin, make, user, query, is_effective):
    outer, inner = make("outer inner")
    admin.expect(204, "PUT", f"/groups/{outer}/groups/{inner}")
    admin.expect(204, "PUT", f"/groups/{inner}/users/{user}")
    assert members(admin, outer, query) == ([user] if is_effective else [])
    assert groups_of(admin, user, query) == ([inner, outer] if is_effective else [inner])


def test_effective_listings_tell_where_a_direct_membership_would_stand(admin, make, user):
    outer, inner = make("outer inner")
    admin.expect(204, "PUT", f"/groups/{outer}/groups/{inner}")
    admin.expect(204, "PUT", f"/groups/{inner}/users/{user}")
    url = f"/acs/api/v1/groups/{outer}/users/{user}"
    assert admin.get(f"/groups/{outer}/users?effective=true").json()["array"][0]["membershipurl"] == url
    assert [m["membershipurl"] for m in admin.get(f"/users/{user}/groups?effective=true").json()["array"]][1] == url


def test_a_user_reads_the_own_groups_direct_and_effective(admin, make, user, own):
    outer, inner = make("outer inner")
    admin.expect(204, "PUT", f"/groups/{outer}/groups/{inner}")
    admin.expect(204, "PUT", f"/groups/{inner}/users/{user}")
    assert groups_of(own, user) == [inner] and groups_of(own, user, EFFECTIVE) == [inner, outer]
    assert own.get("/users/bootstrapuser/groups?effective=true").status == 403


@pytest.mark.parametrize("length", [2, 3, 50])
def test_a_cycle_is_harmless(admin, make, user, length):
    """Everybody in it is an effective member of every group; no group is its own subgroup."""
    ring = make(" ".join(f"{i:03}" for i in range(length)))
    for i, outer in enumerate(ring):
        admin.expect(204, "PUT", f"/groups/{outer}/groups/{ring[(i + 1) % length]}")
    admin.expect(204, "PUT", f"/groups/{ring[0]}/users/{user}")
    assert groups_of(admin, user, EFFECTIVE) == ring
    for gid in (ring[0], ring[-1]):
        assert members(admin, gid, EFFECTIVE) == [user]
        assert subgroups(admin, gid, EFFECTIVE) == [g for g in ring if g != gid]
    admin.expect(204, "DELETE", f"/groups/{ring[-1]}/groups/{ring[0]}")
    assert groups_of(admin, user, EFFECTIVE) == ([ring[0]])
    for gid in ring:
        admin.expect(204, "DELETE", f"/groups/{gid}")
    assert groups_of(admin, user) == []


def test_a_thousand_levels_made_by_calls_are_one_chain(new_daemon):
    """The user at the bottom is superuser through all of them, and none once a link is cut."""
    daemon = new_daemon().start()
    daemon.validate = False
    admin = daemon.superuser()
    admin.expect(201, "PUT", "/users/deep", {"password": PASSWORD})
    chain = [f"n{i:04}" for i in range(1000)]
    for gid in chain:
        admin.expect(201, "PUT", f"/groups/{gid}", GOOD)
    for outer, inner in zip(chain, chain[1:]):
        admin.expect(204, "PUT", f"/groups/{outer}/groups/{inner}")
    admin.expect(204, "PUT", f"/groups/{chain[-1]}/users/deep")
    deep = daemon.client(daemon.login("deep", PASSWORD))
    assert deep.get("/groups").status == 403
    admin.expect(204, "PUT", f"/groups/superusers/groups/{chain[0]}")
    assert deep.get("/groups").status == 200
    began = time.monotonic()
    assert groups_of(admin, "deep", EFFECTIVE) == chain + ["superusers"]
    assert subgroups(admin, "superusers", EFFECTIVE) == chain
    assert members(admin, chain[0], EFFECTIVE) == ["deep"]
    assert members(admin, "superusers", EFFECTIVE + "&limit=1") == ["bootstrapuser"]
    assert time.monotonic() - began < 20
    daemon.restart()
    admin, deep = daemon.superuser(), daemon.client(daemon.login("deep", PASSWORD))
    assert deep.get("/groups").status == 200
    admin.expect(204, "DELETE", f"/groups/{chain[500]}/groups/{chain[501]}")
    assert deep.get("/groups").status == 403
    admin.expect(204, "DELETE", f"/groups/{chain[250]}")
    assert subgroups(admin, "superusers", EFFECTIVE) == chain[:250]


@pytest.mark.parametrize("shape", ["chain", "cycle"])
def test_ten_thousand_groups_in_each_other_stall_nobody(new_daemon, shape):
    """Seeded while the daemon was down; then listed, asked, cut and joined by calls."""
    daemon = new_daemon().start()
    daemon.validate = False
    admin = daemon.superuser()
    admin.expect(201, "PUT", "/users/deep", {"password": PASSWORD})
    daemon.stop()
    chain = [f"n{i:05}" for i in range(10000)]
    daemon.sql("""WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)
        INSERT INTO groups (gid, description, description_folded, provider_type)
        SELECT printf('n%05d', i), '', '', 'internal' FROM n""")
    daemon.sql("""WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9998)
        INSERT INTO group_nesting (gid, sub_gid) SELECT printf('n%05d', i), printf('n%05d', i + 1) FROM n""")
    if shape == "cycle":
        daemon.sql("INSERT INTO group_nesting (gid, sub_gid) VALUES (?, ?)", chain[-1], chain[0])
    seed.member(daemon, chain[-1], "deep")
    daemon.start()
    admin, deep = daemon.superuser(), daemon.client(daemon.login("deep", PASSWORD))

    def quickly(client, method, path, status):
        began = time.monotonic()
        answer = client.expect(status, method, path)
        assert time.monotonic() - began < 20, (method, path)  # a fraction of a second on an idle machine
        return answer

    assert len(quickly(admin, "GET", "/users/deep/groups?effective=true", 200).json()["array"]) == 10000
    assert len(quickly(admin, "GET", f"/groups/{chain[0]}/groups?effective=true", 200).json()["array"]) == 9999
    listed = quickly(admin, "GET", f"/groups/{chain[0]}/users?effective=true&limit=1", 200).json()["array"]
    assert [m["user"]["uid"] for m in listed] == ["deep"]
    quickly(deep, "GET", "/groups?limit=1", 403)
    quickly(admin, "PUT", f"/groups/superusers/groups/{chain[0]}", 204)
    quickly(deep, "GET", "/groups?limit=1", 200)
    quickly(deep, "DELETE", "/groups/superusers/users/bootstrapuser", 204)
    assert quickly(deep, "DELETE", f"/groups/{chain[5000]}/groups/{chain[5001]}", 400).code == "ERR_NO_MORE_SUPERUSERS"
    quickly(deep, "PUT", "/groups/superusers/users/bootstrapuser", 204)
    quickly(deep, "DELETE", f"/groups/{chain[5000]}/groups/{chain[5001]}", 204)
    quickly(deep, "GET", "/groups?limit=1", 403)
