"""W5: a request that a cookie authenticates and that changes something comes from our own pages."""
import json

import pytest

import wire

PASSWORD = "correct horse battery"
OWN = [
    [], [("Sec-Fetch-Site", "same-origin")], [("Sec-Fetch-Site", "none")],
    [("Origin", "http://localhost")],
    [("Sec-Fetch-Site", "same-origin"), ("Origin", "http://localhost")],
]
FOREIGN = [
    [("Sec-Fetch-Site", "cross-site")], [("Sec-Fetch-Site", "same-site")], [("Sec-Fetch-Site", "x")],
    [("Sec-Fetch-Site", "cross-site"), ("Origin", "https://evil.example")],
    [("Origin", "http://evil.example")], [("Origin", "null")], [("Origin", "http://localhost.evil.example")],
    [("Origin", "https://localhost")], [("Origin", "http://localhost:81")], [("Origin", "localhost")],
    [("Origin", "")], [("Origin", "http://localhost/"), ("Sec-Fetch-Site", "cross-site")],
    [("Origin", "http://evil.example, http://localhost")],
]
CHANGES = [("PUT", "/users/{}-new", {"password": "long enough"}), ("PATCH", "/users/{}", {"description": "x"}),
           ("DELETE", "/users/{}/tokens", None), ("DELETE", "/users/{}", None),
           ("POST", "/auth/revoke", {"token": "x.y.z"}), ("PUT", "/groups/{}-new", {"description": "x"}),
           ("PATCH", "/groups/superusers", {"description": "x"}), ("DELETE", "/groups/superusers", None),
           ("PUT", "/groups/superusers/users/{}", None), ("DELETE", "/groups/superusers/users/{}", None),
           ("PUT", "/groups/superusers/groups/{}", None), ("DELETE", "/groups/superusers/groups/{}", None)]


@pytest.fixture
def by_cookie(enforce, admin):
    return enforce.client(cookie=admin.token)


def call(client, method, path, body, headers):
    return client(method, path, body, headers=headers) if body is not None else client(method, path, headers=headers)


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize("method, path, body", CHANGES)
def test_w5_a_change_asked_by_another_site_is_refused(admin, by_cookie, user, method, path, body, headers):
    answer = call(by_cookie, method, path.format(user), body, headers)
    assert (answer.status, answer.code) == (403, "ERR_CROSS_SITE"), answer
    assert admin.get(f"/users/{user}").json()["description"] == "Somebody"
    assert admin.get(f"/users/{user}-new").status == admin.get(f"/groups/{user}-new").status == 400
    assert admin.get(f"/users/{user}/groups").json() == {"array": []}


@pytest.mark.parametrize("headers", FOREIGN)
def test_w5_a_cookie_that_a_gateway_lets_through_obeys_the_same_rule(gateway, gw, uid, headers):
    gw.expect(201, "PUT", f"/users/{uid}", {"password": PASSWORD})
    browser = gateway.client(cookie=gateway.login(uid, PASSWORD))
    answer = browser.patch(f"/users/{uid}", {"description": "x"}, headers=headers)
    assert (answer.status, answer.code) == (403, "ERR_CROSS_SITE")
    assert browser.patch(f"/users/{uid}", {"description": "x"}, headers=[("Sec-Fetch-Site", "same-origin")]).status == 204


@pytest.mark.parametrize("headers", OWN)
def test_w5_a_change_asked_by_our_own_page_or_no_browser_is_done(admin, by_cookie, user, headers):
    assert by_cookie.patch(f"/users/{user}", {"description": "new"}, headers=headers).status == 204
    assert admin.get(f"/users/{user}").json()["description"] == "new"


@pytest.mark.parametrize("headers", FOREIGN)
def test_w5_a_token_in_the_header_needs_no_origin(admin, user, headers):
    assert admin.patch(f"/users/{user}", {"description": "new"}, headers=headers).status == 204


@pytest.mark.parametrize("headers", FOREIGN)
def test_w5_reading_and_login_are_no_changes(by_cookie, user, headers):
    assert by_cookie.get(f"/users/{user}", headers=headers).status == 200
    answer = by_cookie.post("/auth/login", {"uid": user, "password": PASSWORD}, headers=headers)
    assert answer.status == 200


def test_w5_the_own_origin_is_host_and_scheme_as_the_browser_sees_them(enforce, admin, user):
    def change(host, origin, proto=None):
        headers = [("Cookie", f"dcos-acs-auth-cookie={admin.token}"), ("Origin", origin),
                   ("Content-Type", "application/json")] + ([("X-Forwarded-Proto", proto)] if proto else [])
        body = json.dumps({"description": "x"}).encode()
        with wire.Connection(enforce.address) as c:
            return c.ask(wire.request_bytes("PATCH", f"{wire.API}/users/{user}", headers, body, host=host)).status

    assert change("iam.example", "http://iam.example") == 204
    assert change("iam.example:8101", "http://iam.example:8101") == 204
    assert change("iam.example", "https://iam.example", "https") == 204
    assert change("iam.example", "http://iam.example", "https") == 403
    assert change("iam.example", "http://iam.example:8101") == 403
    assert change("iam.example", "http://other.example") == 403
    assert change("IAM.example", "http://iam.example") in (204, 403)


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_w5_a_media_type_a_form_can_send_changes_nothing(admin, by_cookie, user, media_type):
    answer = by_cookie.patch(f"/users/{user}", headers=[("Content-Type", media_type)], body=b'{"description": "x"}')
    assert answer.status in (400, 415)
    assert admin.get(f"/users/{user}").json()["description"] == "Somebody"


def test_no_answer_allows_another_origin(nobody, user):
    for answer in (nobody.get("/auth/jwks", headers=[("Origin", "http://evil.example")]),
                   nobody("OPTIONS", "/users", headers=[("Origin", "http://evil.example"),
                                                        ("Access-Control-Request-Method", "PUT")])):
        assert not [h for h in answer.headers if h[0].startswith("access-control-")]
