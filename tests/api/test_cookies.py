"""The cookies of a login, and GET /auth/logout."""
import base64
import json
import re
import time

import pytest

import keys
import wire

PASSWORD = "correct horse battery"
CLEARED = 'dcos-acs-auth-cookie=""; expires=Sat, 01 Jan 2000 00:00:00 GMT; HttpOnly; Path=/'


def login(client, uid, **kw):
    answer = client.post("/auth/login", {"uid": uid, "password": PASSWORD}, **kw)
    assert answer.status == 200
    return answer


def parse(cookie):
    name, value = cookie.split(";")[0].split("=", 1)
    attributes = [a.strip() for a in cookie.split(";")[1:]]
    return name, value, attributes


def cookies(answer):
    return {name: (value, attributes) for name, value, attributes in map(parse, answer.all("set-cookie"))}


@pytest.mark.parametrize("description", ["d" * 4000, "\u4e16" * 1300, "\U0001f600" * 1000, "\\" * 4000])
def test_a_long_description_does_not_make_the_cookie_too_large_for_a_browser(admin, nobody, user, description):
    assert admin.patch(f"/users/{user}", {"description": description}).status == 204
    value = cookies(login(nobody, user))["dcos-acs-info-cookie"][0].strip('"')
    assert len(value) < 2048
    shown = json.loads(base64.b64decode(value))["description"]
    assert len(shown) >= 80 and description.startswith(shown)


def test_a_login_sets_two_cookies_in_headers_of_their_own(nobody, user):
    answer = login(nobody, user)
    assert len(answer.all("set-cookie")) == 2
    jar = cookies(answer)
    value, attributes = jar["dcos-acs-auth-cookie"]
    assert value == answer.json()["token"]
    assert set(attributes) == {"HttpOnly", "Max-Age=432000", "Path=/", "SameSite=Lax"}
    value, attributes = jar["dcos-acs-info-cookie"]
    assert set(attributes) == {"Max-Age=432000", "Path=/", "SameSite=Lax"}


@pytest.mark.parametrize("description", ["", "a", "ab", "abc", "Zoë \U0001f600", "q\"uote\\", "???>>>", "x" * 500])
def test_the_info_cookie_is_ascii_json_in_base64(admin, nobody, user, description):
    admin.expect(204, "PATCH", f"/users/{user}", {"description": description})
    value = cookies(login(nobody, user))["dcos-acs-info-cookie"][0]
    bare = value.strip('"')
    assert (value != bare) == ("=" in bare or "/" in bare), value
    text = base64.b64decode(bare, validate=True).decode("ascii")
    expected = {"uid": user, "description": description, "is_remote": False}
    assert json.loads(text) == expected
    assert list(json.loads(text)) == list(expected)


@pytest.mark.parametrize("proto, secure", [(None, False), ("http", False), ("https", True), ("HTTPS", True)])
def test_secure_follows_the_scheme_a_trusted_proxy_names(nobody, user, proto, secure):
    answer = login(nobody, user, headers=[("X-Forwarded-Proto", proto)] if proto else [])
    assert ("Secure" in cookies(answer)["dcos-acs-auth-cookie"][1]) == secure


def test_secure_does_not_follow_a_stranger(new_daemon):
    daemon = new_daemon(trusted_proxies="192.0.2.1").start()
    answer = daemon.client().post("/auth/login", headers=[("X-Forwarded-Proto", "https")],
                                  json_={"uid": "bootstrapuser", "password": "Sup3r-secret-of-the-tests"})
    assert "Secure" not in cookies(answer)["dcos-acs-auth-cookie"][1]


def test_secure_and_lifetime_are_configured(new_daemon):
    daemon = new_daemon(cookie_secure="yes", token_lifetime="90m").start()
    answer = daemon.client().post("/auth/login", {"uid": "bootstrapuser", "password": "Sup3r-secret-of-the-tests"})
    jar = cookies(answer)
    assert {"Secure", "Max-Age=5400"} <= set(jar["dcos-acs-auth-cookie"][1])
    assert "Max-Age=5400" in jar["dcos-acs-info-cookie"][1]


def test_the_cookie_of_a_short_service_login_does_not_outlive_the_configured_lifetime(nobody, service):
    token = keys.rsa_key().service_token(service)
    answer = nobody.post("/auth/login", {"uid": service, "token": token, "exp": int(time.time()) + 3600})
    age = next(a for a in cookies(answer)["dcos-acs-auth-cookie"][1] if a.startswith("Max-Age="))
    assert int(age.split("=")[1]) <= 432000


# -- presenting it

def test_the_cookie_authenticates(enforce, user):
    token = enforce.login(user, PASSWORD)
    for header in (f"dcos-acs-auth-cookie={token}", f"a=b; dcos-acs-auth-cookie={token}; c=d",
                   f'dcos-acs-auth-cookie="{token}"', f"a=b;dcos-acs-auth-cookie={token}"):
        assert enforce.client().get(f"/users/{user}", headers=[("Cookie", header)]).status == 200, header


@pytest.mark.parametrize("form", ["token={}", "Bearer {}", "token= {}", "DCOS token={}"])
def test_the_authorization_header_authenticates(enforce, user, form):
    token = enforce.login(user, PASSWORD)
    header = [("Authorization", form.format(token))]
    expected = {"token= {}": (200, 401)}.get(form, (200,))
    assert enforce.client().get(f"/users/{user}", headers=header).status in expected


def test_an_authorization_header_switches_the_cookie_off(enforce, user):
    token = enforce.login(user, PASSWORD)
    for value in ("token=bad", "Basic dTpw", "x", "Bearer"):
        answer = enforce.client(cookie=token).get(f"/users/{user}", headers=[("Authorization", value)])
        assert answer.status == 401, value


# -- logout

def test_logout_clears_the_auth_cookie_in_exactly_one_header(nobody):
    answer = nobody.get("/auth/logout")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.all("set-cookie") == [CLEARED]


def test_logout_clears_the_info_cookie_if_it_was_sent(enforce, user):
    answer = login(enforce.client(), user)
    value = cookies(answer)["dcos-acs-info-cookie"][0]
    out = enforce.client().get("/auth/logout", headers=[("Cookie", f"dcos-acs-info-cookie={value}")])
    assert len(out.all("set-cookie")) == 2
    assert CLEARED in out.all("set-cookie")
    other = next(c for c in out.all("set-cookie") if c != CLEARED)
    name, value, attributes = parse(other)
    assert (name, value.strip('"')) == ("dcos-acs-info-cookie", "")
    assert re.search(r"expires=Sat, 01 Jan 2000|Max-Age=0", other)
    assert "Path=/" in attributes


@pytest.mark.parametrize("how", ["token", "cookie", "bearer"])
@pytest.mark.parametrize("site, revoked", [(None, True), ("same-origin", True), ("none", True),
                                           ("cross-site", False), ("same-site", False)])
def test_logout_ends_the_presented_token_unless_another_site_asked(enforce, user, how, site, revoked):
    token = enforce.login(user, PASSWORD)
    caller = enforce.client(cookie=token) if how == "cookie" else enforce.client(token)
    headers = [("Sec-Fetch-Site", site)] if site else []
    if how == "bearer":
        headers.append(("Authorization", f"Bearer {token}"))
    answer = caller.get("/auth/logout", headers=headers)
    assert (answer.status, answer.all("set-cookie")) == (200, [CLEARED])
    assert enforce.client(token).get(f"/users/{user}").status == (401 if revoked else 200)


def test_logout_ends_one_token_and_no_other(enforce, user):
    first, second = enforce.login(user, PASSWORD), enforce.login(user, PASSWORD)
    assert first != second
    enforce.client(first).get("/auth/logout")
    assert enforce.client(first).get(f"/users/{user}").status == 401
    assert enforce.client(second).get(f"/users/{user}").status == 200


@pytest.mark.parametrize("presented", ["bad", "a.b.c", "", "x" * 3000])
def test_logout_with_a_bad_token_is_the_same_answer(nobody, presented):
    answer = nobody.get("/auth/logout", headers=[("Authorization", f"token={presented}")])
    assert (answer.status, answer.all("set-cookie")) == (200, [CLEARED])


def test_logout_twice_is_fine_and_post_is_405(enforce, user):
    token = enforce.login(user, PASSWORD)
    assert [enforce.client(token).get("/auth/logout").status for _ in range(2)] == [200, 200]
    assert enforce.client(token).post("/auth/logout").status == 405


def test_logout_works_in_gateway_mode(gateway, gw, uid):
    gw.expect(201, "PUT", f"/users/{uid}", {"password": PASSWORD})
    token = gateway.login(uid, PASSWORD)
    answer = gateway.client(token).get("/auth/logout")
    assert (answer.status, answer.all("set-cookie")) == (200, [CLEARED])


def test_the_cookie_survives_a_proxy_that_speaks_http_1_0(enforce, user):
    body = json.dumps({"uid": user, "password": PASSWORD}).encode()
    with wire.Connection(enforce.address) as c:
        answer = c.ask(wire.request_bytes("POST", wire.API + "/auth/login",
                                          [("Content-Type", "application/json")], body, version="1.0"))
    assert answer.status == 200 and len(answer.all("set-cookie")) == 2
