"""A directory's configuration tried out, as far as it takes no directory (those are in tests/idp)."""
import pytest

ROUTES = ["/ldap/config/test", "/ldap/directories/default/test", "/ldap/directories/other/test"]
BODY = {"uid": "alice", "password": "correct horse battery"}


@pytest.mark.parametrize("route, text", [(ROUTES[0], "No LDAP configuration stored yet."),
                                         (ROUTES[1], "Directory with id `default` not known."),
                                         (ROUTES[2], "Directory with id `other` not known.")])
def test_what_is_not_configured_cannot_be_tested(admin, gw, route, text):
    for client in (admin, gw):
        answer = client.post(route, BODY)
        assert (answer.status, answer.code, answer.description) == (400, "ERR_LDAP_CONFIG_NOT_AVAILABLE", text)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("body", [{"uid": "", "password": "x"}, {"uid": "x", "password": ""}])
def test_l2_an_empty_name_or_password_is_not_tried(admin, route, body):
    answer = admin.post(route, body)
    assert (answer.status, answer.code) == (400, "ERR_INVALID_DATA")


@pytest.mark.parametrize("body", [{}, {"uid": "x"}, {"password": "x"}, {"uid": 1, "password": "x"}, [],
                                  {"uid": "x", "password": "x", "more": 1}, {"uid": "x" * 513, "password": "x"},
                                  {"uid": "x", "password": "p" * 1025}])
def test_a_test_against_the_schema_is_refused(admin, body):
    answer = admin.post(ROUTES[0], body)
    assert answer.status == 400
    assert answer.description.startswith("Unexpected JSON input. Hint: ")


def test_only_a_superuser_may_try_passwords(own, nobody):
    for route in ROUTES:
        assert (own.post(route, BODY).status, nobody.post(route, BODY).status) == (403, 401)
