"""POST /auth/login with a password."""
import crypt
import ctypes

import pytest

import iamd

PASSWORD = "correct horse battery"
BOTH = "Exactly one of `token` and `password` must be provided in the request body"
NO_UID = "`uid` missing in the request body"
EMPTY = "`uid` and `password` must not be empty strings"
JSON = ("Content-Type", "application/json")


def login(client, body, **kw):
    return client.post("/auth/login", body, **kw)


@pytest.mark.parametrize("body, text", [
    ({}, BOTH), ({"uid": "u"}, BOTH), ({"exp": 1}, BOTH),
    ({"uid": "u", "password": "p", "token": "t"}, BOTH), ({"password": "", "token": ""}, BOTH),
    ({"password": "p"}, NO_UID), ({"password": ""}, NO_UID),
    ({"uid": "u", "password": ""}, EMPTY), ({"uid": "", "password": "p"}, EMPTY),
    ({"uid": "", "password": ""}, EMPTY),
])
def test_the_members_of_a_login_are_checked_in_order(nobody, body, text):
    answer = login(nobody, body)
    assert (answer.status, answer.description) == (400, text)
    assert answer.json() == {"title": "400 Bad Request", "description": text}


@pytest.mark.parametrize("body", [
    {"uid": 1, "password": "p"}, {"uid": "u", "password": None}, {"uid": None, "password": "p"},
    {"uid": "u", "password": ["p"]}, {"uid": "u", "token": 5}, {"uid": {}, "token": "t"}, [], "x", 3, False,
])
def test_a_login_against_the_schema_is_refused(nobody, body):
    answer = login(nobody, body)
    assert answer.status == 400
    assert answer.description.startswith("Unexpected JSON input. Hint: ")


def test_a_login_gives_a_token(nobody, user):
    answer = login(nobody, {"uid": user, "password": PASSWORD})
    assert answer.status == 200
    assert list(answer.json()) == ["token"]
    assert answer.json()["token"].count(".") == 2


@pytest.mark.parametrize("extra", [{"x": 1}, {"exp": 1}, {"exp": "y"}, {"exp": None}, {"target": "/"}])
def test_members_of_no_meaning_are_ignored(nobody, user, extra):
    assert login(nobody, {"uid": user, "password": PASSWORD, **extra}).status == 200


def same(answers):
    """Status, headers and body without what differs by nature (the date)."""
    return len({(a.status, tuple(h for h in a.headers if h[0] not in ("date", "x-request-id")), a.body)
                for a in answers}) == 1


@pytest.fixture
def odd_accounts(admin, uid):
    """One account of each kind that no password opens."""
    names = {kind: f"{kind}-{uid}" for kind in ("disabled", "remote", "ldap")}
    admin.expect(201, "PUT", f"/users/{names['disabled']}", {"password": PASSWORD})
    admin.expect(204, "PATCH", f"/users/{names['disabled']}", {"enabled": False})
    admin.expect(201, "PUT", f"/users/{names['remote']}", {"provider_type": "oidc", "provider_id": "x"})
    admin.expect(201, "PUT", f"/users/{names['ldap']}", {"provider_type": "ldap"})
    return names


def test_p5_every_failed_login_gets_the_same_answer(nobody, user, service, odd_accounts):
    answers = [login(nobody, {"uid": name, "password": password}) for name, password in [
        (user, "wrong password"), ("unknown-user", PASSWORD), (service, PASSWORD),
        *[(name, PASSWORD) for name in odd_accounts.values()],
        ("anonymous", PASSWORD), ("bad uid!", PASSWORD), ("u" * 97, PASSWORD), ("u\n", PASSWORD),
        (user.upper(), PASSWORD), (user, PASSWORD + " "), (user, PASSWORD.upper()), (user, PASSWORD[:-1]),
        (user, "p" * 1025), (user, "p" * 5000),
        ("'; DROP TABLE users; --", "x"), ("é", "é"),
    ]]
    assert same(answers), answers
    assert answers[0].status == 401
    assert answers[0].json() == {"title": "401 Unauthorized", "description": "Invalid credentials.",
                                 "code": "ERR_INVALID_CREDENTIALS"}
    assert answers[0].header("www-authenticate") == "acsjwt"
    assert answers[0].all("set-cookie") == []


def test_p5_every_failed_login_costs_one_hash(enforce, admin, nobody, user, service, odd_accounts):
    login(nobody, {"uid": user, "password": PASSWORD})
    for name in (user, "unknown-user", service, *odd_accounts.values(), "bad uid!"):
        before = enforce.metric(r"iamd_\w*hashes\w*", admin)
        assert login(nobody, {"uid": name, "password": "a wrong password"}).status == 401
        assert enforce.metric(r"iamd_\w*hashes\w*", admin) - before == 1, name


@pytest.mark.parametrize("tail", [b"\\ud800", b"\\udc00\\ud800", b"\\u0000", b"\\u0000x", b"\xed\xa0\x80"])
def test_a_password_with_nul_or_a_lone_surrogate_is_a_4xx(nobody, user, tail):
    body = b'{"uid": "%s", "password": "%s%s"}' % (user.encode(), PASSWORD.encode(), tail)
    answer = nobody.post("/auth/login", headers=[JSON], body=body)
    assert answer.status in (400, 401)
    assert answer.all("set-cookie") == []


@pytest.mark.parametrize("password", ["p" * 1024, "é" * 512, "\U0001f511" * 256, " leading and trailing ",
                                      "tab\tand\nnewline", "\u00e9\u0065\u0301 not normalised"])
def test_unusual_passwords_work_whole(enforce, admin, nobody, uid, password):
    admin.expect(201, "PUT", f"/users/{uid}", {"password": password})
    assert login(nobody, {"uid": uid, "password": password}).status == 200
    assert login(nobody, {"uid": uid, "password": password[:-1]}).status == 401
    assert login(nobody, {"uid": uid, "password": password.strip() + "x"}).status == 401


def test_the_same_password_has_another_hash_for_each_user(enforce, admin, uid):
    for name in (uid, uid + "b"):
        admin.expect(201, "PUT", f"/users/{name}", {"password": PASSWORD})
    (one,), (two,) = enforce.sql("SELECT password_hash FROM users WHERE uid IN (?, ?)", uid, uid + "b")
    assert one != two
    assert one.startswith("$argon2id$v=19$m=8,t=1,p=1$")


def legacy_hash(kind):
    methods = {"sha512": (crypt.METHOD_SHA512, 1000), "sha256": (crypt.METHOD_SHA256, 1000),
               "bcrypt": (crypt.METHOD_BLOWFISH, 16)}
    if kind in methods:
        method, rounds = methods[kind]
        return crypt.crypt("legacy password", crypt.mksalt(method, rounds=rounds))
    lib = ctypes.CDLL("libcrypt.so.1")
    lib.crypt.restype = ctypes.c_char_p
    return lib.crypt(b"legacy password", b"$y$j75$saltsaltsalt$").decode()


@pytest.mark.parametrize("kind", ["sha512", "sha256", "bcrypt", "yescrypt"])
def test_p3_a_legacy_hash_opens_and_is_replaced_at_login(new_daemon, kind):
    daemon = new_daemon().start()
    admin = daemon.superuser()
    admin.expect(201, "PUT", "/users/old", {"password": PASSWORD})
    daemon.stop()
    daemon.sql("UPDATE users SET password_hash = ? WHERE uid = 'old'", legacy_hash(kind))
    daemon.start()
    nobody = daemon.client()
    assert login(nobody, {"uid": "old", "password": "wrong password"}).status == 401
    first = login(nobody, {"uid": "old", "password": "legacy password"})
    assert first.status == 200

    def stored():
        return daemon.sql("SELECT password_hash FROM users WHERE uid = 'old'")[0][0]

    iamd.wait_until(lambda: stored().startswith("$argon2id$"), what="rehash")
    assert login(nobody, {"uid": "old", "password": "legacy password"}).status == 200
    assert daemon.client(first.json()["token"]).get("/users/old").status == 200, "a rehash ended a token"


def test_p3_a_hash_of_older_parameters_is_replaced_at_login(new_daemon):
    daemon = new_daemon().start()
    token = daemon.login()

    def stored():
        return daemon.sql("SELECT password_hash FROM users WHERE uid = 'bootstrapuser'")[0][0]

    iamd.wait_until(lambda: "m=8,t=1,p=1" in stored(), what="rehash of the crypt(3) hash")
    daemon.stop()
    daemon.options.update(argon2_opslimit=2, argon2_memory_kib=16)
    daemon.start()
    daemon.login()
    iamd.wait_until(lambda: "m=16,t=2,p=1" in stored(), what="rehash with today's parameters")
    before = stored()
    daemon.login()
    assert daemon.client(token).get("/users").status == 200, "a rehash ended a token"
    assert stored() == before, "a hash of today's parameters needs no other"


def test_p1_the_minimum_length_is_configured(new_daemon):
    daemon = new_daemon(password_min_length=15).start()
    admin = daemon.superuser()
    answer = admin.put("/users/u", {"password": "p" * 14})
    assert answer.description == "Password does not match rules: Must be at least 15 characters long."
    admin.expect(201, "PUT", "/users/u", {"password": "p" * 15})


@pytest.mark.parametrize("stored", ["", "x", "$1$abc$def", "$argon2id$broken", "$6$", "*", "!",
                                    "$argon2id$v=19$m=4194304,t=100,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA",
                                    "$6$rounds=999999999$salt$hash", "$2b$31$abcdefghijklmnopqrstuv", "plain text"])
def test_a_stored_hash_that_is_none_opens_nothing(new_daemon, stored):
    daemon = new_daemon().start()
    daemon.superuser().expect(201, "PUT", "/users/odd", {"password": PASSWORD})
    daemon.stop()
    daemon.sql("UPDATE users SET password_hash = ? WHERE uid = 'odd'", stored)
    daemon.start()
    for password in (PASSWORD, stored or "x", "x"):
        answer = login(daemon.client(), {"uid": "odd", "password": password}, timeout=10)
        assert (answer.status, answer.code) == (401, "ERR_INVALID_CREDENTIALS")
    daemon.secrets.discard(stored)


def test_logins_work_in_gateway_mode_alike(gateway, gw, uid):
    gw.expect(201, "PUT", f"/users/{uid}", {"password": PASSWORD})
    answer = login(gw, {"uid": uid, "password": "wrong password"})
    assert (answer.status, answer.code) == (401, "ERR_INVALID_CREDENTIALS")
    assert gateway.login(uid, PASSWORD)
