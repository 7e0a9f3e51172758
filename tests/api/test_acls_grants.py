"""Grants on /acls/{rid}/users/{uid} and /groups/{gid}: given, read, taken away, and seen at once by the next request."""
import itertools
import threading

import pytest

import keys

ACTIONS = ["create", "read", "update", "delete", "full"]
PASSWORD = "correct horse battery"
NO_MORE = "Last member from `superusers` group cannot be removed"
STAYS = "The `superusers` group must have `full` permission on the `dcos:superuser` resource."


def refused(client, method, target, code, text=None, status=400):
    answer = client(method, target)
    assert (answer.status, answer.code) == (status, code), answer
    if text is not None:
        assert answer.description == text


def urls(rid, kind, name, actions):
    return [{"name": a, "url": f"/acs/api/v1/acls/{rid}/{kind}/{name}/{a}"} for a in ACTIONS if a in actions]


@pytest.fixture
def subject(request, user):
    """(path segment, word, id, "in the ACL" error): a user, or a group (superusers: it is on every daemon)."""
    return {"user": ("users", "user", user, "ERR_USER_NOT_IN_ACL"),
            "group": ("groups", "group", "superusers", "ERR_GROUP_NOT_IN_ACL")}[request.param]


either = pytest.mark.parametrize("subject", ["user", "group"], indirect=True)


@either
def test_a_grant_is_given_read_and_taken_away(admin, acl, subject):
    kind, word, name, _ = subject
    target = f"/acls/{acl}/{kind}/{name}"
    assert admin.get(f"{target}/read").body == b'{\n  "allowed": false\n}\n'
    given = admin.put(f"{target}/read")
    assert (given.status, given.body, given.header("content-type")) == (204, b"", None)
    assert admin.get(f"{target}/read").body == b'{\n  "allowed": true\n}\n'
    assert admin.get(target).body == (f'{{\n  "array": [\n    {{\n      "name": "read",\n      "url": "/acs/api/v1{target}'
                                      '/read"\n    }\n  ]\n}\n').encode()
    refused(admin, "PUT", f"{target}/read", "ERR_PERMISSION_EXISTS",
            f"Action `read` already stored for {word} `{name}` in ACL for resource `{acl}`", 409)
    taken = admin.delete(f"{target}/read")
    assert (taken.status, taken.body, taken.header("content-type")) == (204, b"", None)
    refused(admin, "DELETE", f"{target}/read", "ERR_ACTION_NOT_YET_STORED",
            f"Action `read` unknown for {word} `{name}` in ACL for resource `{acl}`")
    assert admin.get(f"{target}/read").json() == {"allowed": False}


@either
def test_what_is_answered_is_what_is_stored(admin, acl, subject):
    """`full` is one of five here, and the superusers are not everywhere."""
    kind, _, name, _ = subject
    target = f"/acls/{acl}/{kind}/{name}"
    for n in range(1, 4):
        for granted in itertools.combinations(ACTIONS, n):
            for a in granted:
                admin.expect(204, "PUT", f"{target}/{a}")
            assert admin.get(target).json()["array"] == urls(acl, kind, name, granted)
            assert [admin.get(f"{target}/{a}").json()["allowed"] for a in ACTIONS] == [a in granted for a in ACTIONS]
            admin.expect(204, "DELETE", target)
    assert admin.get(f"/acls/{acl}/users/bootstrapuser/read").json() == {"allowed": False}


@either
def test_who_is_granted_nothing_is_not_in_the_acl(admin, acl, subject):
    kind, word, name, code = subject
    text = f"{word.capitalize()} `{name}` is not part of ACL for resource `{acl}`"
    refused(admin, "GET", f"/acls/{acl}/{kind}/{name}", code, text)
    refused(admin, "DELETE", f"/acls/{acl}/{kind}/{name}", code, text)
    admin.expect(204, "PUT", f"/acls/{acl}/{kind}/{name}/full")
    admin.expect(204, "PUT", f"/acls/{acl}/{kind}/{name}/read")
    admin.expect(204, "DELETE", f"/acls/{acl}/{kind}/{name}")
    refused(admin, "GET", f"/acls/{acl}/{kind}/{name}", code, text)
    refused(admin, "DELETE", f"/acls/{acl}/{kind}/{name}", code, text)
    refused(admin, "DELETE", f"/acls/{acl}/{kind}/{name}/full", "ERR_ACTION_NOT_YET_STORED")


# each row holds the mistakes of the rows below it too
@pytest.mark.parametrize("target, code, text", [
    ("/acls/%20/users/!/run", "ERR_INVALID_ACTION", "Invalid action: run"),
    ("/acls/%20/users/!/full", "ERR_INVALID_RESOURCE_ID", "Invalid resource ID:  "),
    ("/acls/none:such/groups/!/full", "ERR_UNKNOWN_RESOURCE_ID", "Protected resource with rid `none:such` not known."),
    ("/acls/{acl}/users/!/full", "ERR_INVALID_USER_ID", "Invalid user ID: !"),
    ("/acls/{acl}/users/anonymous/full", "ERR_INVALID_USER_ID", "Invalid user ID: anonymous"),
    ("/acls/{acl}/groups/!/full", "ERR_INVALID_GROUP_ID", "Invalid group ID: !"),
    ("/acls/{acl}/groups/" + "g" * 65 + "/full", "ERR_INVALID_GROUP_ID", "Invalid group ID: " + "g" * 65),
    ("/acls/{acl}/users/" + "u" * 97 + "/full", "ERR_INVALID_USER_ID", "Invalid user ID: " + "u" * 97),
    ("/acls/{acl}/users/superusers/full", "ERR_UNKNOWN_USER_ID", "User with uid `superusers` not known."),
    ("/acls/{acl}/groups/bootstrapuser/full", "ERR_UNKNOWN_GROUP_ID", "Group with gid `bootstrapuser` not known."),
])
def test_the_first_mistake_of_a_grant_is_answered(admin, gw, acl, target, code, text):
    gw.put(f"/acls/{acl}", {"description": ""})
    for client in (admin, gw):
        for method in ("PUT", "DELETE", "GET"):
            refused(client, method, target.format(acl=acl), code, text)


@pytest.mark.parametrize("target, code", [
    ("/acls/%20/users/!", "ERR_INVALID_RESOURCE_ID"), ("/acls/none:such/groups/!", "ERR_UNKNOWN_RESOURCE_ID"),
    ("/acls/{acl}/users/!", "ERR_INVALID_USER_ID"), ("/acls/{acl}/groups/!", "ERR_INVALID_GROUP_ID"),
    ("/acls/{acl}/users/superusers", "ERR_UNKNOWN_USER_ID"),
    ("/acls/{acl}/groups/bootstrapuser", "ERR_UNKNOWN_GROUP_ID")])
def test_the_first_mistake_about_all_grants_is_answered(admin, acl, target, code):
    for method in ("DELETE", "GET"):
        refused(admin, method, target.format(acl=acl), code)


@pytest.mark.parametrize("action", ["Full", "FULL", "full%20", "%20full", "full%0A", "fulll", "ful", "*", "execute",
                                    "full,read", "create%09", "\u00e9".encode().hex(), "0", "x" * 2000])
def test_an_action_is_one_of_five(admin, acl, user, action):
    for method in ("GET", "PUT", "DELETE"):
        refused(admin, method, f"/acls/{acl}/users/{user}/{action}", "ERR_INVALID_ACTION")


@pytest.mark.parametrize("headers, body", [
    ([], None), ([], b""), ([("Content-Type", "application/json")], b""), ([("Content-Type", "application/json")], None),
    ([("Content-Type", "text/plain")], None), ([("Content-Type", "application/json")], b"{}"),
    ([("Content-Type", "application/json")], b'{"x": 1}')])
def test_a_grant_needs_no_body(admin, gw, acl, user, uid, headers, body):
    """Command lines and web pages send Content-Type and Content-Length: 0, or neither."""
    gw.put(f"/acls/{acl}", {"description": ""})
    gw.put(f"/users/{user}", {"password": PASSWORD})
    for client in (admin, gw):
        for name in ("users/" + user, "groups/superusers"):
            answer = client.put(f"/acls/{acl}/{name}/update", headers=headers, body=body)
            assert answer.status == 204, answer


def test_but_what_is_sent_must_be_json(admin, acl, user):
    target = f"/acls/{acl}/users/{user}/full"
    assert admin.put(target, body=b"x").status == 400
    assert admin.put(target, body=b"x", headers=[("Content-Type", "text/plain")]).status == 415
    assert admin.put(target, body=b"{", headers=[("Content-Type", "application/json")]).status == 400
    assert admin.get(target).json() == {"allowed": False}


# -- listings

def test_permissions_are_listed_from_each_side(admin, acl, rid, user, uid):
    second = f"{rid}/two"
    admin.expect(201, "PUT", f"/acls/{second.replace('/', '%252F')}", {"description": "The second"})
    for path in (f"users/{user}/read", f"users/{user}/full", "users/bootstrapuser/delete", "groups/superusers/update",
                 "groups/superusers/create"):
        admin.expect(204, "PUT", f"/acls/{acl}/{path}")
    admin.expect(204, "PUT", f"/acls/{second.replace('/', '%2F')}/users/{user}/read")
    answer = admin.get(f"/acls/{acl}/permissions")
    assert list(answer.json()) == ["users", "groups"]
    assert answer.json() == {
        "users": [{"uid": "bootstrapuser", "userurl": "/acs/api/v1/users/bootstrapuser",
                   "actions": urls(acl, "users", "bootstrapuser", ["delete"])},
                  {"uid": user, "userurl": f"/acs/api/v1/users/{user}",
                   "actions": urls(acl, "users", user, ["read", "full"])}],
        "groups": [{"gid": "superusers", "groupurl": "/acs/api/v1/groups/superusers",
                    "actions": urls(acl, "groups", "superusers", ["create", "update"])}]}
    first = {"rid": acl, "description": "Something", "aclurl": f"/acs/api/v1/acls/{acl}"}
    encoded = second.replace("/", "%252F")
    assert admin.get(f"/users/{user}/permissions").json() == {"direct": [
        {**first, "actions": urls(acl, "users", user, ["read", "full"])},
        {"rid": second, "description": "The second", "aclurl": f"/acs/api/v1/acls/{encoded}",
         "actions": urls(encoded, "users", user, ["read"])}], "groups": []}
    listed = {p["rid"]: p for p in admin.get("/groups/superusers/permissions").json()["array"]}
    assert listed[acl] == {**first, "actions": urls(acl, "groups", "superusers", ["create", "update"])}
    assert list(listed[acl]) == ["rid", "description", "aclurl", "actions"]
    assert listed["dcos:superuser"]["actions"] == urls("dcos:superuser", "groups", "superusers", ["full"])
    assert list(listed) == sorted(listed, key=str.encode)
    admin.expect(204, "DELETE", f"/acls/{encoded}")


def test_effective_permissions_go_through_nested_groups(admin, acl, user, gid):
    for group in (gid, f"outer-{gid}"):
        admin.expect(201, "PUT", f"/groups/{group}", {"description": ""})
    admin.expect(204, "PUT", f"/groups/{gid}/users/{user}")
    admin.expect(204, "PUT", f"/groups/outer-{gid}/groups/{gid}")
    admin.expect(204, "PUT", f"/groups/{gid}/groups/outer-{gid}")
    admin.expect(204, "PUT", f"/acls/{acl}/users/{user}/create")
    admin.expect(204, "PUT", f"/acls/{acl}/groups/outer-{gid}/read")
    entry = {"rid": acl, "description": "Something", "aclurl": f"/acs/api/v1/acls/{acl}"}
    direct = [{**entry, "actions": urls(acl, "users", user, ["create"])}]
    for query in ("", "?effective=false", "?effective=true&effective=true", "?effective=1"):
        assert admin.get(f"/users/{user}/permissions{query}").json() == {"direct": direct, "groups": []}
    assert admin.get(f"/users/{user}/permissions?effective=true").json() == {"direct": direct, "groups": [
        {**entry, "gid": f"outer-{gid}", "membershipurl": f"/acs/api/v1/groups/outer-{gid}/users/{user}",
         "actions": urls(acl, "groups", f"outer-{gid}", ["read"])}]}


def test_the_longest_entries_fit_their_pieces(grants):
    """A URL of a resource that is all slashes, each written as five bytes; quotes that are escaped beside."""
    admin = grants.superuser()
    for rid in ("a" + "/" * 1022 + "b", "\"" * 1024):
        path = rid.replace("/", "%2F").replace("\"", "%22")
        url = "/acs/api/v1/acls/" + rid.replace("/", "%252F")
        admin.expect(201, "PUT", f"/acls/{path}", {"description": ""})
        names = ["users/bootstrapuser", "users/delegate", "users/victim", "groups/superusers"]
        for name in names:
            for action in ACTIONS:
                admin.expect(204, "PUT", f"/acls/{path}/{name}/{action}")
        listed = admin.get(f"/acls/{path}/permissions").json()
        for name, entry in zip(names, listed["users"] + listed["groups"]):
            assert entry["actions"] == [{"name": a, "url": f"{url}/{name}/{a}"} for a in ACTIONS]
        assert len(listed["users"]) == 3 and len(listed["groups"]) == 1
        admin.expect(204, "DELETE", f"/acls/{path}")


def test_permissions_of_what_is_not_known_are_400(admin):
    refused(admin, "GET", "/groups/none/permissions", "ERR_UNKNOWN_GROUP_ID", "Group with gid `none` not known.")
    refused(admin, "GET", "/groups/%20/permissions", "ERR_INVALID_GROUP_ID", "Invalid group ID:  ")
    refused(admin, "GET", "/acls/none/permissions", "ERR_UNKNOWN_RESOURCE_ID")


def test_a_user_that_goes_takes_its_grants_along(admin, acl, user):
    admin.expect(204, "PUT", f"/acls/{acl}/users/{user}/full")
    admin.expect(204, "DELETE", f"/users/{user}")
    assert admin.get(f"/acls/{acl}/permissions").json() == {"users": [], "groups": []}
    refused(admin, "GET", f"/acls/{acl}/users/{user}", "ERR_UNKNOWN_USER_ID")
    admin.expect(201, "PUT", f"/users/{user}", {"password": PASSWORD})
    refused(admin, "GET", f"/acls/{acl}/users/{user}", "ERR_USER_NOT_IN_ACL")


# -- the very next request

@pytest.fixture(scope="module")
def grants(tmp_path_factory):
    """A daemon where `iam:users` and the like may be granted without disturbing others."""
    import iamd
    daemon = iamd.Daemon(tmp_path_factory.mktemp("grants")).start()
    admin = daemon.superuser()
    for rid in ("iam:users", "iam:acls", "iam:groups", "dcos:adminrouter:acs", "app:x"):
        admin.expect(201, "PUT", f"/acls/{rid}", {"description": rid})
    for name in ("delegate", "victim", "root2"):
        admin.expect(201, "PUT", f"/users/{name}", {"password": PASSWORD})
    yield daemon
    daemon.stop()


def test_a_grant_and_its_end_hold_for_the_very_next_request(grants):
    admin, me = grants.superuser(), grants.client(grants.login("delegate", PASSWORD))
    for round_ in range(100):
        admin.expect(204, "PUT", "/acls/iam:users/users/delegate/read")
        assert me.get("/users/victim").status == 200, round_
        admin.expect(204, "DELETE", f"/acls/iam:users/users/delegate{'/read' if round_ % 2 else ''}")
        assert me.get("/users/victim").status == 403, round_


def test_a_grant_to_a_group_reaches_those_nested_in_it_at_once(grants):
    admin, me = grants.superuser(), grants.client(grants.login("delegate", PASSWORD))
    for gid in ("outer", "middle", "inner"):
        admin.expect(201, "PUT", f"/groups/{gid}", {"description": ""})
    links = ["/groups/outer/groups/middle", "/groups/middle/groups/inner", "/groups/inner/users/delegate",
             "/acls/iam:users/groups/outer/read"]
    for order in itertools.permutations(links):
        for link in order:
            assert me.get("/users/victim").status == 403, (order, link)
            admin.expect(204, "PUT", link)
        assert me.get("/users/victim").status == 200, order
        for link in order:
            admin.expect(204, "DELETE", link)
            assert me.get("/users/victim").status == 403, (order, link)


@pytest.mark.parametrize("action, works", [
    ("create", "PUT"), ("read", "GET"), ("update", "PATCH"), ("delete", "DELETE"), ("full", "PUT GET PATCH DELETE")])
def test_a_delegated_action_is_good_for_its_own_methods_at_once(grants, action, works):
    admin, me = grants.superuser(), grants.client(grants.login("delegate", PASSWORD))
    calls = {"PUT": {"description": ""}, "GET": None, "PATCH": {"description": ""}, "DELETE": None}

    def allowed():
        answers = {m: me(m, "/acls/none:such", b) if b and m == "PATCH" else me(m, "/acls/none:such") for m, b in calls.items()}
        return {m for m, a in answers.items() if a.status != 403}

    assert allowed() == set()
    admin.expect(204, "PUT", f"/acls/iam:acls/users/delegate/{action}")
    assert allowed() == set(works.split())
    admin.expect(204, "DELETE", "/acls/iam:acls/users/delegate")
    assert allowed() == set()


def test_deleting_an_acl_ends_what_it_gave_at_once(grants):
    admin, me = grants.superuser(), grants.client(grants.login("delegate", PASSWORD))
    admin.expect(204, "PUT", "/acls/dcos:adminrouter:acs/users/delegate/full")
    assert me.get("/users").status == me.get("/acls").status == 200
    admin.expect(204, "DELETE", "/acls/dcos:adminrouter:acs")
    assert me.get("/users").status == me.get("/acls").status == 403
    admin.expect(201, "PUT", "/acls/dcos:adminrouter:acs", {"description": "again"})
    assert me.get("/users").status == 403


def test_of_two_equal_grants_at_once_one_is_409_and_of_two_ends_one_is_400(grants):
    admin = grants.superuser()
    for _ in range(20):
        for method, statuses in (("PUT", [204, 409]), ("DELETE", [204, 400])):
            answers, barrier = [], threading.Barrier(2)

            def act(m=method):
                barrier.wait()
                answers.append(admin(m, "/acls/app:x/users/victim/full").status)

            threads = [threading.Thread(target=act) for _ in range(2)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            assert sorted(answers) == statuses


# -- superusers

def test_the_group_of_superusers_keeps_its_grant(admin, gw):
    for client in (admin, gw):
        for tail in ("/full", ""):
            refused(client, "DELETE", f"/acls/dcos:superuser/groups/superusers{tail}", "ERR_IS_SUPERUSER_GROUP", STAYS)
        client.expect(204, "PUT", "/acls/dcos:superuser/groups/superusers/read")
        client.expect(204, "DELETE", "/acls/dcos:superuser/groups/superusers/read")
        refused(client, "DELETE", "/acls/dcos:superuser/groups/superusers/read", "ERR_ACTION_NOT_YET_STORED")
        assert client.get("/acls/dcos:superuser/groups/superusers/full").json() == {"allowed": True}


def test_any_action_on_dcos_superuser_makes_one_and_taking_it_ends_that(grants):
    admin, me = grants.superuser(), grants.client(grants.login("root2", PASSWORD))
    for action in ACTIONS:
        assert me.get("/users").status == 403
        admin.expect(204, "PUT", f"/acls/dcos:superuser/users/root2/{action}")
        assert me.get("/users").status == 200
        me.expect(204, "PUT", "/acls/iam:users/users/victim/full")
        me.expect(204, "DELETE", "/acls/iam:users/users/victim/full")
        me.expect(204, "DELETE", f"/acls/dcos:superuser/users/root2/{action}")


def test_the_last_superuser_who_can_log_in_is_not_taken_away(new_daemon):
    """What is left without it counts: members of the group, disabled ones, those without a secret."""
    daemon = new_daemon(api_access="gateway").start()
    gw = daemon.client()
    gw.expect(201, "PUT", "/users/svc", {"public_key": keys.rsa_key().public_pem})
    gw.expect(201, "PUT", "/users/remote", {"provider_type": "saml", "provider_id": "x"})
    gw.expect(204, "PUT", "/acls/dcos:superuser/users/svc/read")
    gw.expect(204, "PUT", "/acls/dcos:superuser/users/svc/full")
    gw.expect(204, "PUT", "/acls/dcos:superuser/users/remote/full")
    gw.expect(204, "DELETE", "/users/bootstrapuser")
    gw.expect(204, "DELETE", "/acls/dcos:superuser/users/svc/full")
    for tail in ("/read", ""):
        refused(gw, "DELETE", f"/acls/dcos:superuser/users/svc{tail}", "ERR_NO_MORE_SUPERUSERS", NO_MORE)
    assert gw.get("/acls/dcos:superuser/users/svc").json()["array"] == urls("dcos:superuser", "users", "svc", ["read"])
    gw.expect(204, "DELETE", "/acls/dcos:superuser/users/remote")
    gw.expect(201, "PUT", "/users/other", {"password": PASSWORD})
    gw.expect(204, "PUT", "/acls/dcos:superuser/users/other/delete")
    gw.expect(204, "DELETE", "/acls/dcos:superuser/users/svc")
    rows = daemon.sql("SELECT action, object, reason FROM audit WHERE action LIKE 'grant%' ORDER BY id")
    assert rows[-1] == ("grants-remove", "dcos:superuser", "user:svc")
    assert ("grant-remove", "dcos:superuser", "user:svc read") not in rows


def at_once(*acts):
    """The answers of calls that are made at the same time, in their order."""
    answers, barrier = [None] * len(acts), threading.Barrier(len(acts))

    def run(i, act):
        barrier.wait()
        answers[i] = act()

    threads = [threading.Thread(target=run, args=(i, a)) for i, a in enumerate(acts)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return answers


def test_of_two_superusers_who_end_each_other_at_once_one_remains(grants):
    """The second change is judged behind the first, even where both are written in one transaction."""
    admin = grants.superuser()
    target = "/acls/dcos:superuser/users/{}/full"
    for name in ("root-a", "root-b"):
        admin.expect(201, "PUT", f"/users/{name}", {"password": PASSWORD})
    a, b = (grants.client(grants.login(n, PASSWORD)) for n in ("root-a", "root-b"))
    for _ in range(30):
        for name in ("root-a", "root-b"):
            admin.expect(204, "PUT", target.format(name))
        answers = at_once(lambda: a.delete(target.format("root-b")), lambda: b.delete(target.format("root-a")))
        assert sorted(x.status for x in answers) == [204, 403], answers
        left = admin.get("/acls/dcos:superuser/permissions").json()["users"]
        assert [u["uid"] for u in left] == ["root-a" if answers[0].status == 204 else "root-b"]
        admin.expect(204, "DELETE", target.format(left[0]["uid"]))


def test_of_two_last_superusers_who_are_taken_away_at_once_one_remains(new_daemon):
    daemon = new_daemon(api_access="gateway").start()
    gw = daemon.client()
    for name in ("root-a", "root-b"):
        gw.expect(201, "PUT", f"/users/{name}", {"password": PASSWORD})
    gw.expect(204, "PUT", "/acls/dcos:superuser/users/root-a/full")
    gw.expect(204, "DELETE", "/users/bootstrapuser")
    for round_ in range(30):
        gw.put("/acls/dcos:superuser/users/root-a/full")
        gw.put("/acls/dcos:superuser/users/root-b/full")
        acts = [lambda: gw.delete("/acls/dcos:superuser/users/root-a/full"), lambda: gw.delete("/acls/dcos:superuser/users/root-b")]
        if round_ % 3 == 2:
            acts[1] = lambda: gw.patch("/users/root-b", {"enabled": False})
        answers = at_once(*acts)
        assert sorted(x.status for x in answers) == [204, 400], answers
        assert {x.code for x in answers if x.status == 400} == {"ERR_NO_MORE_SUPERUSERS"}
        gw.expect(204, "PATCH", "/users/root-b", {"enabled": True})
