"""Logins at 389 Directory Server, and at a tree as FreeIPA has it."""
import pytest

from logins import PATIENT, WRONG, assert_said, bindings, configure, login, uid_of


@pytest.fixture(scope="module")
def corp(ds389, daemon):
    daemon.secrets.add(ds389.bind_password)
    configure(daemon.superuser(), ds389, timeouts=PATIENT)
    return ds389


def test_a_login_makes_an_account_by_the_id_that_is_always_there(corp, daemon):
    assert uid_of(login(daemon, "USER000001", corp.user_password)) == "user000001"
    dn = corp.users["user000001"]
    (entry,) = corp.search("(uid=user000001)", attributes=["nsUniqueId"]).values()
    unique = next(v for k, v in entry.items() if k.lower() == "nsuniqueid")[0]
    assert bindings(daemon)["user000001"] == ("default", f"nsuniqueid:{unique.lower()}"), dn
    assert login(daemon, "user000001", WRONG).status == 401


def test_a_template_finds_the_same_person(ds389, new_daemon):
    daemon = new_daemon().start()
    admin = daemon.superuser()
    configure(admin, ds389)
    login(daemon, "user000002", ds389.user_password)
    before = bindings(daemon)
    configure(admin, ds389, user_search=None, lookup_dn=None, lookup_password=None,
              dntemplate="uid=%(username)s,ou=people,dc=example,dc=test")
    assert uid_of(login(daemon, "user000002", ds389.user_password)) == "user000002"
    assert bindings(daemon) == before
    assert login(daemon, "user000002", WRONG).status == 401


STATES = {"locked": "account locked", "expired": "password expired", "mustchange": "password must be changed",
          "disabled": "account disabled"}


@pytest.mark.parametrize("name", STATES)
def test_states_are_told_to_the_audit_and_to_nobody_else(corp, daemon, admin, name):
    answer = login(daemon, name, corp.user_password)
    assert (answer.status, answer.code) == (401, "ERR_INVALID_CREDENTIALS")
    assert_said(daemon, name, "deny", f"default: {STATES[name]}")
    tried = admin.post("/ldap/config/test", {"uid": name, "password": corp.user_password})
    assert (tried.status, tried.json()["code"]) == (200, "SUCCESS_BUT_INVALID_CREDENTIALS")
    assert STATES[name] in tried.json()["description"]


def test_a_tree_as_freeipa_has_it(ds389, new_daemon):
    daemon = new_daemon().start()
    configure(daemon.superuser(), ds389, user_search={
        "search-base": f"cn=users,cn=accounts,{ds389.base}", "search-filter-template": "(uid=%(username)s)"})
    assert uid_of(login(daemon, "ipa00", ds389.user_password)) == "ipa00"
    assert login(daemon, "user000001", ds389.user_password).status == 401
