"""Which ids are ids, and how they are written in a path."""
import urllib.parse

import pytest

GOOD = {"password": "long enough"}
GOOD_UIDS = ["a", "A-Z_0.9@x", "someone@example.com", "a" * 96, "anonymous1", "Anonymous", ".a", "-", "_",
             "@", "0", "a..b"]
BAD_UIDS = ["anonymous", ".", "..", "...", "a" * 97, "a b", "a+b", "a:b", "a\n", "\na", "a*", "é", "a\t",
            "a%", "a?b", "a#b", "a\\b", "a\x7f", "\u200b", "~a", "a,b", "<a>", "'"]


@pytest.mark.parametrize("name", GOOD_UIDS)
def test_a_good_uid_is_created_and_read_as_it_is(admin, name):
    admin.expect(201, "PUT", f"/users/{name}", GOOD)
    try:
        user = admin.get(f"/users/{urllib.parse.quote(name, safe='')}").json()
        assert user["uid"] == name
        assert user["url"] == f"/acs/api/v1/users/{name}"
    finally:
        admin.expect(204, "DELETE", f"/users/{name}")


@pytest.mark.parametrize("name", BAD_UIDS)
def test_a_bad_uid_is_refused_at_create(admin, name):
    answer = admin.put(f"/users/{urllib.parse.quote(name, safe='')}", GOOD)
    assert (answer.status, answer.code) == (400, "ERR_INVALID_USER_ID")
    assert answer.description == f"Invalid user ID: {name}"


@pytest.mark.parametrize("name", BAD_UIDS)
@pytest.mark.parametrize("method, tail, body", [("GET", "", None), ("DELETE", "", None),
                                                ("PATCH", "", {"description": "x"}),
                                                ("GET", "/groups", None), ("GET", "/permissions", None),
                                                ("DELETE", "/tokens", None)])
def test_a_bad_uid_is_400_everywhere(admin, method, tail, body, name):
    path = f"/users/{urllib.parse.quote(name, safe='')}{tail}"
    answer = admin(method, path, body) if body else admin(method, path)
    assert answer.status == 400
    assert answer.code == "ERR_INVALID_USER_ID"


@pytest.mark.parametrize("encoded", ["%61b%40c", "ab@c", "ab%40c", "%61%62%40%63"])
def test_a_segment_is_percent_decoded_once(admin, encoded):
    admin.put("/users/ab@c", GOOD)
    assert admin.get(f"/users/{encoded}").json()["uid"] == "ab@c"


def test_a_segment_is_not_decoded_twice(admin, uid):
    admin.expect(201, "PUT", f"/users/{uid}", GOOD)
    twice = urllib.parse.quote(urllib.parse.quote(uid.replace("u", "%75", 1), safe=""), safe="")
    assert admin.get(f"/users/{twice}").status == 400


def test_plus_in_a_path_is_a_plus(admin):
    answer = admin.put("/users/a+b", GOOD)
    assert answer.description == "Invalid user ID: a+b"


@pytest.mark.parametrize("path", ["/users/a%2Fb", "/users/a%2fb", "/users/%2F", "/users%2Fa", "/users/a%2F"])
def test_an_encoded_slash_outside_a_rid_is_404(admin, path):
    assert admin.get(path).status == 404


@pytest.mark.parametrize("path", ["/users/%", "/users/a%2", "/users/%zz", "/users/%ff", "/users/%c3%28",
                                  "/users/%ed%a0%80", "/users/%c0%af"])
def test_a_broken_escape_or_bad_utf8_in_a_path_is_a_4xx(admin, path):
    assert admin.get(path).status in (400, 404)


def test_uids_differ_by_case(admin, uid):
    admin.expect(201, "PUT", f"/users/{uid}", GOOD)
    admin.expect(201, "PUT", f"/users/{uid.upper()}", GOOD)
    assert admin.get(f"/users/{uid.upper()}").json()["uid"] == uid.upper()
