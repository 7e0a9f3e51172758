"""Accounts made of directory entries before their first login: POST /ldap/importuser."""
import time

import pytest

import iamd

ALL = ("slapd", "ds389", "samba")


@pytest.fixture(params=ALL)
def directory(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def fresh(new_daemon):
    """fresh(directory, member=value): an iamd that has it as `default`, and its superuser."""
    def make(directory, options=None, **members):
        daemon = new_daemon(**(options or {})).start()
        admin = daemon.superuser()
        admin.expect(200, "PUT", "/ldap/config", directory.config(**members))
        return daemon, admin
    return make


def import_user(caller, name, where="/ldap"):
    return caller.post(f"{where}/importuser", {"username": name})


def refused(answer, status, code):
    assert (answer.status, answer.code) == (status, code), answer
    return answer.json()["description"]


def test_an_imported_user_is_a_remote_one_of_the_directory(fresh, directory):
    daemon, admin = fresh(directory)
    answer = import_user(admin, "user000000")
    assert (answer.status, answer.body) == (201, b"")
    user = admin.get("/users/user000000").json()
    assert (user["provider_type"], user["is_remote"], user["is_service"]) == ("ldap", True, False), user
    assert daemon.sql("SELECT directory, uid FROM directory_users") == [("default", "user000000")]
    rows = daemon.sql("SELECT actor, object, result, reason FROM audit WHERE action = 'user-import'")
    assert rows == [(iamd.SUPERUSER, "user000000", "allow", "directory default")]


def test_whoever_is_there_is_a_conflict_in_any_spelling(fresh, directory):
    _, admin = fresh(directory)
    admin.expect(201, "PUT", "/users/user000001", {"password": "correct horse battery", "description": "local"})
    admin.expect(201, "PUT", "/users/user000002", {"provider_type": "ldap"})
    assert import_user(admin, "user000003").status == 201
    for name in ("user000003", "USER000003", "user000001", "user000002"):
        text = refused(import_user(admin, name), 409, "ERR_USER_EXISTS")
        assert text == f"User with id `{name.lower()}` already exists."
    assert admin.get("/users/user000001").json()["provider_type"] == "internal"


def test_the_uid_is_spelled_as_the_directory_spells_it(fresh, slapd):
    _, admin = fresh(slapd)
    assert import_user(admin, "mixedcase").status == 201
    assert admin.get("/users/MixedCase").status == 200
    assert admin.get("/users/mixedcase").code == "ERR_UNKNOWN_USER_ID"


def test_unknown_names_and_names_of_two_entries_are_not_found(fresh, slapd):
    _, admin = fresh(slapd, user_search={"search-base": slapd.base, "search-filter-template": "(uid=%(username)s)"})
    for name in ("nobody-there", "twin", "user0*", "*", ")(uid=*", "user000000)", "a\\2a", "\x7f", "ü" * 256):
        text = refused(import_user(admin, name), 400, "ERR_LDAP_IMPORT_USER_NOT_FOUND")
        assert name in text or len(name) > 100
    assert admin.get("/users").json() == {"array": [admin.get(f"/users/{iamd.SUPERUSER}").json()]}


@pytest.mark.parametrize("name", ["smith, john", "jörg.müller", "#hash", "star*paren(x)", "x" * 200])
def test_a_name_that_is_no_uid_is_refused_with_a_reason(fresh, slapd, name):
    _, admin = fresh(slapd)
    text = refused(import_user(admin, name), 400, "ERR_CANNOT_IMPORT_USER")
    assert name in text


@pytest.mark.parametrize("body, code", [
    ({"username": ""}, "ERR_INVALID_DATA"), ({}, None), ({"username": "x" * 513}, None), ({"username": 7}, None),
    ({"username": "a", "more": 1}, None)])
def test_a_bad_body_is_told_before_anything_is_asked(fresh, slapd, body, code):
    _, admin = fresh(slapd)
    slapd_lines = len(slapd.operations().splitlines())
    answer = admin.post("/ldap/importuser", body)
    assert (answer.status, answer.code) == (400, code), answer
    assert len(slapd.operations().splitlines()) == slapd_lines


def test_without_a_directory_nothing_can_be_imported(admin):
    for where, text in (("/ldap", "No LDAP configuration stored yet."),
                        ("/ldap/directories/none", "Directory `none` not known.")):
        assert refused(import_user(admin, "x", where), 400, "ERR_LDAP_CONFIG_NOT_AVAILABLE") == text
        answer = admin.post(f"{where}/importgroup", {"groupname": "x"})
        assert refused(answer, 400, "ERR_LDAP_CONFIG_NOT_AVAILABLE") == text


@pytest.mark.parametrize("fault", ["hang", "refuse", "reset", "drop_down"])
def test_a_directory_that_does_not_answer_is_a_failed_search_in_bounded_time(fresh, slapd, proxy, fault):
    relay = proxy(slapd)
    _, admin = fresh(slapd, host=relay.host, port=relay.port)
    getattr(relay, fault)()
    for path, body in (("/ldap/importuser", {"username": "user000000"}), ("/ldap/importgroup", {"groupname": "group0000"})):
        began = time.monotonic()
        refused(admin.post(path, body), 400, "ERR_LDAP_IMPORT_SEARCH_FAILED")
        assert time.monotonic() - began < 20
    assert admin.get("/groups/group0000").code == "ERR_UNKNOWN_GROUP_ID"


def test_a_wrong_lookup_password_is_a_failed_search_and_is_not_told(fresh, slapd):
    _, admin = fresh(slapd, lookup_password="wrong-lookup-password")
    text = refused(import_user(admin, "user000000"), 400, "ERR_LDAP_IMPORT_SEARCH_FAILED")
    assert "wrong-lookup-password" not in text


def test_the_directory_of_the_path_is_asked(fresh, slapd, samba):
    daemon, admin = fresh(slapd)
    assert admin.put("/ldap/directories/ad", samba.config()).status in (200, 201)
    assert import_user(admin, "jmueller").code == "ERR_LDAP_IMPORT_USER_NOT_FOUND"
    assert import_user(admin, "jmueller", "/ldap/directories/ad").status == 201
    assert import_user(admin, "nomail", "/ldap/directories/ad").code == "ERR_LDAP_IMPORT_USER_NOT_FOUND"
    # One name in both is two people; the first has it.
    assert import_user(admin, "user000000").status == 201
    refused(import_user(admin, "user000000", "/ldap/directories/ad"), 409, "ERR_USER_EXISTS")
    assert daemon.sql("SELECT directory, uid FROM directory_users ORDER BY uid") == [
        ("ad", "jmueller"), ("default", "user000000")]


def test_a_template_finds_by_its_dn(fresh, slapd):
    _, admin = fresh(slapd, user_search=None, dntemplate=f"uid=%(username)s,{slapd.user_base}")
    assert import_user(admin, "user000000").status == 201
    refused(import_user(admin, "user000000,ou=people"), 400, "ERR_LDAP_IMPORT_USER_NOT_FOUND")


def test_a_group_is_nobody_though_it_has_a_login_name(fresh, samba):
    """Active Directory's groups have a sAMAccountName like users."""
    _, admin = fresh(samba, user_search={"search-base": samba.base, "search-filter-template": "(sAMAccountName=%(username)s)"})
    refused(import_user(admin, "deep-00"), 400, "ERR_LDAP_IMPORT_USER_NOT_FOUND")
    assert import_user(admin, "user000000").status == 201


def test_delegation_goes_as_far_as_its_area(fresh, slapd):
    daemon, admin = fresh(slapd)
    for uid, area in (("helper-u", "users"), ("helper-g", "groups")):
        admin.expect(201, "PUT", f"/users/{uid}", {"password": "correct horse battery"})
        admin.expect(201, "PUT", f"/acls/iam:{area}", {"description": area})
        admin.expect(204, "PUT", f"/acls/iam:{area}/users/{uid}/create")
    users, groups = (daemon.client(daemon.login(uid, "correct horse battery")) for uid in ("helper-u", "helper-g"))
    assert import_user(users, "user000000").status == 201
    assert import_user(groups, "user000001").code == "ERR_FORBIDDEN"
    assert users.post("/ldap/importgroup", {"groupname": "group0000"}).code == "ERR_FORBIDDEN"
    assert groups.post("/ldap/importgroup", {"groupname": "group0000"}).status == 201
