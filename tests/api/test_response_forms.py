"""How answers look on the wire: bodies, media types, errors, OPTIONS, HEAD, trailing slashes."""
import json

import pytest

import wire

ROUTES = {  # path: methods
    "/auth/login": {"GET", "POST"},
    "/auth/logout": {"GET"},
    "/auth/jwks": {"GET"},
    "/auth/providers": {"GET"},
    "/auth/oidc/providers": {"GET"},
    "/auth/saml/providers": {"GET"},
    "/auth/revoke": {"POST"},
    "/users": {"GET"},
    "/users/somebody": {"GET", "PUT", "PATCH", "DELETE"},
    "/users/somebody/groups": {"GET"},
    "/users/somebody/permissions": {"GET"},
    "/users/somebody/tokens": {"DELETE"},
    "/groups": {"GET"},
    "/groups/some": {"GET", "PUT", "PATCH", "DELETE"},
    "/groups/some/users": {"GET"},
    "/groups/some/users/somebody": {"PUT", "DELETE"},
    "/groups/some/groups": {"GET"},
    "/groups/some/groups/other": {"PUT", "DELETE"},
    "/uiconfig": {"GET"},
    "/acls": {"GET"},
    "/acls/some:thing": {"GET", "PUT", "PATCH", "DELETE"},
    "/acls/some:thing/permissions": {"GET"},
    "/acls/some%252Fthing/users/somebody": {"GET", "DELETE"},
    "/acls/some%2Fthing/groups/some": {"GET", "DELETE"},
    "/acls/some:thing/users/somebody/read": {"GET", "PUT", "DELETE"},
    "/acls/some:thing/groups/some/no-action": {"GET", "PUT", "DELETE"},
    "/groups/some/permissions": {"GET"},
}
METHODS = {"GET", "PUT", "POST", "PATCH", "DELETE"}


def allowed(answer):
    return {m.strip() for m in answer.header("allow").split(",")}


def pretty(document):
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


@pytest.mark.parametrize("path", ["/auth/jwks", "/auth/providers", "/auth/oidc/providers", "/uiconfig",
                                  "/users", "/users/bootstrapuser", "/users/bootstrapuser/groups",
                                  "/users/bootstrapuser/permissions", "/groups", "/groups/superusers",
                                  "/groups/superusers/users", "/groups/superusers/groups",
                                  "/acls", "/acls/dcos:superuser",
                                  "/acls/dcos:superuser/permissions", "/acls/dcos:superuser/groups/superusers",
                                  "/acls/dcos:superuser/groups/superusers/full", "/groups/superusers/permissions"])
def test_json_is_pretty_with_two_blanks_and_one_newline(admin, path):
    answer = admin.get(path)
    assert answer.status == 200
    assert answer.header("content-type") == "application/json; charset=utf-8"
    assert answer.body == pretty(answer.json())


def test_text_beyond_ascii_is_not_escaped(admin, uid):
    admin.expect(201, "PUT", f"/users/{uid}", {"password": "long enough", "description": "Zoë ☃ \U0001f600 \"\\"})
    answer = admin.get(f"/users/{uid}")
    assert "Zoë ☃ \U0001f600 \\\"\\\\".encode() in answer.body
    assert answer.body == pretty(answer.json())


def test_lists_are_wrapped_and_objects_keep_the_order_of_their_members(admin, user):
    listed = admin.get("/users").json()
    assert list(listed) == ["array"]
    assert list(admin.get(f"/users/{user}").json()) == [
        "uid", "description", "url", "is_remote", "is_service", "provider_type", "provider_id"]


def test_created_is_201_without_a_body_but_with_the_media_type(admin, uid):
    answer = admin.put(f"/users/{uid}", {"password": "long enough"})
    assert (answer.status, answer.body) == (201, b"")
    assert answer.header("content-length") == "0"
    assert answer.header("content-type") == "application/json; charset=utf-8"


def test_done_is_204_without_body_and_media_type(admin, user):
    for answer in (admin.patch(f"/users/{user}", {"description": "x"}),
                   admin.delete(f"/users/{user}/tokens"), admin.delete(f"/users/{user}")):
        assert (answer.status, answer.body) == (204, b"")
        assert answer.header("content-type") is None


@pytest.mark.parametrize("method, path, body, status, title, code", [
    ("GET", "/users/unknown", None, 400, "400 Bad Request", "ERR_UNKNOWN_USER_ID"),
    ("PUT", "/users/bootstrapuser", {"password": "long enough"}, 409, "409 Conflict", "ERR_USER_EXISTS"),
    ("POST", "/auth/login", {"uid": "u", "password": "w"}, 401, "401 Unauthorized",
     "ERR_INVALID_CREDENTIALS"),
    ("PUT", "/users/u", {"x": 1}, 400, "Bad Request", None),
    ("POST", "/auth/login", {}, 400, "400 Bad Request", None),
])
def test_an_error_is_one_line_with_title_description_and_code(admin, method, path, body, status,
                                                               title, code):
    answer = admin(method, path, body) if body is not None else admin(method, path)
    assert answer.status == status
    assert answer.header("content-type") == "application/json; charset=UTF-8"
    assert "Accept" in (answer.header("vary") or "")
    document = answer.json()
    assert list(document) == ["title", "description"] + (["code"] if code else [])
    assert document["title"] == title
    assert document.get("code") == code
    assert b"\n" not in answer.body
    assert answer.body == json.dumps(document, ensure_ascii=False).encode()


@pytest.mark.parametrize("path, methods", ROUTES.items())
def test_options_lists_the_methods_and_needs_no_token(nobody, gw, path, methods):
    for client in (nobody, gw):
        answer = client("OPTIONS", path)
        assert (answer.status, answer.body) == (200, b"")
        assert allowed(answer) == methods


@pytest.mark.parametrize("path, methods", ROUTES.items())
def test_another_method_is_405_with_allow(nobody, gw, path, methods):
    for client in (nobody, gw):
        for method in sorted(METHODS - methods) + ["HEAD", "TRACE", "BREW"]:
            answer = client(method, path)
            assert (answer.status, answer.body) == (405, b""), method
            assert allowed(answer) == methods | {"OPTIONS"}


@pytest.mark.parametrize("path, root", [("/health/live", True), ("/health/ready", True),
                                        ("/internal/openapispec.yaml", False)])
def test_head_is_honoured_outside_the_json_endpoints(nobody, path, root):
    get = nobody.get(path, root=root)
    head = nobody("HEAD", path, root=root)
    assert (head.status, head.body) == (200, b"")
    assert head.header("content-length") == get.header("content-length")
    assert head.header("content-type") == get.header("content-type")


@pytest.mark.parametrize("path", ["/auth/jwks", "/uiconfig", "/auth/providers", "/users",
                                  "/users/bootstrapuser"])
def test_one_trailing_slash_is_ignored(admin, path):
    assert admin.get(path + "/").body == admin.get(path).body
    assert admin.get(path + "//").status == 404


@pytest.mark.parametrize("path", ["", "/", "/nowhere", "/auth", "/users/a/b", "/user", "/usersx",
                                  "/AUTH/jwks", "//users", "/auth//jwks", "/./users", "/users/../users"])
def test_an_unknown_path_is_404_with_an_empty_body(admin, path):
    answer = admin.get(path)
    assert (answer.status, answer.body) == (404, b"")


@pytest.mark.parametrize("path", ["/", "/acs", "/acs/api/v2/users", "/acs/api/v1x", "/health", "/index.html",
                                  "/acs/api/v1/metrics", "/auth/jwks"])
def test_an_unknown_path_at_the_root_is_404(nobody, path):
    assert nobody.get(path, root=True).status == 404


@pytest.mark.parametrize("query", ["?_timestamp=1", "?target=x&_timestamp=2", "?", "?a&b=&=c&&", "?%zz=%"])
def test_unknown_query_parameters_are_ignored(admin, user, query):
    assert admin.get(f"/users/{user}{query}").status == 200
    answer = admin.post(f"/auth/login{query}", {"uid": user, "password": "correct horse battery"})
    assert answer.status == 200


def test_an_empty_body_with_a_json_media_type_is_fine_where_none_is_needed(admin, user):
    answer = admin.delete(f"/users/{user}/tokens", headers=[("Content-Type", "application/json"),
                                                            ("Content-Length", "0")])
    assert answer.status == 204


def test_http_1_0_gets_an_answer_and_the_connection_closed(enforce):
    with wire.Connection(enforce.address) as c:
        answer = c.ask(b"GET /acs/api/v1/auth/jwks HTTP/1.0\r\n\r\n")
        assert answer.status == 200 and answer.json()["keys"]
        assert c.is_closed()


def test_http_1_0_gets_a_whole_list(enforce, admin):
    with wire.Connection(enforce.address) as c:
        answer = c.ask(wire.request_bytes("GET", wire.API + "/users", version="1.0",
                                          headers=[("Authorization", f"token={admin.token}")]))
    assert answer.status == 200
    assert answer.header("transfer-encoding") is None
    assert "bootstrapuser" in [u["uid"] for u in answer.json()["array"]]


def test_a_connection_serves_many_requests_in_turn(enforce):
    with wire.Connection(enforce.address) as c:
        for path, status in [("/auth/jwks", 200), ("/nowhere", 404), ("/users", 401), ("/auth/jwks", 200)]:
            answer = c.ask(wire.request_bytes("GET", wire.API + path))
            assert answer.status == status and not answer.closed


def test_pipelined_requests_are_answered_in_order(enforce):
    paths = ["/auth/jwks", "/nowhere", "/auth/providers", "/users"] * 5
    with wire.Connection(enforce.address) as c:
        c.send(b"".join(wire.request_bytes("GET", wire.API + p) for p in paths))
        assert [c.receive().status for _ in paths] == [200, 404, 200, 401] * 5
