"""Logins that an OpenLDAP directory decides: every way to bind, whose account it is, and what refusals look like."""
import base64
import json

import ldap3
import pytest

import iamd
from logins import WRONG, assert_said, bindings, configure, login, timed, uid_of, without_date

ADDED = "uid={},ou=people,dc=example,dc=test"


@pytest.fixture(scope="module")
def corp(slapd, daemon):
    """The shared daemon with the shared slapd as its directory."""
    daemon.secrets.add(slapd.bind_password)
    configure(daemon.superuser(), slapd)
    return slapd


def new_person(directory, uid, **attributes):
    with directory.admin() as c:
        c.add(ADDED.format(uid), ["inetOrgPerson"], {"cn": f"Person {uid}", "sn": uid, "uid": uid,
                                                     "userPassword": directory.user_password, **attributes})
    return ADDED.format(uid)


@pytest.fixture
def person(corp):
    """Makes entries that end with the test."""
    made = []

    def make(uid, **attributes):
        made.append(uid)
        return new_person(corp, uid, **attributes)

    yield make
    with corp.admin() as c:
        for uid in made:
            try:
                c.delete(ADDED.format(uid))
            except ldap3.core.exceptions.LDAPNoSuchObjectResult:
                pass


# -- ways to ask

WAYS = {
    "search, StartTLS": {},
    "search, ldaps": {"use_ldaps": True, "enforce_starttls": False},
    "template, StartTLS": {"user_search": None, "lookup_dn": None, "lookup_password": None,
                           "dntemplate": "uid=%(username)s,ou=people,dc=example,dc=test"},
    "template, ldaps, lookup": {"user_search": None, "use_ldaps": True, "enforce_starttls": False,
                                "dntemplate": "uid=%(username)s,ou=people,dc=example,dc=test"},
}


@pytest.mark.parametrize("way", WAYS)
def test_a_login_works_in_every_way(slapd, new_daemon, way):
    daemon = new_daemon().start()
    admin = daemon.superuser()
    more = dict(WAYS[way])
    if more.get("use_ldaps"):
        more["port"] = slapd.ldaps_port
    configure(admin, slapd, **more)
    answer = login(daemon, "user000001", slapd.user_password)
    assert uid_of(answer) == "user000001"
    user = admin.get("/users/user000001").json()
    assert (user["is_remote"], user["is_service"], user["provider_type"]) == (True, False, "ldap")
    assert user["description"] == slapd.search("(uid=user000001)", attributes=["cn"])[slapd.users["user000001"]]["cn"][0]
    assert login(daemon, "user000001", WRONG).status == 401
    assert login(daemon, "nobody-there", slapd.user_password).status == 401
    tried = admin.post("/ldap/config/test", {"uid": "user000002", "password": slapd.user_password})
    assert (tried.status, tried.json()["code"]) == (200, "TEST_PASSED")
    assert admin.get("/users/user000002").status == 400, "a test makes no account"


def test_an_anonymous_lookup_works_where_the_directory_lets_it(new_slapd, new_daemon):
    slapd = new_slapd("--anonymous")
    daemon = new_daemon().start()
    configure(daemon.superuser(), slapd, lookup_dn=None, lookup_password=None)
    assert uid_of(login(daemon, "user000001", slapd.user_password)) == "user000001"
    assert login(daemon, "user000001", WRONG).status == 401


# -- the account

def test_the_first_login_makes_an_account_without_rights(corp, daemon, admin, person):
    person("fresh", mail="fresh@example.test")
    answer = login(daemon, "fresh", corp.user_password)
    assert uid_of(answer) == "fresh"
    cookies = [c for c in answer.all("set-cookie") if c.startswith("dcos-acs-info-cookie=")]
    info = json.loads(base64.b64decode(cookies[0].split("=", 1)[1].split(";")[0].strip('"')))
    assert info == {"uid": "fresh", "description": "Person fresh", "is_remote": True}
    own = daemon.client(answer.json()["token"])
    assert own.get("/users/fresh").status == 200
    assert own.get("/users").status == 403
    assert admin.get("/users/fresh/permissions").json() == {"direct": [], "groups": []}
    (row,) = daemon.sql("SELECT actor, reason FROM audit WHERE action = 'user-import' AND object = 'fresh'")
    assert row == ("fresh", "made at login; directory default")
    assert_said(daemon, "fresh", "allow", "default: accepted")
    assert daemon.sql("SELECT email FROM directory_users WHERE uid = 'fresh'") == [("fresh@example.test",)]
    again = login(daemon, "fresh", corp.user_password)
    assert uid_of(again) == "fresh"
    assert len(daemon.sql("SELECT 1 FROM audit WHERE action = 'user-import' AND object = 'fresh'")) == 1


def test_another_spelling_is_the_same_account(corp, daemon):
    for typed in ("MIXEDcase", "MixedCase", "mixedcase"):
        assert uid_of(login(daemon, typed, corp.user_password)) == "MixedCase"
    assert_said(daemon, "mixedcase", "allow", "default: accepted, as MixedCase")


def test_a_rename_keeps_the_account_and_its_groups(corp, daemon, admin, person):
    dn = person("before")
    assert uid_of(login(daemon, "before", corp.user_password)) == "before"
    admin.expect(201, "PUT", "/groups/kept", {"description": "x"})
    admin.put("/groups/kept/users/before")
    person("after")  # so that the name is taken off again at the end
    with corp.admin() as c:
        c.delete(ADDED.format("after"))
        c.modify_dn(dn, "uid=after", delete_old_dn=True)
    assert uid_of(login(daemon, "after", corp.user_password)) == "before"
    assert [g["group"]["gid"] for g in admin.get("/users/before/groups").json()["array"]] == ["kept"]
    assert login(daemon, "before", corp.user_password).status == 401, "nobody is called so any more"


def test_an_entry_made_again_is_somebody_else(corp, daemon, person):
    dn = person("phoenix")
    assert uid_of(login(daemon, "phoenix", corp.user_password)) == "phoenix"
    before = bindings(daemon)["phoenix"]
    with corp.admin() as c:
        c.delete(dn)
    new_person(corp, "phoenix")
    for typed in ("phoenix", "PHOENIX"):
        answer = login(daemon, typed, corp.user_password)
        assert (answer.status, answer.code) == (400, "ERR_CANNOT_IMPORT_USER"), answer
        assert "another directory entry" in answer.description
    assert bindings(daemon)["phoenix"] == before
    assert_said(daemon, "phoenix", "deny", "default: accepted, but no account can be made of it")


def test_an_account_made_in_advance_is_bound_at_its_first_login(corp, daemon, admin, person):
    person("early")
    admin.expect(201, "PUT", "/users/early", {"provider_type": "ldap", "description": "expected"})
    assert "early" not in bindings(daemon)
    assert login(daemon, "early", WRONG).status == 401
    assert "early" not in bindings(daemon)
    assert uid_of(login(daemon, "early", corp.user_password)) == "early"
    assert bindings(daemon)["early"][0] == "default"
    assert admin.get("/users/early").json()["description"] == "expected"
    assert daemon.sql("SELECT reason FROM audit WHERE action = 'user-import' AND object = 'early'") == [
        ("bound at login; directory default",)]


def test_nobody_gets_an_account_made_in_advance_by_an_attribute_that_people_write_themselves(corp, new_daemon, person):
    daemon = new_daemon().start()
    admin = daemon.superuser()
    configure(admin, corp, user_search={"search-base": corp.base, "search-filter-template":
                                        "(|(uid=%(username)s)(mail=%(username)s))"})
    admin.expect(201, "PUT", "/users/awaited", {"provider_type": "ldap"})
    person("thief", mail="awaited")
    person("two words", mail="awaited2")
    admin.expect(201, "PUT", "/users/awaited2", {"provider_type": "ldap"})
    assert uid_of(login(daemon, "awaited", corp.user_password)) == "thief"
    answer = login(daemon, "awaited2", corp.user_password)
    assert (answer.status, answer.code) == (400, "ERR_CANNOT_IMPORT_USER")
    assert set(bindings(daemon)) == {"thief"}


def test_the_name_of_a_local_account_is_not_taken_over(corp, daemon, admin, person):
    person("taken")
    admin.expect(201, "PUT", "/users/taken", {"password": "a local password"})
    before = corp.operations().count("uid=taken")
    assert uid_of(login(daemon, "taken", "a local password")) == "taken"
    assert login(daemon, "taken", corp.user_password).status == 401
    assert corp.operations().count("uid=taken") == before, "nobody asks a directory about a local account"
    answer = login(daemon, "TAKEN", corp.user_password)
    assert (answer.status, answer.code) == (400, "ERR_CANNOT_IMPORT_USER")
    assert "a local account has that name" in answer.description


def test_a_disabled_account_is_refused_without_asking(corp, daemon, admin, person):
    person("barred")
    token = login(daemon, "barred", corp.user_password).json()["token"]
    admin.expect(204, "PATCH", "/users/barred", {"enabled": False})
    assert daemon.client(token).get("/users/barred").status == 401
    before = corp.operations().count("uid=barred")
    assert login(daemon, "barred", corp.user_password).status == 401
    assert corp.operations().count("uid=barred") == before
    assert login(daemon, "BARRED", corp.user_password).status == 401, "by another spelling, neither"
    admin.expect(204, "PATCH", "/users/barred", {"enabled": True})
    assert uid_of(login(daemon, "barred", corp.user_password)) == "barred"


# -- names

HARD = ["jörg.müller", "smith, john", "a+b=c", "#hash", "star*paren(x)", "back\\slash", 'quote"d', "semi;<>",
        "with space", "emoji😀", "x" * 200]


@pytest.mark.parametrize("name", HARD)
def test_l1_hard_names_mean_themselves(corp, daemon, name):
    """Found, and the password tried as that entry; then the name can be no id of ours."""
    answer = login(daemon, name, corp.user_password)
    assert (answer.status, answer.code) == (400, "ERR_CANNOT_IMPORT_USER"), answer
    assert login(daemon, name, WRONG).status == 401


@pytest.mark.parametrize("name", ["*", "user00000*", "user000001)(uid=*", "*)(|(uid=*", "user000001\\2a", "(", ")", "\\",
                                  "user000001\n", "user000001 ", "user000001,ou=people", "user000001)(objectClass=*))(",
                                  "", "é" * 257, "n" * 513, "user000001#", "&", "|", "!"])
def test_l1_no_name_means_more_than_itself(corp, daemon, name):
    for password in (corp.user_password, WRONG):
        answer = login(daemon, name, password)
        assert answer.status == (400 if name == "" else 401) or name in ("user000001 ",), (name, answer)
        if answer.status == 200:  # blanks at the end do not count in a uid (RFC 4518)
            assert uid_of(answer) == "user000001"


def test_two_entries_for_one_name_are_nobody(slapd, new_daemon):
    daemon = new_daemon().start()
    admin = daemon.superuser()
    configure(admin, slapd, user_search={"search-base": slapd.base, "search-filter-template": "(uid=%(username)s)"})
    assert login(daemon, "twin", slapd.user_password).status == 401
    assert_said(daemon, "twin", "deny", "default: two entries have that name")
    answer = admin.post("/ldap/config/test", {"uid": "twin", "password": slapd.user_password})
    assert answer.status == 200
    assert answer.json() == {"code": "SUCCESS_BUT_INVALID_CREDENTIALS", "description":
                             "Directory back-end reached, but search for username `twin` did not yield match: "
                             "search yielded 2 entries"}
    assert uid_of(login(daemon, "user000003", slapd.user_password)) == "user000003"


def test_l2_an_empty_password_reaches_no_directory(corp, daemon):
    before = corp.operations().count(" BIND ")
    answer = login(daemon, "user000001", "")
    assert (answer.status, answer.description) == (400, "`uid` and `password` must not be empty strings")
    assert corp.operations().count(" BIND ") == before


# -- refusals

STATES = {"locked": "account locked", "expired": "password expired", "mustchange": "password must be changed",
          "nopassword": "wrong password|the entry has no password"}


def test_p5_refusals_are_the_same_whoever_refuses(corp, daemon, admin):
    admin.expect(201, "PUT", "/users/native", {"password": "a local password"})
    admin.expect(201, "PUT", "/users/native-off", {"password": "a local password"})
    admin.expect(204, "PATCH", "/users/native-off", {"enabled": False})
    login(daemon, "user000004", corp.user_password)
    tries = [("native", WRONG), ("native-off", "a local password"), ("nobody-there", corp.user_password),
             ("user000004", WRONG), ("user000009", WRONG), ("not an id!", corp.user_password),
             *[(name, corp.user_password) for name in STATES]]
    answers = [login(daemon, *t) for t in tries]
    assert {a.status for a in answers} == {401}, answers
    assert all(without_date(a) == without_date(answers[0]) for a in answers), answers
    assert answers[0].code == "ERR_INVALID_CREDENTIALS"
    assert answers[0].header("www-authenticate") == "acsjwt"
    for name, *_ in tries:
        before = daemon.metric("iamd_password_hashes_total", admin)
        login(daemon, name, WRONG)
        assert daemon.metric("iamd_password_hashes_total", admin) - before == 1, name


@pytest.mark.parametrize("name", STATES)
def test_what_the_directory_says_stands_in_the_audit_and_in_the_test(corp, daemon, admin, name):
    assert login(daemon, name, corp.user_password).status == 401
    assert_said(daemon, name, "deny", *[f"default: {text}" for text in STATES[name].split("|")])
    answer = admin.post("/ldap/config/test", {"uid": name, "password": corp.user_password})
    assert (answer.status, answer.json()["code"]) == (200, "SUCCESS_BUT_INVALID_CREDENTIALS")
    assert any(text in answer.json()["description"] for text in [*STATES[name].split("|"), "Invalid credentials (4"])
    assert name not in bindings(daemon)


def test_grace_logins_and_warnings_are_logins(corp, daemon):
    for name in ("grace", "expiring"):
        assert uid_of(login(daemon, name, corp.user_password)) == name


def test_the_gateway_is_told_that_it_was_a_directory(slapd, new_daemon):
    daemon = new_daemon(api_access="gateway").start()
    client = daemon.client()
    configure(client, slapd)
    for uid, password in (("user000001", WRONG), ("nobody-there", "x"), ("locked", slapd.user_password)):
        answer = login(daemon, uid, password)
        assert (answer.status, answer.code) == (401, "ERR_INVALID_CREDENTIALS_LDAP"), answer
        assert answer.header("www-authenticate") == "acsjwt"
    assert login(daemon, "bootstrapuser", WRONG).code == "ERR_INVALID_CREDENTIALS"
    assert uid_of(login(daemon, "user000001", slapd.user_password)) == "user000001"


# -- the test of a configuration

def description(answer, status=200):
    assert answer.status == status, answer
    return answer.json()["description"]


def test_the_test_says_in_known_words_what_is_wrong(corp, daemon, admin):
    ask = lambda uid, password: admin.post("/ldap/config/test", {"uid": uid, "password": password})  # noqa: E731
    assert description(ask("user000001", WRONG)) == (
        "Directory back-end reached, but user-given credentials are invalid: Invalid credentials (49) response, "
        "DN `uid=user000001,ou=people,dc=example,dc=test`.")
    assert description(ask("nobody-there", "x")) == (
        "Directory back-end reached, but search for username `nobody-there` did not yield match: "
        "search yielded 0 entries")
    good = ask("user000001", corp.user_password)
    assert good.json()["code"] == "TEST_PASSED"


def test_the_test_tells_a_network_from_a_password(slapd, proxy, new_daemon, ca):
    daemon = new_daemon().start()
    admin = daemon.superuser()
    relay = proxy(slapd)

    def tried(**more):
        configure(admin, slapd, **{"host": relay.host, "port": relay.port, **more})
        answer, took = timed(admin.post, "/ldap/config/test",
                             {"uid": "user000001", "password": slapd.user_password}, timeout=60)
        assert answer.status == 502 and took < 15, (answer, took)
        return answer.json()["code"], answer.json()["description"]

    relay.refuse()
    code, text = tried()
    assert code == "ERR_CONNECTION"
    assert text.startswith("Error during authentication process: Cannot open connection to directory back-end: "
                           "socket connection error while opening: ")
    relay.heal()
    code, text = tried(lookup_password="not the password")
    assert code == "ERR_LOOKUP_CREDENTIALS" and slapd.bind_dn in text
    code, text = tried(ca_certs=ca.other_ca.read_text())
    assert code == "ERR_STARTTLS"
    assert text.startswith("Error during authentication process: `enforce-starttls` is set and StartTLS operation failed: ")
    code, text = tried(user_search={"search-base": "dc=nowhere", "search-filter-template": "(uid=%(username)s)"})
    assert code == "ERR_DIRECTORY"


# -- what else there is to see

def test_the_provider_is_listed_while_a_directory_is_configured(slapd, new_daemon):
    daemon = new_daemon().start()
    admin = daemon.superuser()
    assert set(daemon.client().get("/auth/providers").json()) == {"dcos-users", "dcos-services"}
    configure(admin, slapd)
    assert daemon.client().get("/auth/providers").json()["dcos-ldap"] == {
        "authentication-type": "dcos-uid-password-ldap", "description": "LDAP directory",
        "client-method": "dcos-usercredential-post-receive-authtoken",
        "config": {"start_flow_url": "/acs/api/v1/auth/login"}}
    token = login(daemon, "user000001", slapd.user_password).json()["token"]
    admin.expect(204, "DELETE", "/ldap/config")
    assert set(daemon.client().get("/auth/providers").json()) == {"dcos-users", "dcos-services"}
    assert login(daemon, "user000001", slapd.user_password).status == 401
    assert daemon.client(token).get("/users/user000001").status == 200, "a token is a token"


def test_logins_are_counted_by_directory_and_result(corp, daemon, admin):
    def count(result):
        return sum(float(line.split()[-1]) for line in admin.get("/metrics", root=True).body.decode().splitlines()
                   if line.startswith(f'iamd_directory_logins_total{{directory="default",result="{result}"}}'))

    for result, uid, password in (("accepted", "user000001", corp.user_password), ("rejected", "user000001", "wrong"),
                                  ("unknown_user", "nobody-there", "x"), ("disabled", "locked", corp.user_password),
                                  ("expired", "expired", corp.user_password)):
        before = count(result)
        login(daemon, uid, password)
        assert count(result) == before + 1, result


def test_the_last_local_superuser_stays_beside_those_of_a_directory(corp, daemon, admin):
    assert uid_of(login(daemon, "user000006", corp.user_password)) == "user000006"
    admin.expect(204, "PUT", "/groups/superusers/users/user000006")
    chief = daemon.client(login(daemon, "user000006", corp.user_password).json()["token"])
    for method, path, body in (("DELETE", f"/users/{iamd.SUPERUSER}", None),
                               ("DELETE", f"/groups/superusers/users/{iamd.SUPERUSER}", None),
                               ("PATCH", f"/users/{iamd.SUPERUSER}", {"enabled": False})):
        answer = chief(method, path, **({"json_": body} if body else {}))
        assert (answer.status, answer.code) == (400, "ERR_NO_MORE_SUPERUSERS"), answer
    admin.expect(204, "DELETE", "/groups/superusers/users/user000006")


def test_a_directory_that_lets_the_only_superusers_in_stays(slapd, new_daemon):
    daemon = new_daemon(superuser=False, api_access="gateway").start()
    client = daemon.client()
    configure(client, slapd)
    login(daemon, "user000006", slapd.user_password)
    client.put("/acls/dcos:superuser", {"description": "x"})
    client.expect(204, "PUT", "/acls/dcos:superuser/users/user000006/full")
    for path in ("/ldap/config", "/ldap/directories/default"):
        answer = client.delete(path)
        assert (answer.status, answer.code) == (400, "ERR_NO_MORE_SUPERUSERS"), answer
    assert uid_of(login(daemon, "user000006", slapd.user_password)) == "user000006", "it is still in use"
    assert client.delete("/users/user000006").code == "ERR_NO_MORE_SUPERUSERS"
    client.expect(201, "PUT", "/users/chief", {"password": "A-chief-passw0rd"})
    client.expect(204, "PUT", "/acls/dcos:superuser/users/chief/full")
    client.expect(204, "DELETE", "/ldap/config")
