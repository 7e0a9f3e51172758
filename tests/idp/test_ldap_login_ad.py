"""Logins at Active Directory (Samba): the names people type there, and the states of accounts."""
import re

import ldap3
import pytest

from logins import PATIENT, WRONG, assert_said, bindings, configure, login, uid_of


@pytest.fixture(scope="module")
def domain(samba, daemon):
    daemon.secrets.add(samba.bind_password)
    configure(daemon.superuser(), samba, timeouts=PATIENT)
    return samba


@pytest.mark.parametrize("typed", ["user000001", "USER000001", "EXAMPLE\\user000001", "example\\User000001",
                                   "user000001@example.test", "USER000001@EXAMPLE.TEST"])
def test_every_name_of_a_person_leads_to_the_same_account(domain, daemon, typed):
    """sAMAccountName, DOMAIN\\user, userPrincipalName: the template knows the first only."""
    assert uid_of(login(daemon, typed, domain.user_password)) == "user000001"
    assert login(daemon, typed, WRONG).status == 401
    directory, subject = bindings(daemon)["user000001"]
    assert directory == "default" and re.fullmatch("objectguid:[0-9a-f]{32}", subject)


def test_a_principal_name_that_is_another_one_works_and_so_does_the_implicit_one(domain, daemon):
    for typed in ("alternative.name@corp.example", "altupn", "altupn@example.test"):
        assert uid_of(login(daemon, typed, domain.user_password)) == "altupn", typed


@pytest.mark.parametrize("typed", ["user000001@other.test", "user000001@test", "user000001@sub.example.test", "@example.test",
                                   "user000001@", "\\user000001", "EXAMPLE\\", "EXAMPLE\\*", "*@example.test",
                                   "user00000*@example.test", "EXAMPLE\\user000001@example.test2", "a\\b\\user000001"])
def test_l1_names_that_are_nearly_somebody_s_are_nobody_s(domain, daemon, typed):
    assert login(daemon, typed, domain.user_password).status == 401


STATES = {"disabled": "account disabled", "accountexpired": "account expired", "passwordexpired": "password expired",
          "mustchange": "password must be changed", "locked": "account locked"}


@pytest.mark.parametrize("name", STATES)
def test_l4_states_are_told_to_the_audit_and_to_nobody_else(domain, daemon, admin, name):
    answer = login(daemon, name, domain.user_password)
    assert (answer.status, answer.code) == (401, "ERR_INVALID_CREDENTIALS")
    assert_said(daemon, name, "deny", f"default: {STATES[name]}")
    tried = admin.post("/ldap/config/test", {"uid": name, "password": domain.user_password})
    assert (tried.status, tried.json()["code"]) == (200, "SUCCESS_BUT_INVALID_CREDENTIALS")
    assert STATES[name] in tried.json()["description"]
    assert name not in bindings(daemon)


def test_an_account_disabled_there_later_is_refused(domain, daemon):
    assert uid_of(login(daemon, "user000008", domain.user_password)) == "user000008"
    with domain.admin() as c:
        c.modify(domain.users["user000008"], {"userAccountControl": [(ldap3.MODIFY_REPLACE, ["514"])]})
    try:
        assert login(daemon, "user000008", domain.user_password).status == 401
        assert_said(daemon, "user000008", "deny", "default: account disabled")
    finally:
        with domain.admin() as c:
            c.modify(domain.users["user000008"], {"userAccountControl": [(ldap3.MODIFY_REPLACE, ["512"])]})
    assert uid_of(login(daemon, "user000008", domain.user_password)) == "user000008"


def test_a_rename_keeps_the_account(domain, daemon):
    assert uid_of(login(daemon, "user000009", domain.user_password)) == "user000009"
    dn = domain.users["user000009"]
    with domain.admin() as c:
        c.modify(dn, {"sAMAccountName": [(ldap3.MODIFY_REPLACE, ["married"])]})
        try:
            assert uid_of(login(daemon, "married", domain.user_password)) == "user000009"
            assert login(daemon, "user000009", domain.user_password).status == 401
        finally:
            c.modify(dn, {"sAMAccountName": [(ldap3.MODIFY_REPLACE, ["user000009"])]})


@pytest.mark.parametrize("name", ["jmueller", "comma", "plus", "hash", "quote", "backslash", "star"])
def test_l1_hard_names_in_the_dn_do_not_matter(domain, daemon, name):
    assert uid_of(login(daemon, name, domain.user_password)) == name


def test_a_name_that_can_be_no_id_works_by_one_that_can(domain, daemon):
    assert login(daemon, "with space", domain.user_password).code == "ERR_CANNOT_IMPORT_USER"
    assert login(daemon, "with space", WRONG).code == "ERR_INVALID_CREDENTIALS"


def test_a_template_with_two_attributes_finds_one_person(samba, new_daemon):
    daemon = new_daemon().start()
    configure(daemon.superuser(), samba, user_search={
        "search-base": samba.base, "search-filter-template":
        "(&(objectClass=user)(|(sAMAccountName=%(username)s)(mail=%(username)s)))"})
    for typed in ("user000002", "user000002@example.test"):
        assert uid_of(login(daemon, typed, samba.user_password)) == "user000002"
    assert login(daemon, "twin@example.test", samba.user_password).status == 401
    assert_said(daemon, "twin@example.test", "deny", "default: two entries have that name")


def test_without_tls_the_directory_s_refusal_is_no_wrong_password(samba, new_daemon):
    daemon = new_daemon().start()
    admin = daemon.superuser()
    configure(admin, samba, enforce_starttls=False, port=samba.port, allow_cleartext=True)
    # StartTLS is tried first, and is there
    assert uid_of(login(daemon, "user000001", samba.user_password)) == "user000001"
