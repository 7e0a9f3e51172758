"""PUT, PATCH, DELETE and GET of /acls/{rid}: which resources there are, and how they are written."""
import json
import threading
import urllib.parse

import pytest

BODY = {"description": "About it"}
EXISTS = "ACL with rid `{}` already exists."
UNKNOWN = "Protected resource with rid `{}` not known."


def path(rid, slash="%252F"):
    """The way clients write it: each '/' encoded twice, ':' and '*' as they are."""
    return "/acls/" + slash.join(urllib.parse.quote(part, safe=":*@") for part in rid.split("/"))


def refused(client, method, target, code, text=None, body=None, status=400):
    answer = client(method, target, body) if body is not None else client(method, target)
    assert (answer.status, answer.code) == (status, code), answer
    if text is not None:
        assert answer.description == text


def test_an_acl_is_made_read_described_and_deleted(admin, rid):
    made = admin.put(f"/acls/{rid}", BODY)
    assert (made.status, made.body, made.header("content-length")) == (201, b"", "0")
    assert made.header("content-type") == "application/json; charset=utf-8"
    got = admin.get(f"/acls/{rid}")
    assert got.header("content-type") == "application/json; charset=utf-8"
    assert got.body == (f'{{\n  "rid": "{rid}",\n  "url": "/acs/api/v1/acls/{rid}",\n'
                        '  "description": "About it"\n}\n').encode()
    patched = admin.patch(f"/acls/{rid}", {"description": "Zoë's \"thing\""})
    assert (patched.status, patched.body, patched.header("content-type")) == (204, b"", None)
    assert admin.get(f"/acls/{rid}").json()["description"] == "Zoë's \"thing\""
    deleted = admin.delete(f"/acls/{rid}")
    assert (deleted.status, deleted.body, deleted.header("content-type")) == (204, b"", None)
    refused(admin, "GET", f"/acls/{rid}", "ERR_UNKNOWN_RESOURCE_ID", UNKNOWN.format(rid))


def test_the_description_may_be_empty_but_not_absent(admin, rid):
    for body in ({}, {"description": None}, {"description": 1}, {"description": ["x"]}, [], "x", 1,
                 {"description": "x", "rid": rid}, {"description": "x" * 4097}, {"description": "ß" * 2049}):
        for method in ("PUT", "PATCH"):
            answer = admin(method, f"/acls/{rid}", body)
            assert answer.status == 400
            assert answer.description.startswith("Unexpected JSON input. Hint: "), answer
    refused(admin, "GET", f"/acls/{rid}", "ERR_UNKNOWN_RESOURCE_ID")
    admin.expect(201, "PUT", f"/acls/{rid}", {"description": ""})
    assert admin.get(f"/acls/{rid}").json()["description"] == ""
    admin.expect(204, "PATCH", f"/acls/{rid}", {"description": "ß" * 2048})
    assert admin.get(f"/acls/{rid}").json()["description"] == "ß" * 2048


def test_an_existing_acl_is_409_and_keeps_its_description(admin, acl):
    refused(admin, "PUT", f"/acls/{acl}", "ERR_ACL_EXISTS", EXISTS.format(acl), BODY, 409)
    assert admin.get(f"/acls/{acl}").json()["description"] == "Something"


def test_an_unknown_acl_is_400_everywhere(admin, user, rid):
    for method, tail, body in [("GET", "", None), ("PATCH", "", BODY), ("DELETE", "", None), ("GET", "/permissions", None),
                               ("GET", f"/users/{user}", None), ("DELETE", f"/users/{user}", None),
                               ("GET", "/groups/superusers", None), ("DELETE", "/groups/superusers", None),
                               ("GET", f"/users/{user}/full", None), ("PUT", f"/users/{user}/full", None),
                               ("DELETE", f"/users/{user}/full", None), ("PUT", "/groups/superusers/full", None),
                               ("GET", "/groups/superusers/full", None), ("DELETE", "/groups/superusers/full", None)]:
        refused(admin, method, f"/acls/{rid}{tail}", "ERR_UNKNOWN_RESOURCE_ID", UNKNOWN.format(rid), body)


def test_the_acl_of_superusers_stays(admin):
    text = "The ACL of the `dcos:superuser` resource cannot be deleted."
    refused(admin, "DELETE", "/acls/dcos:superuser", "ERR_IS_SUPERUSER_ACL", text)
    assert admin.get("/acls/dcos:superuser").json()["description"] == "Superuser ACL"
    refused(admin, "PUT", "/acls/dcos:superuser", "ERR_ACL_EXISTS", None, BODY, 409)
    admin.expect(204, "PATCH", "/acls/dcos:superuser", {"description": "Superuser ACL"})


# -- ids

GOOD_RIDS = ["a", "*", "dcos:secrets:default:/kubernetes/*", "dcos:mesos:master:framework:role:*", "a/b", "a//b",
             "dcos:adminrouter:service:group1/app", "Größe:ü/\U0001f511", "x" * 1024, "ß" * 512, "a" * 1023 + "*",
             "/".join("a" * 512), "..", "../..", ".", "a:b@c+d,e;f=g&h$i!j'k(l)m~n|o^p`q\"r<s>t{u}v[w]", "permissions",
             "users", "A", "ＡＢ"]
BAD_RIDS = ["/", "/a", "a/", "/a/", "x" * 1025, "ß" * 512 + "x", "a b", "a\tb", "a\n", "\na", " a", "a%b", "a?b",
            "a#b", "a\\b", "a\x7f", "a\u00a0b", "a\u200bb", "a\u202eb", "\ufeffa", "a\u3000", "a\u00ad", "\ufdd0", "a\x01"]


@pytest.mark.parametrize("rid", GOOD_RIDS, ids=lambda r: ascii(r)[:30])
def test_a_good_rid_is_kept_as_it_is(admin, rid):
    admin.expect(201, "PUT", path(rid), BODY)
    try:
        for slash in ("%252F", "%252f", "%2F", "%2f"):
            got = admin.get(path(rid, slash)).json()
            assert got == {"rid": rid, "url": "/acs/api/v1/acls/" + rid.replace("/", "%252F"), **BODY}
        admin.expect(204, "PUT", path(rid) + "/users/bootstrapuser/read")
        action = {"name": "read", "url": got["url"] + "/users/bootstrapuser/read"}
        assert admin.get(path(rid) + "/users/bootstrapuser").json() == {"array": [action]}
        assert rid in [a["rid"] for a in admin.get("/acls").json()["array"]]
        direct = admin.get("/users/bootstrapuser/permissions").json()["direct"]
        assert direct == [{"rid": rid, "description": "About it", "aclurl": got["url"], "actions": [action]}]
    finally:
        admin.expect(204, "DELETE", path(rid))


@pytest.mark.parametrize("rid", BAD_RIDS, ids=lambda r: ascii(r)[:30])
def test_a_bad_rid_is_400_everywhere(admin, rid):
    encoded = "/acls/" + urllib.parse.quote(rid, safe="")
    for method, tail, body in [("PUT", "", BODY), ("GET", "", None), ("PATCH", "", BODY), ("DELETE", "", None),
                               ("GET", "/permissions", None), ("PUT", "/users/bootstrapuser/full", None),
                               ("GET", "/users/bootstrapuser", None), ("DELETE", "/groups/superusers/read", None)]:
        answer = admin(method, encoded + tail, body) if body else admin(method, encoded + tail)
        assert (answer.status, answer.code) == (400, "ERR_INVALID_RESOURCE_ID"), (method, tail, answer)
        assert answer.description.startswith("Invalid resource ID: ")
    if len(rid) < 100:
        assert answer.description == f"Invalid resource ID: {rid}"


@pytest.mark.parametrize("segment", ["%", "a%2", "a%zz", "%ff", "%c3%28", "%ed%a0%80", "%c0%af", "a%00b"])
def test_a_broken_escape_or_bad_utf8_in_a_rid_is_a_4xx(admin, segment):
    for method in ("GET", "PUT", "DELETE"):
        answer = admin(method, f"/acls/{segment}", **({"json_": BODY} if method == "PUT" else {}))
        assert answer.status in (400, 404) and answer.code is None


def test_three_times_encoded_is_no_slash(admin):
    refused(admin, "GET", "/acls/a%25252Fb", "ERR_INVALID_RESOURCE_ID", "Invalid resource ID: a%252Fb")


def test_a_plain_slash_ends_the_segment(admin, acl):
    assert admin.get(f"/acls/{acl}/b").status == 404
    assert admin.get(f"/acls/{acl}/").json()["rid"] == acl
    assert admin.get("/acls//a").status == 404


def test_rids_differ_by_case_and_by_form(admin, rid):
    """Composed and decomposed letters are different bytes, so different resources."""
    names = [rid, rid.upper(), rid + "é", rid + "e\u0301"]
    for n in names:
        admin.expect(201, "PUT", path(n), {"description": ascii(n)})
    assert [admin.get(path(n)).json()["description"] for n in names] == [ascii(n) for n in names]


# -- the order of checks

JSON, TEXT = ("Content-Type", "application/json"), ("Content-Type", "text/plain")


@pytest.mark.parametrize("who, method, target, headers, body, status, text", [
    (None, "PUT", "/acls/x", [TEXT], b"x", 401, "Authentication is required."),
    (None, "PUT", "/acls/iam:users", [TEXT], b"x", 401, "Authentication is required."),
    ("own", "PUT", "/acls/x", [TEXT], b"x", 403, "Not permitted."),
    ("own", "GET", "/acls/%20", [], None, 403, "Not permitted."),
    ("own", "PUT", "/acls/x/users/y/z", [], None, 403, "Not permitted."),
    ("admin", "PUT", "/acls/%20", [TEXT], b"{", 415, "Unexpected or undefined Content-Type"),
    ("admin", "PUT", "/acls/%20", [], b"{", 400, "Missing Content-Type header."),
    ("admin", "PUT", "/acls/%20", [JSON], b"{", 400, "Cannot decode JSON body: "),
    ("admin", "PUT", "/acls/%20", [], None, 400, "Request has bad Content-Type or lacks JSON data"),
    ("admin", "PUT", "/acls/%20", [JSON], b"{}", 400, "Unexpected JSON input. Hint: `description` is a required"),
    ("admin", "PUT", "/acls/%20", [JSON], b'{"description": ""}', 400, "Invalid resource ID:  "),
    ("admin", "PUT", "/acls/dcos:superuser", [JSON], b'{"description": 1}', 400, "Unexpected JSON input. Hint: "),
    ("admin", "PUT", "/acls/dcos:superuser", [JSON], b'{"description": ""}', 409, "ACL with rid "),
    ("admin", "PATCH", "/acls/unknown:x", [JSON], b"{}", 400, "Unexpected JSON input. Hint: "),
    ("gw", "PUT", "/acls/%20", [TEXT], b"{", 415, "Unexpected or undefined Content-Type"),
    ("gw", "PUT", "/acls/%20", [JSON], b"{}", 400, "Unexpected JSON input. Hint: "),
    ("gw", "PUT", "/acls/%20", [JSON], b'{"description": ""}', 400, "Invalid resource ID:  "),
    ("gw", "PUT", "/acls/x/users/y/z", [TEXT], b"{", 415, "Unexpected or undefined Content-Type"),
    ("gw", "PUT", "/acls/x/users/y/z/nothing", [JSON], b"{", 400, "Cannot decode JSON body: "),
    ("gw", "DELETE", "/acls/unknown:x", [TEXT], b"{", 400, "Protected resource with rid `unknown:x` not known."),
])
def test_the_first_mistake_is_answered(enforce, request, who, method, target, headers, body, status, text):
    client = request.getfixturevalue(who) if who else enforce.client()
    answer = client(method, target, headers=headers, body=body)
    assert answer.status == status, answer
    assert answer.description.startswith(text), answer


def test_gateway_mode_asks_nobody(gw, rid):
    """The gateway in front has; protected rids are not told apart."""
    gw.expect(201, "PUT", f"/acls/iam:{rid}", BODY)
    gw.expect(204, "PUT", f"/acls/iam:{rid}/users/bootstrapuser/full")
    gw.expect(204, "DELETE", f"/acls/iam:{rid}/users/bootstrapuser/full")
    gw.expect(204, "PATCH", f"/acls/iam:{rid}", BODY)
    gw.expect(204, "DELETE", f"/acls/iam:{rid}")
    refused(gw, "DELETE", "/acls/dcos:superuser", "ERR_IS_SUPERUSER_ACL")


# -- twice at once

def both(first, second):
    answers, barrier = [], threading.Barrier(2)

    def run(act):
        barrier.wait()
        answers.append(act())

    threads = [threading.Thread(target=run, args=(a,)) for a in (first, second)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return answers


def test_of_two_requests_at_once_exactly_one_makes_and_one_deletes(admin, rid):
    for round_ in range(20):
        target = f"/acls/{rid}-{round_}"
        made = both(lambda: admin.put(target, {"description": "one"}), lambda: admin.put(target, {"description": "two"}))
        assert sorted(a.status for a in made) == [201, 409]
        gone = both(lambda: admin.delete(target), lambda: admin.delete(target))
        assert sorted(a.status for a in gone) == [204, 400]
        assert {a.code for a in gone if a.status == 400} == {"ERR_UNKNOWN_RESOURCE_ID"}


def test_a_new_acl_of_the_same_rid_has_no_grants(admin, acl, user):
    admin.expect(204, "PUT", f"/acls/{acl}/users/{user}/full")
    admin.expect(204, "PUT", f"/acls/{acl}/groups/superusers/read")
    admin.expect(204, "DELETE", f"/acls/{acl}")
    admin.expect(201, "PUT", f"/acls/{acl}", BODY)
    assert admin.get(f"/acls/{acl}/permissions").json() == {"users": [], "groups": []}
    assert admin.get(f"/users/{user}/permissions").json() == {"direct": [], "groups": []}


# -- audit

def test_each_change_has_its_row_and_line(enforce, admin, rid, user):
    target = f"/acls/{rid}%2F\""
    steps = [("PUT", "", BODY, 201, "acl-create", "acl"), ("PATCH", "", BODY, 204, "acl-update", "description"),
             ("PUT", f"/users/{user}/full", None, 204, "grant-add", f"user:{user} full"),
             ("PUT", "/groups/superusers/read", None, 204, "grant-add", "group:superusers read"),
             ("PUT", "/groups/superusers/read", None, 409, None, None),
             ("DELETE", f"/users/{user}/full", None, 204, "grant-remove", f"user:{user} full"),
             ("DELETE", f"/users/{user}/full", None, 400, None, None),
             ("DELETE", "/groups/superusers", None, 204, "grants-remove", "group:superusers"),
             ("DELETE", "", None, 204, "acl-delete", "acl"), ("DELETE", "", None, 400, None, None)]
    before = len(enforce.log())
    for method, tail, body, status, _, _ in steps:
        answer = admin(method, target.replace('"', "%22") + tail, **({"json_": body} if body else {}))
        assert answer.status == status, answer
    rows = enforce.sql("SELECT action, actor, result, reason FROM audit WHERE object = ? ORDER BY id", rid + '/"')
    assert rows == [(action, "bootstrapuser", "allow", reason) for *_, action, reason in steps if action]
    log = enforce.log()[before:]
    assert f'object="{rid}/\\""' in log and "action=grants-remove" in log
    assert json.dumps(f"user:{user} full") in log
