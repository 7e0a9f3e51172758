"""A2 for the routes of users and tokens: each role, own object and others; nobody gains by delegation."""
import pytest

import iamd
import keys
import seed

PASSWORD = "correct horse battery"
SECRET = "the password of nobody"
PERSONS = ["plain", "creator", "reader", "updater", "deleter", "fuller", "acls-reader", "acs-admin", "acs-reader",
           "grouped", "nested", "root2", "root-nested", "metrics", "metrics-update", "other", "victim", "groups-reader",
           "decisions"]


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A daemon with one user a role; granted by SQL while it was down."""
    daemon = iamd.Daemon(tmp_path_factory.mktemp("house")).start()
    admin = daemon.superuser()
    for name in PERSONS:
        admin.expect(201, "PUT", f"/users/{name}", {"password": PASSWORD})
    admin.expect(201, "PUT", "/users/svc", {"public_key": keys.rsa_key().public_pem})
    daemon.stop()
    for name, rid, action in [
            ("creator", "iam:users", "create"), ("reader", "iam:users", "read"), ("updater", "iam:users", "update"),
            ("deleter", "iam:users", "delete"), ("fuller", "iam:users", "full"), ("acls-reader", "iam:acls", "read"),
            ("groups-reader", "iam:groups", "read"), ("acs-admin", "dcos:adminrouter:acs", "full"),
            ("acs-reader", "dcos:adminrouter:acs", "read"), ("root2", "dcos:superuser", "read"),
            ("metrics", "iam:metrics", "read"), ("metrics-update", "iam:metrics", "update"),
            ("decisions", "iam:decisions", "full"), ("other", "dcos:service:x", "full")]:
        seed.grant(daemon, name, rid, action)
    seed.group(daemon, "managers", ["grouped"], [("iam:users", "full")])
    seed.group(daemon, "juniors", ["nested"], inside=["managers"])
    seed.group(daemon, "almost-root", ["root-nested"], inside=["superusers"])
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
MAY = {  # what somebody else's ordinary object allows
    "list": MANAGERS | {"reader"},
    "read": MANAGERS | {"reader"},
    "create": MANAGERS | {"creator"},
    "describe": MANAGERS | {"updater"},
    "password": MANAGERS | {"updater"},
    "disable": MANAGERS | {"updater"},
    "end": MANAGERS | {"updater"},
    "delete": MANAGERS | {"deleter"},
    "permissions": ROOTS | {"acs-admin", "acls-reader"},
    "groups": ROOTS | {"acs-admin", "groups-reader"},
}
CALLS = {
    "list": ("GET", "/users", None),
    "read": ("GET", "/users/victim", None),
    "create": ("PUT", "/users/victim", {"password": SECRET}),  # exists: 409 to who may
    "describe": ("PATCH", "/users/victim", {"description": "changed"}),
    "password": ("PATCH", "/users/victim", {"password": PASSWORD}),
    "disable": ("PATCH", "/users/victim", {"enabled": True}),
    "end": ("DELETE", "/users/victim/tokens", None),
    "delete": ("DELETE", "/users/unknown", None),  # unknown: 400 to who may
    "permissions": ("GET", "/users/victim/permissions", None),
    "groups": ("GET", "/users/victim/groups", None),
}


def call(client, method, path, body, **kw):
    return client(method, path, body, **kw) if body is not None else client(method, path, **kw)


@pytest.mark.parametrize("what", CALLS)
def test_a2_who_may_do_what_to_another_user(house, what):
    allowed = set()
    for name in PERSONS + ["bootstrapuser"]:
        if name == "victim":
            continue
        answer = call(house(name), *CALLS[what])
        if answer.status == 403:
            assert answer.code == "ERR_FORBIDDEN"
        else:
            assert answer.status in (200, 204, 400, 409), (name, answer)
            allowed.add(name)
    assert allowed == MAY[what]


def test_a2_who_may_read_the_metrics(house):
    allowed = {n for n in PERSONS if house(n).get("/metrics", root=True).status == 200}
    assert allowed == {"root2", "root-nested", "metrics"}
    assert house(None).get("/metrics", root=True).status == 401


@pytest.mark.parametrize("what", list(CALLS))
def test_a2_without_a_token_nothing_of_this_is_answered(house, what):
    answer = call(house(None), *CALLS[what])
    assert (answer.status, answer.code) == (401, "ERR_UNAUTHENTICATED")


@pytest.mark.parametrize("path, root, statuses", [
    ("/auth/login", False, {400}), ("/auth/logout", False, {200}), ("/auth/jwks", False, {200}),
    ("/auth/providers", False, {200}), ("/auth/oidc/providers", False, {200}), ("/auth/saml/providers", False, {200}),
    ("/uiconfig", False, {200}), ("/internal/openapispec.yaml", False, {200}), ("/health/live", True, {200}),
    ("/health/ready", True, {200})])
def test_a2_what_is_public_is_public_even_with_a_bad_token(house, path, root, statuses):
    for headers in ([], [("Authorization", "token=bad")], [("Cookie", "dcos-acs-auth-cookie=bad")]):
        assert house(None).get(path, root=root, headers=headers).status in statuses


@pytest.mark.parametrize("name", ["plain", "creator", "other", "metrics", "decisions"])
def test_a2_everyone_reads_the_own_object_groups_and_permissions(house, name):
    me = house(name)
    assert me.get(f"/users/{name}").json()["uid"] == name
    assert me.get(f"/users/{name}/groups").status == 200
    assert me.get(f"/users/{name}/permissions").status == 200


def test_a2_but_changes_nothing_else_of_it(house):
    me = house("plain")
    for body in ({"description": "x"}, {"enabled": True}, {"enabled": False}, {"public_key": "x"},
                 {"password": PASSWORD, "current_password": PASSWORD, "description": "x"},
                 {"current_password": PASSWORD, "enabled": True}):
        answer = me.patch("/users/plain", body)
        assert (answer.status, answer.code) == (403, "ERR_FORBIDDEN"), (body, answer)
    assert me.delete("/users/plain").status == 403
    assert me.put("/users/plain", {"password": PASSWORD}).status == 403
    assert me.get("/users/plain").status == 200


def test_a2_a_service_account_reads_itself(house):
    daemon = house.daemon
    token = daemon.client().post("/auth/login", {"uid": "svc", "token": keys.rsa_key().service_token("svc")}).json()["token"]
    assert daemon.client(token).get("/users/svc").status == 200
    assert daemon.client(token).get("/users").status == 403
    assert daemon.client(token).patch("/users/svc", {"public_key": keys.rsa_key(1).public_pem}).status == 403


def test_forbidden_does_not_tell_whether_a_user_exists(house):
    for method, tail, body in [("GET", "", None), ("DELETE", "", None), ("PATCH", "", {"description": "x"}),
                               ("GET", "/groups", None), ("GET", "/permissions", None), ("DELETE", "/tokens", None)]:
        known, unknown = (call(house("plain"), method, f"/users/{u}{tail}", body) for u in ("victim", "unknown"))
        assert (known.status, known.body) == (unknown.status, unknown.body) == (403, known.body)


# -- nobody gains by delegation

PROTECTED = ["bootstrapuser", "root2", "root-nested", "acs-admin", "acs-reader", "reader", "fuller", "grouped",
             "nested", "metrics", "decisions", "acls-reader"]
DELEGATES = ["fuller", "grouped", "nested", "acs-admin", "updater", "deleter"]
SEIZURES = [("PATCH", "", {"password": SECRET}), ("PATCH", "", {"enabled": False}), ("PATCH", "", {"enabled": True}),
            ("PATCH", "", {"public_key": keys.rsa_key().public_pem}), ("DELETE", "", None), ("DELETE", "/tokens", None),
            ("PATCH", "", {"description": "x", "password": SECRET})]


@pytest.mark.parametrize("who", DELEGATES)
@pytest.mark.parametrize("method, tail, body", SEIZURES)
def test_a2_a_delegate_does_not_seize_a_protected_user(house, who, method, tail, body):
    for target in PROTECTED:
        if target == who:
            continue
        answer = call(house(who), method, f"/users/{target}{tail}", body)
        assert (answer.status, answer.code) == (403, "ERR_FORBIDDEN"), (target, answer)
    assert house(who).get(f"/users/{who}").status == 200


def test_a2_a_delegate_describes_a_protected_user(house):
    """The description is no secret, no state and no existence."""
    house("fuller").expect(204, "PATCH", "/users/acs-admin", {"description": "by a delegate"})


@pytest.mark.parametrize("who", DELEGATES)
def test_a2_a_delegate_does_not_revoke_a_protected_users_token(house, who):
    daemon = house.daemon
    token = daemon.login()
    answer = house(who).post("/auth/revoke", {"token": token})
    assert (answer.status, answer.code) == (403, "ERR_FORBIDDEN")
    assert daemon.client(token).get("/users").status == 200


def test_a2_who_may_revoke_an_ordinary_users_token(house):
    daemon, allowed = house.daemon, set()
    for name in PERSONS:
        if name in ("victim", "other"):
            continue
        token = daemon.login("other", PASSWORD)
        status = house(name).post("/auth/revoke", {"token": token}).status
        assert status in (204, 403)
        assert (daemon.client(token).get("/users/other").status == 401) == (status == 204)
        if status == 204:
            allowed.add(name)
    assert allowed == MAY["end"] - {"bootstrapuser"}


def test_a2_superusers_change_protected_users(house):
    for who, target in (("root2", "metrics-update"), ("root-nested", "decisions"), ("bootstrapuser", "acs-reader")):
        house(who).expect(204, "PATCH", f"/users/{target}", {"enabled": False})
        house(who).expect(204, "PATCH", f"/users/{target}", {"enabled": True})


def test_a2_a_delegate_manages_ordinary_users_whole(house, uid):
    house("creator").expect(201, "PUT", f"/users/{uid}", {"password": SECRET})
    house("updater").expect(204, "PATCH", f"/users/{uid}", {"password": PASSWORD, "enabled": False})
    house("updater").expect(204, "PATCH", f"/users/{uid}", {"enabled": True})
    assert house.daemon.login(uid, PASSWORD)
    house("deleter").expect(204, "DELETE", f"/users/{uid}")


def test_a2_a_delegate_gives_the_current_password_for_the_own_one(house):
    answer = house("updater").patch("/users/updater", {"password": SECRET})
    assert answer.status in (400, 401, 403)
    assert house.daemon.client().post("/auth/login", {"uid": "updater", "password": SECRET}).status == 401


def test_a2_a_disabled_superuser_is_none(house):
    token = house.daemon.login("root2", PASSWORD)
    house.admin().expect(204, "PATCH", "/users/root2", {"enabled": False})
    assert house.daemon.client(token).get("/users").status == 401
    house.admin().expect(204, "PATCH", "/users/root2", {"enabled": True})


def test_permissions_and_groups_are_shown_as_granted(house):
    shown = house("nested").get("/users/nested/permissions").json()
    assert shown["direct"] == []
    direct = house("reader").get("/users/reader/permissions").json()["direct"]
    assert direct == [{"rid": "iam:users", "description": "About iam:users", "aclurl": "/acs/api/v1/acls/iam:users",
                       "actions": [{"name": "read", "url": "/acs/api/v1/acls/iam:users/users/reader/read"}]}]
    grouped = house("grouped").get("/users/grouped/permissions").json()["groups"]
    assert [(g["rid"], g["gid"], g["membershipurl"]) for g in grouped] == [
        ("iam:users", "managers", "/acs/api/v1/groups/managers/users/grouped")]
    assert [g["group"]["gid"] for g in house("nested").get("/users/nested/groups").json()["array"]] == ["juniors"]


def test_gateway_mode_asks_nobody(gw):
    for path in ("/users", "/users/bootstrapuser", "/users/bootstrapuser/permissions"):
        assert gw.get(path).status == 200
        assert gw.get(path, headers=[("Authorization", "token=bad")]).status == 200
