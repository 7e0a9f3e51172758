"""PATCH and DELETE /users/{uid}."""
import pytest

import keys

PASSWORD = "correct horse battery"
DATA = "ERR_INVALID_DATA"


def refused(client, method, path, body, code, text=None):
    answer = client(method, path, body) if body is not None else client(method, path)
    assert (answer.status, answer.code) == (400, code), answer
    if text:
        assert answer.description == text


def logs_in(daemon, uid, password):
    return daemon.client().post("/auth/login", {"uid": uid, "password": password}).status == 200


def test_a_change_of_nothing_is_refused_before_the_user_is_looked_up(admin):
    refused(admin, "PATCH", "/users/unknown", {}, DATA, "One of `description` and `password` must be provided.")


def test_an_unknown_user_cannot_be_changed_or_deleted(admin):
    text = "User with uid `unknown` not known."
    refused(admin, "PATCH", "/users/unknown", {"password": "x"}, "ERR_UNKNOWN_USER_ID", text)
    refused(admin, "DELETE", "/users/unknown", None, "ERR_UNKNOWN_USER_ID", text)
    refused(admin, "GET", "/users/unknown", None, "ERR_UNKNOWN_USER_ID", text)
    refused(admin, "GET", "/users/unknown/groups", None, "ERR_UNKNOWN_USER_ID", text)
    refused(admin, "GET", "/users/unknown/permissions", None, "ERR_UNKNOWN_USER_ID", text)
    refused(admin, "DELETE", "/users/unknown/tokens", None, "ERR_UNKNOWN_USER_ID", text)


@pytest.mark.parametrize("body", [{"x": 1}, {"uid": "x"}, {"description": None}, {"password": 1},
                                  {"enabled": "yes"}, {"enabled": 1}, {"provider_type": "internal"}, [], "x"])
def test_a_change_against_the_schema_is_refused(admin, user, body):
    answer = admin.patch(f"/users/{user}", body)
    assert answer.status == 400
    assert answer.description.startswith("Unexpected JSON input. Hint: ")


@pytest.mark.parametrize("description", ["", "New", "Zoë \U0001f600", "x" * 1000])
def test_the_description_changes_and_nothing_else(admin, user, description):
    before = admin.get(f"/users/{user}?fields=all").json()
    admin.expect(204, "PATCH", f"/users/{user}", {"description": description})
    assert admin.get(f"/users/{user}?fields=all").json() == {**before, "description": description}


def test_a_new_password_is_the_only_one_that_works(enforce, admin, user):
    admin.expect(204, "PATCH", f"/users/{user}", {"password": "a new long password"})
    assert logs_in(enforce, user, "a new long password")
    assert not logs_in(enforce, user, PASSWORD)


@pytest.mark.parametrize("password", ["", "1234567", "p" * 1025])
def test_a_new_password_obeys_the_rules(enforce, admin, user, password):
    refused(admin, "PATCH", f"/users/{user}", {"password": password}, DATA)
    assert logs_in(enforce, user, PASSWORD)


def test_one_bad_field_changes_no_other(enforce, admin, user):
    before = admin.get(f"/users/{user}").json()
    refused(admin, "PATCH", f"/users/{user}", {"description": "new", "password": "short"}, DATA)
    refused(admin, "PATCH", f"/users/{user}", {"description": "new", "public_key": "x"}, DATA)
    assert admin.get(f"/users/{user}").json() == before


def test_a_service_account_has_no_password(admin, service):
    refused(admin, "PATCH", f"/users/{service}", {"password": "x"}, DATA,
            "Password update is not available for service user accounts.")


def test_a_remote_user_has_no_password(admin, uid):
    admin.expect(201, "PUT", f"/users/{uid}", {"provider_type": "saml", "provider_id": "idp"})
    refused(admin, "PATCH", f"/users/{uid}", {"password": "long enough"}, DATA)
    admin.expect(204, "PATCH", f"/users/{uid}", {"description": "remote"})


def test_a_service_account_replaces_its_key(enforce, admin, service):
    old, new = keys.rsa_key(0), keys.rsa_key(1)
    assert enforce.client().post("/auth/login", {"uid": service, "token": old.service_token(service)}).status == 200
    admin.expect(204, "PATCH", f"/users/{service}", {"public_key": new.public_pem})
    assert admin.get(f"/users/{service}").json()["public_key"] == new.public_pem
    answers = [enforce.client().post("/auth/login", {"uid": service, "token": k.service_token(service)}).status
               for k in (old, new)]
    assert answers == [401, 200]


@pytest.mark.parametrize("pem", ["", "x", keys.rsa_key(0, 1024).public_pem, keys.ec_public_pem(),
                                 keys.rsa_key().private_pem])
def test_a_bad_new_key_is_refused(admin, service, pem):
    answer = admin.patch(f"/users/{service}", {"public_key": pem})
    assert answer.status == 400
    assert answer.code in (("ERR_INVALID_PUBLIC_KEY", DATA) if pem == "" else ("ERR_INVALID_PUBLIC_KEY",))
    assert admin.get(f"/users/{service}").json()["public_key"] == keys.rsa_key().public_pem


def test_a_disabled_user_cannot_log_in_until_enabled_again(enforce, admin, user):
    admin.expect(204, "PATCH", f"/users/{user}", {"enabled": False})
    assert admin.get(f"/users/{user}?fields=all").json()["enabled"] is False
    assert not logs_in(enforce, user, PASSWORD)
    admin.expect(204, "PATCH", f"/users/{user}", {"enabled": True})
    assert admin.get(f"/users/{user}?fields=all").json()["enabled"] is True
    assert logs_in(enforce, user, PASSWORD)


def test_several_fields_change_at_once(enforce, admin, user):
    admin.expect(204, "PATCH", f"/users/{user}", {"description": "d", "password": "another password", "enabled": False})
    admin.expect(204, "PATCH", f"/users/{user}", {"enabled": True})
    assert admin.get(f"/users/{user}").json()["description"] == "d"
    assert logs_in(enforce, user, "another password")


def test_a_user_changes_the_own_password_with_the_current_one(enforce, user, own):
    assert own.patch(f"/users/{user}", {"password": "my next password", "current_password": PASSWORD}).status == 204
    assert logs_in(enforce, user, "my next password")


@pytest.mark.parametrize("current", [None, "", "not the current one", "my next password"])
def test_the_own_password_needs_the_current_one(enforce, user, own, current):
    body = {"password": "my next password"}
    if current is not None:
        body["current_password"] = current
    answer = own.patch(f"/users/{user}", body)
    assert answer.status in (400, 401, 403), answer
    assert answer.status < 401 or answer.code != "ERR_UNAUTHENTICATED"  # a client would log out
    assert logs_in(enforce, user, PASSWORD)
    assert not logs_in(enforce, user, "my next password")


def test_the_superuser_too_gives_the_current_password_for_the_own_one(new_daemon):
    daemon = new_daemon().start()
    admin = daemon.superuser()
    assert admin.patch("/users/bootstrapuser", {"password": "a new secret password"}).status in (400, 401, 403)
    answer = admin.patch("/users/bootstrapuser", {"password": "a new secret password",
                                                  "current_password": "Sup3r-secret-of-the-tests"})
    assert answer.status == 204
    assert logs_in(daemon, "bootstrapuser", "a new secret password")


def test_gateway_mode_asks_for_no_current_password(gw, gateway, uid):
    gw.expect(201, "PUT", f"/users/{uid}", {"password": PASSWORD})
    gw.expect(204, "PATCH", f"/users/{uid}", {"password": "another password"})
    assert logs_in(gateway, uid, "another password")


def test_a_deleted_user_is_gone(enforce, admin, user):
    admin.expect(204, "DELETE", f"/users/{user}")
    refused(admin, "GET", f"/users/{user}", None, "ERR_UNKNOWN_USER_ID")
    assert user not in [u["uid"] for u in admin.get("/users").json()["array"]]
    assert not logs_in(enforce, user, PASSWORD)
    refused(admin, "DELETE", f"/users/{user}", None, "ERR_UNKNOWN_USER_ID")


@pytest.mark.parametrize("method, body", [("DELETE", None), ("PATCH", {"enabled": False})])
def test_the_last_superuser_stays(enforce, admin, method, body):
    refused(admin, method, "/users/bootstrapuser", body, "ERR_NO_MORE_SUPERUSERS",
            "Last member from `superusers` group cannot be removed")
    assert enforce.login()
    assert admin.get("/users/bootstrapuser?fields=all").json()["enabled"] is True


def test_the_last_superuser_stays_in_gateway_mode(gw):
    refused(gw, "DELETE", "/users/bootstrapuser", None, "ERR_NO_MORE_SUPERUSERS")
    refused(gw, "PATCH", "/users/bootstrapuser", {"enabled": False, "description": "x"}, "ERR_NO_MORE_SUPERUSERS")
    assert gw.get("/users/bootstrapuser").json()["description"] != "x"


def test_a_superuser_goes_while_another_is_left(new_daemon):
    daemon = new_daemon(superuser_service_account_uid="svc",
                        superuser_service_account_public_key=keys.rsa_key().public_pem.replace("\n", "\\n")).start()
    admin = daemon.superuser()
    admin.expect(204, "PATCH", "/users/svc", {"enabled": False})
    refused(admin, "DELETE", "/users/bootstrapuser", None, "ERR_NO_MORE_SUPERUSERS")
    admin.expect(204, "PATCH", "/users/svc", {"enabled": True})
    answer = daemon.client().post("/auth/login", {"uid": "svc", "token": keys.rsa_key().service_token("svc")})
    service = daemon.client(answer.json()["token"])
    service.expect(204, "DELETE", "/users/bootstrapuser")
    refused(service, "DELETE", "/users/svc", None, "ERR_NO_MORE_SUPERUSERS")
