"""A2 for groups: each role, ordinary and protected groups, the last superuser, and what happens at once."""
import threading
import time

import pytest

import iamd
import keys
import seed

PASSWORD = "correct horse battery"
GOOD = {"description": "Some people"}
LAST = ("ERR_NO_MORE_SUPERUSERS", "Last member from `superusers` group cannot be removed")
PERSONS = ["plain", "creator", "reader", "updater", "deleter", "fuller", "acs-admin", "acs-reader", "users-full",
           "acls-full", "grouped", "nested", "root2", "root-nested", "target"]


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A daemon with one user a role, ordinary groups and protected ones; granted by SQL while it was down."""
    daemon = iamd.Daemon(tmp_path_factory.mktemp("house")).start()
    admin = daemon.superuser()
    for name in PERSONS:
        admin.expect(201, "PUT", f"/users/{name}", {"password": PASSWORD})
    daemon.stop()
    for name, rid, action in [
            ("creator", "iam:groups", "create"), ("reader", "iam:groups", "read"), ("updater", "iam:groups", "update"),
            ("deleter", "iam:groups", "delete"), ("fuller", "iam:groups", "full"),
            ("users-full", "iam:users", "full"), ("acls-full", "iam:acls", "full"),
            ("acs-admin", "dcos:adminrouter:acs", "full"), ("acs-reader", "dcos:adminrouter:acs", "read"),
            ("root2", "dcos:superuser", "read")]:
        seed.grant(daemon, name, rid, action)
    seed.group(daemon, "managers", ["grouped"], [("iam:groups", "full")])
    seed.group(daemon, "juniors", ["nested"], inside=["managers"])
    seed.group(daemon, "roots", ["root-nested"], inside=["superusers"])
    seed.group(daemon, "metrics", [], [("iam:metrics", "read")])
    seed.group(daemon, "routers", [], [("dcos:adminrouter:acs", "read")])
    seed.group(daemon, "below", [], inside=["metrics"])
    seed.group(daemon, "team", ["target"], [("dcos:service:x", "full")])
    seed.group(daemon, "inner", [], inside=["team"])
    seed.group(daemon, "loose", ["target"])
    daemon.start()
    tokens = {}

    def client(name):
        if name is None:
            return daemon.client()
        if name not in tokens:
            tokens[name] = daemon.login() if name == "bootstrapuser" else daemon.login(name, PASSWORD)
        return daemon.client(tokens[name])

    client.daemon = daemon
    client.admin = lambda: client("bootstrapuser")
    yield client
    daemon.stop()


ROOTS = {"bootstrapuser", "root2", "root-nested"}
MANAGERS = ROOTS | {"fuller", "grouped", "nested", "acs-admin"}
CALLS = {  # each is answered 4xx other than 403 to who may
    "list": ("GET", "/groups", None, MANAGERS | {"reader"}),
    "read": ("GET", "/groups/team", None, MANAGERS | {"reader"}),
    "members": ("GET", "/groups/team/users", None, MANAGERS | {"reader"}),
    "subgroups": ("GET", "/groups/team/groups?effective=true", None, MANAGERS | {"reader"}),
    "user's": ("GET", "/users/target/groups?effective=true", None, MANAGERS | {"reader"}),
    "create": ("PUT", "/groups/team", GOOD, MANAGERS | {"creator"}),
    "describe": ("PATCH", "/groups/team", GOOD, MANAGERS | {"updater"}),
    "describe protected": ("PATCH", "/groups/managers", GOOD, MANAGERS | {"updater"}),
    "add": ("PUT", "/groups/team/users/target", None, MANAGERS | {"updater"}),
    "remove": ("DELETE", "/groups/team/users/plain", None, MANAGERS | {"updater"}),
    "nest": ("PUT", "/groups/team/groups/inner", None, MANAGERS | {"updater"}),
    "unnest": ("DELETE", "/groups/team/groups/loose", None, MANAGERS | {"updater"}),
    "delete": ("DELETE", "/groups/unknown", None, MANAGERS | {"deleter"}),
}


def call(client, method, path, body=None):
    return client(method, path, body) if body is not None else client(method, path)


@pytest.mark.parametrize("what", CALLS)
def test_a2_who_may_do_what_to_groups(house, what):
    method, path, body, may = CALLS[what]
    allowed = set()
    for name in PERSONS + ["bootstrapuser"]:
        answer = call(house(name), method, path, body)
        if answer.status == 403:
            assert answer.code == "ERR_FORBIDDEN"
        else:
            assert answer.status in (200, 204, 400, 409), (name, answer)
            allowed.add(name)
    assert allowed - {"target"} == may and ("target" in allowed) == (what == "user's")
    answer = call(house(None), method, path, body)
    assert (answer.status, answer.code) == (401, "ERR_UNAUTHENTICATED")


@pytest.mark.parametrize("name", ["plain", "creator", "updater", "users-full"])
def test_a2_forbidden_does_not_tell_whether_a_group_exists(house, name):
    for method, tail, body in [("GET", "", None), ("GET", "/users", None), ("GET", "/groups", None), ("DELETE", "", None)]:
        known, unknown = (call(house(name), method, f"/groups/{g}{tail}", body) for g in ("team", "unknown"))
        assert (known.status, known.body) == (unknown.status, unknown.body) == (403, known.body)


def test_a2_a_delegate_manages_ordinary_groups_whole(house, gid):
    house("creator").expect(201, "PUT", f"/groups/{gid}", GOOD)
    house("updater").expect(204, "PUT", f"/groups/{gid}/users/updater")
    house("updater").expect(204, "PUT", f"/groups/{gid}/groups/loose")
    house("updater").expect(204, "PUT", f"/groups/team/groups/{gid}")
    house("updater").expect(204, "DELETE", f"/groups/team/groups/{gid}")
    house("updater").expect(204, "DELETE", f"/groups/{gid}/groups/loose")
    house("updater").expect(204, "DELETE", f"/groups/{gid}/users/updater")
    house("deleter").expect(204, "DELETE", f"/groups/{gid}")


# -- nobody gains by delegation

PROTECTED = ["superusers", "roots", "managers", "juniors", "metrics", "routers", "below"]
DELEGATES = ["updater", "deleter", "fuller", "grouped", "nested", "acs-admin"]


@pytest.mark.parametrize("who", DELEGATES)
@pytest.mark.parametrize("group", PROTECTED)
def test_a2_a_delegate_changes_no_protected_group(house, who, group):
    before = house.admin().get(f"/groups/{group}/users").body, house.admin().get(f"/groups/{group}/groups").body
    for method, path in [("PUT", f"/groups/{group}/users/{who}"), ("PUT", f"/groups/{group}/users/target"),
                         ("DELETE", f"/groups/{group}/users/{who}"), ("DELETE", f"/groups/{group}/users/root-nested"),
                         ("PUT", f"/groups/{group}/groups/loose"), ("DELETE", f"/groups/{group}/groups/loose"),
                         ("PUT", f"/groups/loose/groups/{group}"), ("DELETE", f"/groups/loose/groups/{group}"),
                         ("DELETE", f"/groups/{group}"), ("DELETE", f"/groups/{group}/users/unknown")]:
        answer = house(who)(method, path)
        assert (answer.status, answer.code) == (403, "ERR_FORBIDDEN"), (method, path, answer)
    assert before == (house.admin().get(f"/groups/{group}/users").body, house.admin().get(f"/groups/{group}/groups").body)


def test_a2_the_text_says_why(house):
    answer = house("fuller").put("/groups/managers/users/fuller")
    assert answer.description == "Only a superuser may change a group that holds administrative permissions."


@pytest.mark.parametrize("who", ROOTS)
def test_a2_superusers_change_protected_groups(house, who, gid):
    me = house(who)
    for group in ("managers", "below", "superusers"):
        me.expect(204, "PUT", f"/groups/{group}/users/target")
        me.expect(204, "DELETE", f"/groups/{group}/users/target")
        me.expect(204, "PUT", f"/groups/{group}/groups/loose")
        me.expect(204, "DELETE", f"/groups/{group}/groups/loose")
    me.expect(201, "PUT", f"/groups/{gid}", GOOD)
    me.expect(204, "PUT", f"/groups/metrics/groups/{gid}")
    assert house("fuller").delete(f"/groups/{gid}").status == 403
    me.expect(204, "DELETE", f"/groups/{gid}")


def test_a2_a_group_is_protected_as_long_as_it_is_in_a_protected_one(house):
    for _ in range(3):
        house.admin().expect(204, "PUT", "/groups/metrics/groups/loose")
        assert house("updater").put("/groups/loose/users/updater").status == 403
        house.admin().expect(204, "DELETE", "/groups/metrics/groups/loose")
        house("updater").expect(204, "PUT", "/groups/loose/users/updater")
        house("updater").expect(204, "DELETE", "/groups/loose/users/updater")


def test_a2_a_delegate_who_falls_is_refused_at_once(house):
    token = house.daemon.login("target", PASSWORD)
    me = house.daemon.client(token)
    for _ in range(5):
        house.admin().expect(204, "PUT", "/groups/managers/users/target")
        me.expect(204, "PATCH", "/groups/team", GOOD)
        house.admin().expect(204, "DELETE", "/groups/managers/users/target")
        assert me.patch("/groups/team", GOOD).status == 403


def test_a2_gateway_mode_asks_nobody_but_keeps_the_last_superuser(gw):
    assert gw.get("/groups").status == 200
    for path in ("/groups/superusers/users/bootstrapuser", "/groups/superusers"):
        assert gw.delete(path).code in ("ERR_NO_MORE_SUPERUSERS", "ERR_IS_SUPERUSER_GROUP")


# -- the superusers

def refused(client, method, path, code, text):
    answer = client(method, path)
    assert (answer.status, answer.code, answer.description) == (400, code, text)


def test_the_group_superusers_stays(admin, gw, user):
    for client in (admin, gw):
        refused(client, "DELETE", "/groups/superusers", "ERR_IS_SUPERUSER_GROUP",
                "The `superusers` group must have `full` permission on the `dcos:superuser` resource.")
        assert client.put("/groups/superusers", GOOD).code == "ERR_GROUP_EXISTS"
    text = admin.get("/groups/superusers").json()["description"]
    admin.expect(204, "PATCH", "/groups/superusers", {"description": "others"})
    admin.expect(204, "PATCH", "/groups/superusers", {"description": text})


def test_the_last_member_of_superusers_stays(admin, gw, user):
    refused(admin, "DELETE", "/groups/superusers/users/bootstrapuser", *LAST)
    refused(gw, "DELETE", "/groups/superusers/users/bootstrapuser", *LAST)
    admin.expect(204, "PUT", f"/groups/superusers/users/{user}")
    admin.expect(204, "DELETE", f"/groups/superusers/users/{user}")
    assert admin.delete(f"/groups/superusers/users/{user}").code == "ERR_USER_NOT_IN_GROUP"
    assert admin.get("/groups/superusers/users").json()["array"][0]["user"]["uid"] == "bootstrapuser"


@pytest.fixture
def own_house(new_daemon):
    """A daemon of the test's own with a user `deep`, whose password is PASSWORD, and a chain a > b > c > d."""
    daemon = new_daemon(superuser_service_account_uid="svc",
                        superuser_service_account_public_key=keys.rsa_key().public_pem.replace("\n", "\\n")).start()
    admin = daemon.superuser()
    admin.expect(204, "DELETE", "/users/svc")
    admin.expect(201, "PUT", "/users/deep", {"password": PASSWORD})
    for name in "abcd":
        admin.expect(201, "PUT", f"/groups/{name}", GOOD)
    for outer, inner in ("ab", "bc", "cd"):
        admin.expect(204, "PUT", f"/groups/{outer}/groups/{inner}")
    admin.expect(204, "PUT", "/groups/d/users/deep")
    admin.expect(204, "PUT", "/groups/superusers/groups/a")
    return daemon, admin, daemon.client(daemon.login("deep", PASSWORD))


CUTS = [("DELETE", "/groups/superusers/groups/a"), ("DELETE", "/groups/a/groups/b"), ("DELETE", "/groups/b/groups/c"),
        ("DELETE", "/groups/c/groups/d"), ("DELETE", "/groups/d/users/deep"), ("DELETE", "/groups/a"),
        ("DELETE", "/groups/b"), ("DELETE", "/groups/c"), ("DELETE", "/groups/d"), ("DELETE", "/users/deep")]


def test_the_last_superuser_stays_at_any_depth(own_house):
    daemon, admin, deep = own_house
    deep.expect(204, "DELETE", "/groups/superusers/users/bootstrapuser")
    assert admin.get("/groups").status == 403
    for method, path in CUTS:
        refused(deep, method, path, *LAST)
    refused(deep, "DELETE", "/groups/superusers", "ERR_IS_SUPERUSER_GROUP",
            "The `superusers` group must have `full` permission on the `dcos:superuser` resource.")
    deep.expect(204, "PUT", "/groups/superusers/users/bootstrapuser")
    for method, path in CUTS[:4]:
        admin.expect(204, method, path)
        admin.expect(204, "PUT", path)
    admin.expect(204, "DELETE", "/groups/b")
    refused(admin, "DELETE", "/groups/superusers/users/bootstrapuser", *LAST)


def test_a_second_way_to_the_same_group_is_enough(own_house):
    _, _, deep = own_house
    deep.expect(204, "DELETE", "/groups/superusers/users/bootstrapuser")
    deep.expect(204, "PUT", "/groups/a/groups/d")
    deep.expect(204, "DELETE", "/groups/c/groups/d")
    deep.expect(204, "DELETE", "/groups/b")
    refused(deep, "DELETE", "/groups/a/groups/d", *LAST)
    deep.expect(204, "PUT", "/groups/a/groups/c")
    deep.expect(204, "PUT", "/groups/c/groups/a")
    deep.expect(204, "PUT", "/groups/c/users/deep")
    deep.expect(204, "DELETE", "/groups/a/groups/d")
    refused(deep, "DELETE", "/groups/a/groups/c", *LAST)


def test_who_cannot_log_in_is_no_superuser_to_count_on(own_house):
    """Disabled, or of an outside provider: not the one who is left."""
    daemon, admin, _ = own_house
    admin.expect(204, "PATCH", "/users/deep", {"enabled": False})
    admin.expect(201, "PUT", "/users/remote", {"provider_type": "ldap"})
    admin.expect(204, "PUT", "/groups/superusers/users/remote")
    refused(admin, "DELETE", "/groups/superusers/users/bootstrapuser", *LAST)
    admin.expect(204, "PATCH", "/users/deep", {"enabled": True})
    admin.expect(204, "DELETE", "/groups/superusers/users/bootstrapuser")


def test_where_there_is_no_superuser_groups_are_free(new_daemon):
    daemon = new_daemon(superuser=False, api_access="gateway").start()
    gw = daemon.client()
    gw.expect(201, "PUT", "/users/u", {"provider_type": "ldap"})
    gw.expect(201, "PUT", "/groups/g", GOOD)
    gw.expect(204, "PUT", "/groups/superusers/users/u")
    gw.expect(204, "PUT", "/groups/superusers/groups/g")
    gw.expect(204, "DELETE", "/groups/superusers/groups/g")
    gw.expect(204, "DELETE", "/groups/superusers/users/u")


# -- at once

def together(*functions):
    results, barrier = [None] * len(functions), threading.Barrier(len(functions))

    def run(i):
        barrier.wait()
        results[i] = functions[i]()

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(functions))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return results


def busy(client, gid, n=12):
    """Callers who keep the WRITE lane busy, so that what comes meanwhile shares a batch."""
    return [lambda i=i: [client.patch(f"/groups/{gid}", {"description": f"{i} {k}"}).status for k in range(6)]
            for i in range(n)]


def rounds(outcomes, wanted, at_least=20, at_most=300):
    """Numbers of rounds: some, and as many more as it takes until every outcome was seen."""
    for number in range(at_most):
        if number >= at_least and outcomes == wanted:
            return
        yield number
    assert outcomes == wanted, "the two never met"


def trail(daemon, *actions):
    marks = ",".join("?" * len(actions))
    return daemon.sql(f"SELECT action, object, reason, actor FROM audit WHERE result = 'allow' AND action IN ({marks}) "
                      "ORDER BY id", *actions)


def test_a2_a_group_that_becomes_protected_takes_nobody_in_behind_that(house, gid):
    """In the order of the trail, no delegate's membership comes after the nesting under metrics."""
    daemon, admin, outcomes = house.daemon, house.admin(), set()
    admin.expect(201, "PUT", f"/groups/{gid}-noise", GOOD)
    for number in rounds(outcomes, {204, 403}):
        name = f"{gid}-{number}"
        admin.expect(201, "PUT", f"/groups/{name}", GOOD)
        results = together(*busy(admin, f"{gid}-noise"),
                           lambda n=name: admin.put(f"/groups/metrics/groups/{n}").status,
                           *[lambda n=name, u=u: house("updater").put(f"/groups/{n}/users/{u}").status
                             for u in ("updater", "plain", "target", "reader")])
        assert results[12] == 204 and set(results[13:]) <= {204, 403}, results
        outcomes |= set(results[13:])
        rows = [(a, r) for a, o, r, _ in trail(daemon, "member-add", "subgroup-add") if name in (o, r.split()[1])]
        assert rows[-1] == ("subgroup-add", f"group {name}"), rows
        assert len(rows) == 1 + results[13:].count(204)


def test_a2_a_delegate_who_falls_changes_nothing_behind_that(house, gid):
    """In the order of the trail, nothing of the former delegate comes after the removal."""
    daemon, admin, outcomes = house.daemon, house.admin(), set()
    target = daemon.client(daemon.login("target", PASSWORD))
    admin.expect(201, "PUT", f"/groups/{gid}", GOOD)
    for number in rounds(outcomes, {201, 403}):
        admin.expect(204, "PUT", "/groups/managers/users/target")
        results = together(*busy(admin, gid), lambda: admin.delete("/groups/managers/users/target").status,
                           *[lambda n=number, k=k: target.put(f"/groups/{gid}-{n}-{k}", GOOD).status for k in range(4)])
        assert results[12] == 204 and set(results[13:]) <= {201, 403}, results
        outcomes |= set(results[13:])
        rows = trail(daemon, "group-create", "member-remove")
        last = max(i for i, r in enumerate(rows) if r[:3] == ("member-remove", "managers", "user target"))
        assert [r for r in rows[last:] if r[3] == "target"] == []


@pytest.mark.parametrize("way", ["DELETE /users/{}/tokens", "POST /auth/revoke"])
def test_a2_who_comes_under_protection_keeps_the_tokens(house, gid, way):
    """The same for users: a delegate of iam:users seizes nobody who has just become an administrator."""
    daemon, admin = house.daemon, house.admin()

    def seize(name, tokens):
        if way.startswith("POST"):
            return house("users-full").post("/auth/revoke", {"token": tokens.pop()}).status
        return house("users-full").delete(f"/users/{name}/tokens").status

    outcomes = set()
    for number in rounds(outcomes, {204, 403}):
        name = f"{gid}-u{number}"
        admin.expect(201, "PUT", f"/users/{name}", {"password": PASSWORD})
        tokens = [daemon.login(name, PASSWORD) for _ in range(4)]
        results = together(*busy(admin, "loose"), lambda n=name: admin.put(f"/groups/metrics/users/{n}").status,
                           *[lambda n=name, t=tokens: seize(n, t)] * 4)
        assert results[12] == 204 and set(results[13:]) <= {204, 403}, results
        outcomes |= set(results[13:])
        rows = [a for a, o, r, _ in trail(daemon, "tokens-end", "token-revoke", "member-add") if name == o or r == f"user {name}"]
        assert rows[-1] == "member-add" and len(rows) == 1 + results[13:].count(204)


def test_two_superusers_who_remove_each_other_leave_one(new_daemon):
    daemon = new_daemon().start()
    admin = daemon.superuser()
    for name in ("one", "two"):
        admin.expect(201, "PUT", f"/users/{name}", {"password": PASSWORD})
        admin.expect(204, "PUT", f"/groups/superusers/users/{name}")
    one, two = (daemon.client(daemon.login(name, PASSWORD)) for name in ("one", "two"))
    one.expect(204, "DELETE", "/groups/superusers/users/bootstrapuser")
    for number in range(20):
        statuses = [a.status for a in together(lambda: one.delete("/groups/superusers/users/two"),
                                               lambda: two.delete("/groups/superusers/users/one"))]
        assert statuses.count(204) == 1 and set(statuses) <= {204, 400, 403}, statuses
        winner, loser = (one, "two") if statuses[0] == 204 else (two, "one")
        winner.expect(204, "PUT", f"/groups/superusers/users/{loser}")


def test_of_many_cuts_at_once_the_last_is_refused(new_daemon):
    """Three ways to the only superuser, cut by three callers at the same moment, in gateway mode."""
    daemon = new_daemon(api_access="gateway").start()
    gw = daemon.client()
    for name in "xyz":
        gw.expect(201, "PUT", f"/groups/{name}", GOOD)
        gw.expect(204, "PUT", f"/groups/{name}/users/bootstrapuser")
    for _ in range(20):
        for name in "xyz":
            assert gw.put(f"/groups/superusers/groups/{name}").status in (204, 409)
        gw.delete("/groups/superusers/users/bootstrapuser")
        statuses = together(*[lambda n=n: gw.delete(f"/groups/superusers/groups/{n}").status for n in "xyz"])
        assert sorted(statuses) == [204, 204, 400], statuses
        gw.expect(204, "PUT", "/groups/superusers/users/bootstrapuser")


def test_of_many_who_add_or_remove_one_member_one_wins(admin, group, user):
    for _ in range(20):
        for method, loser in (("PUT", 409), ("DELETE", 400)):
            statuses = together(*[lambda m=method: admin(m, f"/groups/{group}/users/{user}").status] * 4)
            assert sorted(statuses) == sorted([204] + [loser] * 3)


def test_a_member_and_its_group_deleted_at_once_leave_nothing_behind(enforce, admin, gid, uid):
    for number in range(15):
        group, user = f"{gid}-{number}", f"{uid}-{number}"
        admin.expect(201, "PUT", f"/groups/{group}", GOOD)
        admin.expect(201, "PUT", f"/users/{user}", {"password": PASSWORD})
        results = together(lambda g=group, u=user: admin.put(f"/groups/{g}/users/{u}").status,
                           lambda g=group: admin.delete(f"/groups/{g}").status,
                           lambda u=user: admin.delete(f"/users/{u}").status)
        assert results[0] in (204, 400) and results[1:] == [204, 204]
        assert enforce.sql("SELECT count(*) FROM group_members WHERE gid = ? OR uid = ?", group, user) == [(0,)]


def test_many_changes_of_administrators_at_once_are_all_answered(house, gid):
    """Whoever is put off behind a publication gets the turn: delegates among a storm of nesting."""
    admin = house.admin()
    names = [f"{gid}-{i}" for i in range(6)]
    for name in names:
        admin.expect(201, "PUT", f"/groups/{name}", GOOD)

    def nest(name):
        return [admin(m, f"/groups/metrics/groups/{name}").status for _ in range(15) for m in ("PUT", "DELETE")]

    def describe(i):
        return [house("updater").patch("/groups/team", {"description": f"{i} {k}"}).status for k in range(20)]

    began = time.monotonic()
    results = together(*[lambda n=n: nest(n) for n in names], *[lambda i=i: describe(i) for i in range(6)])
    assert {s for r in results for s in r} == {204}
    assert time.monotonic() - began < 30
