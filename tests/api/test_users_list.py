"""GET /users: whole lists, pages, search, and the additional fields."""
import re
import urllib.parse

import pytest

import iamd
import keys
import wire


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """A daemon with 60 users and 3 service accounts."""
    daemon = iamd.Daemon(tmp_path_factory.mktemp("people")).start()
    admin = daemon.superuser()
    names = [f"u{i:02}" for i in range(55)] + ["Zoe", "ANNA", "anna", "hannah", "x@y.z"]
    for name in names:
        admin.expect(201, "PUT", f"/users/{name}", {"password": "long enough", "description": f"Person {name}"})
    admin.expect(204, "PATCH", "/users/u50", {"description": "Anna"})
    admin.expect(204, "PATCH", "/users/u51", {"description": "annatto, a colour"})
    admin.expect(204, "PATCH", "/users/u52", {"description": "JOANNA"})
    admin.expect(204, "PATCH", "/users/u53", {"description": "100% sure_thing \\ \"quoted\""})
    for name in ("svc-a", "svc-b", "svc-c"):
        admin.expect(201, "PUT", f"/users/{name}", {"public_key": keys.rsa_key().public_pem})
    yield admin, sorted(names + ["bootstrapuser"])
    daemon.stop()


def uids(answer):
    assert answer.status == 200, answer
    return [u["uid"] for u in answer.json()["array"]]


def next_page(answer):
    link = answer.header("link")
    if link is None:
        return None
    found = re.fullmatch(r'<([^>]+)>; rel="next"', link)
    assert found, link
    target = urllib.parse.urlsplit(found[1])
    path = target.path + "?" + target.query
    assert path.startswith(wire.API + "/users?"), link
    return path[len(wire.API):]


@pytest.mark.parametrize("query", ["", "?type=user", "?type=", "?type=service&type=service", "?type=SERVICE",
                                   "?type=service&type=x", "?Type=service", "?type=service%20"])
def test_the_list_is_of_regular_users(people, query):
    admin, names = people
    answer = admin.get("/users" + query)
    assert sorted(uids(answer)) == names
    assert {u["is_service"] for u in answer.json()["array"]} == {False}


@pytest.mark.parametrize("query", ["?type=service", "?x=y&type=service", "?type=%73ervice"])
def test_exactly_type_service_lists_service_accounts(people, query):
    answer = people[0].get("/users" + query)
    assert uids(answer) == ["svc-a", "svc-b", "svc-c"]
    assert {u["public_key"] for u in answer.json()["array"]} == {keys.rsa_key().public_pem}


@pytest.mark.parametrize("limit", [1, 7, 60, 61, 62, 1000])
def test_pages_follow_the_link_in_byte_order_and_meet_everybody_once(people, limit):
    admin, names = people
    seen, path = [], f"/users?limit={limit}"
    while path:
        answer = admin.get(path)
        page = uids(answer)
        assert len(page) <= limit
        seen += page
        path = next_page(answer)
        assert path is None or len(page) == limit
    assert seen == sorted(names, key=str.encode)


def test_a_whole_list_and_a_last_page_have_no_link(people):
    admin, names = people
    assert admin.get("/users").header("link") is None
    assert admin.get(f"/users?limit={len(names)}").header("link") is None
    assert admin.get(f"/users?limit={len(names) - 1}").header("link") is not None


def test_a_page_continues_behind_an_id_that_is_gone(people):
    admin, names = people
    assert uids(admin.get("/users?limit=3&after=u09zzz")) == ["u10", "u11", "u12"]
    assert uids(admin.get("/users?limit=3&after=~~~")) == []
    assert uids(admin.get("/users?limit=2&after=x@y")) == ["x@y.z"]
    assert uids(admin.get("/users?limit=2&type=service&after=svc-a")) == ["svc-b", "svc-c"]


def test_the_link_keeps_the_other_parameters(people):
    admin, _ = people
    answer = admin.get("/users?limit=2&type=service&fields=all")
    assert uids(answer) == ["svc-a", "svc-b"]
    following = admin.get(next_page(answer))
    assert uids(following) == ["svc-c"]
    assert "enabled" in following.json()["array"][0]


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", "1.5", "", "10x", "%20", "99999999999999999999"])
def test_a_limit_outside_1_to_1000_is_refused(people, limit):
    answer = people[0].get(f"/users?limit={limit}")
    assert (answer.status, answer.code) == (400, "ERR_INVALID_DATA")


@pytest.mark.parametrize("q, expected", [
    ("anna", ["ANNA", "anna", "u50", "u51", "hannah", "u52"]),
    ("ANNA", ["ANNA", "anna", "u50", "u51", "hannah", "u52"]),
    ("zoe", ["Zoe"]),
    ("u07", ["u07"]),
    ("person%20u0", [f"u0{i}" for i in range(10)]),
    ("y.z", ["x@y.z"]),
    ("100%25", ["u53"]),
    ("sure_thing", ["u53"]),
    ("%5C", ["u53"]),
    ("%22quoted%22", ["u53"]),
    ("_hing", []),
    ("nobody-is-called-so", []),
    ("a%27%20OR%201=1--", []),
    ("svc", []),
    ("NEAR(", []), ("*", []), ("u0*", []), ("%22", ["u53"]),
])
def test_search_finds_exact_then_prefix_then_substring(people, q, expected):
    assert uids(people[0].get(f"/users?q={q}")) == expected


def test_search_goes_with_limit_and_type(people):
    admin, _ = people
    assert uids(admin.get("/users?q=SVC-&type=service")) == ["svc-a", "svc-b", "svc-c"]
    seen, path = [], "/users?q=anna&limit=2"
    while path:
        answer = admin.get(path)
        seen += uids(answer)
        path = next_page(answer)
    assert seen == ["ANNA", "anna", "u50", "u51", "hannah", "u52"]


def test_a_changed_description_is_found_and_the_old_one_is_not(people):
    admin, _ = people
    admin.expect(204, "PATCH", "/users/u40", {"description": "xylophone player"})
    assert uids(admin.get("/users?q=XYLOPHONE")) == ["u40"]
    assert "u40" not in uids(admin.get("/users?q=person"))


def test_a_search_text_of_256_bytes_is_fine_and_one_more_is_refused(people):
    assert uids(people[0].get("/users?q=" + "x" * 256)) == []
    answer = people[0].get("/users?q=" + "x" * 257)
    assert (answer.status, answer.code) == (400, "ERR_INVALID_DATA")


@pytest.mark.parametrize("q", ["a", "an", "%C3%A9", "%F0%9F%98%80"])
def test_short_and_foreign_search_texts_work(people, q):
    found = uids(people[0].get(f"/users?q={q}"))
    assert ("anna" in found) == (q in ("a", "an"))


def test_fields_all_adds_enabled_and_the_times(people):
    admin, _ = people
    user = admin.get("/users/u01?fields=all").json()
    assert list(user)[7:] == ["enabled", "created_at", "last_login"]
    assert user["enabled"] is True and user["last_login"] is None
    listed = {u["uid"]: u for u in admin.get("/users?fields=all").json()["array"]}
    assert listed["u01"] == user
    assert listed["bootstrapuser"]["last_login"] is not None


@pytest.mark.parametrize("query", ["", "?fields=some", "?fields=ALL", "?fields="])
def test_without_fields_all_the_object_is_the_plain_one(people, query):
    assert len(people[0].get(f"/users/u01{query}").json()) == 7


def test_a_login_sets_last_login(enforce, admin, user):
    assert admin.get(f"/users/{user}?fields=all").json()["last_login"] is None
    enforce.login(user, "correct horse battery")
    iamd.wait_until(lambda: admin.get(f"/users/{user}?fields=all").json()["last_login"], what="last_login")


def test_own_groups_and_permissions_of_the_superuser(admin):
    membership = "/acs/api/v1/groups/superusers/users/bootstrapuser"
    groups = admin.get("/users/bootstrapuser/groups").json()["array"]
    assert [(g["membershipurl"], g["group"]["gid"], g["group"]["url"]) for g in groups] == [
        (membership, "superusers", "/acs/api/v1/groups/superusers")]
    answer = admin.get("/users/bootstrapuser/permissions")
    assert "max-age=5" in answer.header("cache-control")
    assert answer.json() == {"direct": [], "groups": [{
        "rid": "dcos:superuser", "gid": "superusers", "description": "Superuser ACL",
        "aclurl": "/acs/api/v1/acls/dcos:superuser", "membershipurl": membership,
        "actions": [{"name": "full", "url": "/acs/api/v1/acls/dcos:superuser/groups/superusers/full"}]}]}


def test_a_new_user_has_no_groups_and_no_permissions(admin, user):
    assert admin.get(f"/users/{user}/groups").json() == {"array": []}
    assert admin.get(f"/users/{user}/permissions").json() == {"direct": [], "groups": []}
