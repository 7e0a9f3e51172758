"""Groups: made, read, changed, deleted; how answers look and which mistake is answered first."""
import json
import threading
import urllib.parse

import pytest

import iamd

DATA, BAD_GID, NO_GROUP = "ERR_INVALID_DATA", "ERR_INVALID_GROUP_ID", "ERR_UNKNOWN_GROUP_ID"
GOOD = {"description": "Some people"}
GOOD_GIDS = ["a", "A-Z_0.9@x", "a" * 64, "anonymous", ".a", "a..b", "-", "_", "@", "0", "superusers2"]
BAD_GIDS = ["a" * 65, ".", "..", "...", "a b", "a+b", "a:b", "a\n", "\na", "a*", "é", "a%", "a?b", "a#b", "a\\b",
            "a\x7f", "\u200b", "~a", "a,b", "<a>", "'", "\U0001f600", "a" * 300]
JSON = ("Content-Type", "application/json")
NO_DATA = "Request has bad Content-Type or lacks JSON data"
SCHEMA = "Unexpected JSON input. Hint: "


def quoted(name):
    return urllib.parse.quote(name, safe="")


def refused(client, method, path, code, text=None, status=400, **kw):
    answer = client(method, path, **kw)
    assert (answer.status, answer.code) == (status, code), answer
    if text is not None:
        assert answer.description == text
    return answer


def test_a_group_is_made_and_read_as_it_was_given(admin, gid):
    answer = admin.put(f"/groups/{gid}", {"description": "Zoë \"x\"\n\U0001f600"})
    assert (answer.status, answer.body, answer.header("content-length")) == (201, b"", "0")
    assert answer.header("content-type") == "application/json; charset=utf-8"
    answer = admin.get(f"/groups/{gid}")
    assert answer.status == 200
    assert answer.header("content-type") == "application/json; charset=utf-8"
    assert answer.body == ('{\n  "gid": "%s",\n  "url": "/acs/api/v1/groups/%s",\n  "description": '
                           '"Zoë \\"x\\"\\n\U0001f600",\n  "provider_type": "internal"\n}\n' % (gid, gid)).encode()


@pytest.mark.parametrize("provider_type", ["internal", "ldap", "oidc", "saml"])
def test_a_group_has_the_provider_type_it_was_given(admin, gid, provider_type):
    admin.expect(201, "PUT", f"/groups/{gid}", {"description": "", "provider_type": provider_type})
    assert admin.get(f"/groups/{gid}").json()["provider_type"] == provider_type
    assert admin.get(f"/groups/{gid}").json()["description"] == ""


@pytest.mark.parametrize("provider_type", ["", "nis", "LDAP", "__class__", "internal "])
def test_an_unknown_provider_type_is_refused_before_the_gid_is_looked_at(admin, provider_type):
    refused(admin, "PUT", "/groups/bad!", DATA, f"Invalid provider_type: {provider_type}",
            json_={"description": "x", "provider_type": provider_type})


@pytest.mark.parametrize("body", [
    {}, {"provider_type": "internal"}, {"description": None}, {"description": 1}, {"description": ["x"]},
    {"description": "x", "gid": "x"}, {"description": "x", "provider_type": 1}, [], "x", 1, True,
])
def test_a_body_against_the_schema_makes_no_group(admin, gid, body):
    answer = admin.put(f"/groups/{gid}", body)
    assert (answer.status, answer.code, answer.json()["title"]) == (400, None, "Bad Request")
    assert answer.description.startswith(SCHEMA)
    refused(admin, "GET", f"/groups/{gid}", NO_GROUP, f"Group with gid `{gid}` not known.")


def test_a_description_has_a_longest_length_in_bytes(admin, gid):
    answer = admin.put(f"/groups/{gid}", {"description": "ñ" * 2048 + "x"})
    assert answer.status == 400 and "description" in answer.description
    admin.expect(201, "PUT", f"/groups/{gid}", {"description": "ñ" * 2048})
    assert admin.get(f"/groups/{gid}").json()["description"] == "ñ" * 2048
    assert admin.patch(f"/groups/{gid}", {"description": "x" * 4097}).status == 400
    admin.expect(204, "PATCH", f"/groups/{gid}", {"description": "x" * 4096})


@pytest.mark.parametrize("member", ["description", "provider_type"])
def test_a_nul_in_a_text_makes_no_group(admin, gid, member):
    assert admin.put(f"/groups/{gid}", {**GOOD, member: "with a\0nul"}).status == 400
    refused(admin, "GET", f"/groups/{gid}", NO_GROUP)


def test_an_existing_group_is_409_and_stays_as_it_is(admin, group):
    answer = refused(admin, "PUT", f"/groups/{group}", "ERR_GROUP_EXISTS", f"Group with id `{group}` already exists.",
                     status=409, json_={"description": "another"})
    assert answer.json()["title"] == "409 Conflict"
    assert admin.get(f"/groups/{group}").json()["description"] == "Some people"


def test_gids_differ_by_case(admin, group):
    admin.expect(201, "PUT", f"/groups/{group.upper()}", {"description": "upper"})
    assert admin.get(f"/groups/{group}").json()["description"] == "Some people"


# -- ids

@pytest.mark.parametrize("name", GOOD_GIDS)
def test_a_good_gid_is_made_and_read_as_it_is(admin, name):
    admin.expect(201, "PUT", f"/groups/{name}", GOOD)
    try:
        group = admin.get(f"/groups/{quoted(name)}").json()
        assert (group["gid"], group["url"]) == (name, f"/acs/api/v1/groups/{name}")
    finally:
        admin.expect(204, "DELETE", f"/groups/{name}")


ROUTES = [("GET", "/groups/{}", None), ("PUT", "/groups/{}", GOOD), ("PATCH", "/groups/{}", GOOD),
          ("DELETE", "/groups/{}", None), ("GET", "/groups/{}/users", None), ("PUT", "/groups/{}/users/bootstrapuser", None),
          ("DELETE", "/groups/{}/users/bootstrapuser", None), ("GET", "/groups/{}/groups", None),
          ("PUT", "/groups/{}/groups/superusers", None), ("DELETE", "/groups/{}/groups/superusers", None),
          ("PUT", "/groups/superusers/groups/{}", None), ("DELETE", "/groups/superusers/groups/{}", None)]


def call(client, method, path, body, **kw):
    return client(method, path, body, **kw) if body is not None else client(method, path, **kw)


@pytest.mark.parametrize("name", BAD_GIDS)
def test_a_bad_gid_is_400_everywhere(admin, name):
    for method, path, body in ROUTES:
        answer = call(admin, method, path.format(quoted(name)), body)
        assert (answer.status, answer.code) == (400, BAD_GID), (method, path, answer)
        if len(name) < 100:
            assert answer.description == f"Invalid group ID: {name}"


@pytest.mark.parametrize("method, path, body", [r for r in ROUTES if r[0] != "PUT" or r[2] is None])
def test_an_unknown_gid_is_400_everywhere(admin, gid, method, path, body):
    answer = call(admin, method, path.format(gid), body)
    assert (answer.status, answer.code) == (400, NO_GROUP), answer
    assert answer.description == f"Group with gid `{gid}` not known."


@pytest.mark.parametrize("path", ["/groups/a%2Fb", "/groups/a%2fb", "/groups/%2F", "/groups%2Fa", "/groups/a%2Fusers",
                                  "/groups/a%252Fb%2Fc", "/groups/a/users/b%2Fc", "/groups/a/groups/b%2Fc",
                                  "/groups/a/users/b/c", "/groups/a/x", "/groups//users"])
def test_an_encoded_slash_or_another_tail_is_404(admin, path):
    for method in ("GET", "PUT", "DELETE"):
        answer = admin(method, path)
        assert (answer.status, answer.body) == (404, b""), method


def test_a_double_encoded_slash_is_decoded_once(admin):
    refused(admin, "GET", "/groups/a%252Fb", BAD_GID, "Invalid group ID: a%2Fb")


@pytest.mark.parametrize("segment", ["%", "a%2", "%zz", "%ff", "%c3%28", "%00", "a%00", "%ed%a0%80", "%c0%af"])
def test_a_broken_escape_nul_or_bad_utf8_in_a_gid_is_a_4xx(admin, segment):
    for method, path, body in ROUTES:
        assert call(admin, method, path.format(segment), body).status in (400, 404)


@pytest.mark.parametrize("encode", [str, lambda s: s.replace("@", "%40"),
                                    lambda s: "".join(f"%{ord(c):02x}" for c in s)])
def test_a_gid_is_percent_decoded_once(admin, gid, encode):
    name = f"{gid}@x"
    admin.expect(201, "PUT", f"/groups/{encode(name)}", GOOD)
    assert admin.get(f"/groups/{encode(name)}").json()["gid"] == name


# -- PATCH

@pytest.mark.parametrize("description", ["", "New", "Zoë \U0001f600", "x" * 1000])
def test_the_description_changes_and_nothing_else(admin, group, description):
    before = admin.get(f"/groups/{group}").json()
    answer = admin.patch(f"/groups/{group}", {"description": description})
    assert (answer.status, answer.body, answer.header("content-type")) == (204, b"", None)
    assert admin.get(f"/groups/{group}").json() == {**before, "description": description}


@pytest.mark.parametrize("body", [{}, {"x": 1}, {"description": None}, {"description": "x", "provider_type": "ldap"},
                                  {"description": 1}, [], "x"])
def test_a_change_against_the_schema_is_refused_before_the_group_is_looked_up(admin, group, body):
    for name in (group, "unknown", "bad!"):
        answer = admin.patch(f"/groups/{name}", body)
        assert answer.status == 400 and answer.description.startswith(SCHEMA)
    assert admin.get(f"/groups/{group}").json()["description"] == "Some people"


# -- DELETE

def test_a_deleted_group_is_gone_with_its_memberships_and_nesting(admin, group, gid, user):
    outer, inner = f"{gid}-outer", f"{gid}-inner"
    for name in (outer, inner):
        admin.expect(201, "PUT", f"/groups/{name}", GOOD)
    admin.expect(204, "PUT", f"/groups/{group}/users/{user}")
    admin.expect(204, "PUT", f"/groups/{outer}/groups/{group}")
    admin.expect(204, "PUT", f"/groups/{group}/groups/{inner}")
    answer = admin.delete(f"/groups/{group}")
    assert (answer.status, answer.body, answer.header("content-type")) == (204, b"", None)
    refused(admin, "GET", f"/groups/{group}", NO_GROUP)
    refused(admin, "DELETE", f"/groups/{group}", NO_GROUP, f"Group with gid `{group}` not known.")
    assert group not in [g["gid"] for g in admin.get("/groups").json()["array"]]
    assert admin.get(f"/users/{user}/groups?effective=true").json() == {"array": []}
    assert admin.get(f"/groups/{outer}/groups").json() == {"array": []}
    admin.expect(201, "PUT", f"/groups/{group}", GOOD)
    assert admin.get(f"/groups/{group}/users").json() == {"array": []}
    assert admin.get(f"/groups/{group}/groups").json() == {"array": []}


def test_a_deleted_user_is_in_no_group(admin, group, user):
    admin.expect(204, "PUT", f"/groups/{group}/users/{user}")
    admin.expect(204, "DELETE", f"/users/{user}")
    assert admin.get(f"/groups/{group}/users").json() == {"array": []}


# -- which mistake is answered first

@pytest.mark.parametrize("method, path, headers, body, status, text", [
    ("PUT", "/groups/bad!", [("Content-Type", "text/plain")], b"{", 415, "Unexpected or undefined Content-Type"),
    ("PUT", "/groups/bad!", [], b"{}", 400, "Missing Content-Type header."),
    ("PUT", "/groups/bad!", [JSON], b'{"description": "\xff"}', 400, "Cannot decode JSON body using UTF-8. Reason: "),
    ("PUT", "/groups/bad!", [JSON], b"{", 400, "Cannot decode JSON body: "),
    ("PUT", "/groups/bad!", [JSON], b'{"description": "a", "description": "b"}', 400, "Cannot decode JSON body: "),
    ("PUT", "/groups/bad!", [], None, 400, NO_DATA),
    ("PUT", "/groups/bad!", [JSON], b"", 400, NO_DATA),
    ("PUT", "/groups/bad!", [JSON], b"null", 400, NO_DATA),
    ("PUT", "/groups/bad!", [("Content-Type", "application/x-www-form-urlencoded")], b"description=x", 400, NO_DATA),
    ("PUT", "/groups/bad!", [JSON], b'{"x": ""}', 400, SCHEMA),
    ("PUT", "/groups/bad!", [JSON], b'{"description": ""}', 400, "Invalid group ID: bad!"),
    ("PATCH", "/groups/unknown", [], None, 400, NO_DATA),
    ("PATCH", "/groups/unknown", [JSON], b'{"description": ""}', 400, "Group with gid `unknown` not known."),
    # memberships have no body; one that is sent is still held against the rules of bodies
    ("PUT", "/groups/unknown/users/unknown", [("Content-Type", "text/plain")], b"{", 415, "Unexpected or undefined Content-Type"),
    ("PUT", "/groups/unknown/users/unknown", [], b"{}", 400, "Missing Content-Type header."),
    ("PUT", "/groups/unknown/users/unknown", [JSON], b"{", 400, "Cannot decode JSON body: "),
    ("PUT", "/groups/unknown/users/unknown", [], None, 400, "Group with gid `unknown` not known."),
    ("PUT", "/groups/bad!/users/bad!", [], None, 400, "Invalid group ID: bad!"),
    ("PUT", "/groups/superusers/users/unknown", [], None, 400, "User with uid `unknown` not known."),
    ("PUT", "/groups/superusers/users/bad!", [], None, 400, "Invalid user ID: bad!"),
    ("PUT", "/groups/superusers/groups/unknown", [], None, 400, "Group with gid `unknown` not known."),
    ("PUT", "/groups/unknown/groups/bad!", [], None, 400, "Group with gid `unknown` not known."),
    ("DELETE", "/groups/unknown/users/unknown", [("Content-Type", "text/plain")], b"{", 400, "Group with gid `unknown` not known."),
    ("DELETE", "/groups/superusers/users/unknown", [], None, 400, "User with uid `unknown` not known."),
    ("DELETE", "/groups/superusers/groups/unknown", [], None, 400, "Group with gid `unknown` not known."),
    ("GET", "/groups/unknown/users?limit=0", [], None, 400, "Group with gid `unknown` not known."),
])
def test_both_modes_answer_the_first_mistake(admin, gw, method, path, headers, body, status, text):
    for client in (admin, gw):
        answer = client(method, path, headers=headers, body=body)
        assert answer.status == status, answer
        assert answer.description.startswith(text), answer


@pytest.mark.parametrize("method, path", [("GET", "/groups"), ("PUT", "/groups/x"), ("DELETE", "/groups/x/users/y"),
                                          ("GET", "/groups/x/groups")])
def test_an_answer_that_is_not_wanted_as_json_is_406_before_all_else(nobody, gw, method, path):
    for client in (nobody, gw):
        answer = client(method, path, headers=[("Accept", "text/html"), ("Content-Type", "text/plain")], body=b"{")
        assert (answer.status, answer.body) == (406, b"")


@pytest.mark.parametrize("method, path", [("PUT", "/groups/x"), ("PATCH", "/groups/x"), ("PUT", "/groups/x/users/y"),
                                          ("PUT", "/groups/x/groups/y")])
def test_enforce_mode_asks_who_calls_before_it_reads_the_body(nobody, own, gw, method, path):
    kw = {"headers": [("Content-Type", "text/plain")], "body": b"{"}
    assert nobody(method, path, **kw).status == 401
    assert own(method, path, **kw).status == 403
    assert gw(method, path, **kw).status == 415


def test_a_body_over_the_limit_is_413(admin, gw, gid):
    for client in (admin, gw):
        answer = client.put(f"/groups/{gid}", body=b"x" * 65537, headers=[JSON])
        assert (answer.status, answer.code) == (413, "ERR_TOO_LARGE")
    body = json.dumps({"description": "x", "y": "z" * 60000}).encode()
    assert admin.put(f"/groups/{gid}", body=body, headers=[JSON]).status == 400


def test_a_chunked_body_is_read(admin, gid):
    import wire
    body = wire.chunked(json.dumps({"description": "in pieces"}).encode())
    answer = admin.put(f"/groups/{gid}", body=body, headers=[JSON, ("Transfer-Encoding", "chunked")])
    assert answer.status == 201
    assert admin.get(f"/groups/{gid}").json()["description"] == "in pieces"


# -- two at once, and what stays

def test_of_many_requests_that_make_one_group_exactly_one_wins(admin, gid):
    for number in range(20):
        statuses, barrier = [], threading.Barrier(4)

        def make(n=number):
            barrier.wait()
            statuses.append(admin.put(f"/groups/{gid}-{n}", GOOD).status)

        threads = [threading.Thread(target=make) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert sorted(statuses) == [201, 409, 409, 409]


def test_groups_outlive_a_restart_and_a_kill(new_daemon):
    daemon = new_daemon().start()
    admin = daemon.superuser()
    for name in ("outer", "inner"):
        admin.expect(201, "PUT", f"/groups/{name}", GOOD)
    admin.expect(204, "PUT", "/groups/outer/groups/inner")
    admin.expect(204, "PUT", "/groups/inner/users/bootstrapuser")
    daemon.kill()
    admin = daemon.start().superuser()
    assert [m["user"]["uid"] for m in admin.get("/groups/outer/users?effective=true").json()["array"]] == ["bootstrapuser"]
    admin.expect(204, "DELETE", "/groups/inner")
    daemon.restart()
    assert daemon.superuser().get("/groups/outer/users?effective=true").json() == {"array": []}


def test_gateway_mode_manages_groups_without_a_token(gw, gid, uid):
    gw.expect(201, "PUT", f"/users/{uid}", {"password": "long enough"})
    gw.expect(201, "PUT", f"/groups/{gid}", GOOD)
    gw.expect(204, "PUT", f"/groups/{gid}/users/{uid}")
    gw.expect(204, "PATCH", f"/groups/{gid}", {"description": "Others"})
    gw.expect(204, "PUT", f"/groups/superusers/groups/{gid}")
    gw.expect(204, "DELETE", f"/groups/superusers/groups/{gid}")
    gw.expect(204, "DELETE", f"/groups/{gid}/users/{uid}")
    gw.expect(204, "DELETE", f"/groups/{gid}")
    refused(gw, "GET", f"/groups/{gid}", NO_GROUP)


# -- the audit trail

def test_each_change_leaves_its_row_and_a_refused_one_none(new_daemon):
    daemon = new_daemon().start()
    admin = daemon.superuser()
    admin.expect(201, "PUT", "/users/bob", {"password": "long enough"})
    for method, path, body, status in [
            ("PUT", "/groups/ops", GOOD, 201), ("PUT", "/groups/ops", GOOD, 409), ("PUT", "/groups/bad!", GOOD, 400),
            ("PUT", "/groups/dir", {"description": "", "provider_type": "ldap"}, 201),
            ("PATCH", "/groups/ops", {"description": "Operators"}, 204), ("PATCH", "/groups/none", GOOD, 400),
            ("PUT", "/groups/ops/users/bob", None, 204), ("PUT", "/groups/ops/users/bob", None, 409),
            ("DELETE", "/groups/ops/users/bob", None, 204), ("DELETE", "/groups/ops/users/bob", None, 400),
            ("PUT", "/groups/ops/groups/dir", None, 204), ("PUT", "/groups/ops/groups/ops", None, 409),
            ("DELETE", "/groups/ops/groups/dir", None, 204), ("DELETE", "/groups/ops/groups/dir", None, 400),
            ("DELETE", "/groups/superusers", None, 400), ("DELETE", "/groups/superusers/users/bootstrapuser", None, 400),
            ("DELETE", "/groups/ops", None, 204), ("DELETE", "/groups/ops", None, 400)]:
        answer = call(admin, method, path, body)
        assert answer.status == status, (method, path, answer)
    rows = daemon.sql("SELECT action, object, result, reason, actor FROM audit WHERE action LIKE '%group-%' "
                      "OR action LIKE 'member-%' ORDER BY id")
    assert [r[:4] for r in rows] == [
        ("group-create", "ops", "allow", "internal"), ("group-create", "dir", "allow", "ldap"),
        ("group-update", "ops", "allow", "description"),
        ("member-add", "ops", "allow", "user bob"), ("member-remove", "ops", "allow", "user bob"),
        ("subgroup-add", "ops", "allow", "group dir"), ("subgroup-remove", "ops", "allow", "group dir"),
        ("group-delete", "ops", "allow", "group")]
    assert {r[4] for r in rows} == {"bootstrapuser"}
    iamd.wait_until(lambda: "action=group-delete" in daemon.log(), what="the line")
    assert 'action=member-add result=allow reason="user bob" uid=bootstrapuser object=ops' in daemon.log()
