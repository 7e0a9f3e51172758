"""POST /auth/login with a service login token, with an ID token, and with tokens that are neither."""
import json
import time

import pytest

import iamd
import keys

KEY, OTHER = keys.rsa_key(0), keys.rsa_key(1)
JSON = ("Content-Type", "application/json")
NOW = int(time.time())


def login(client, uid, token, **more):
    return client.post("/auth/login", {"uid": uid, "token": token, **more})


def refused(answer):
    assert (answer.status, answer.code) == (401, "ERR_INVALID_CREDENTIALS"), answer
    assert answer.description == "Invalid credentials."
    assert answer.header("www-authenticate") == "acsjwt"
    assert answer.all("set-cookie") == []


@pytest.mark.parametrize("claims", [
    {"exp": 300}, {"exp": 1}, {"exp": 86400}, {}, {"exp": 300.5}, {"exp": 300, "iat": 9999},
    {"exp": 300, "nbf": -10}, {"exp": 300, "iss": "x", "x": [1, {"y": None}]},
])
def test_a_token_of_the_accounts_key_logs_in(nobody, service, claims):
    absolute = {k: time.time() + v if k in ("exp", "nbf", "iat") and isinstance(v, float)
                else int(time.time()) + v if k in ("exp", "nbf", "iat") else v for k, v in claims.items()}
    answer = login(nobody, service, KEY.sign({"uid": service, **absolute}))
    assert answer.status == 200
    assert keys.payload(answer.json()["token"])["uid"] == service
    assert len(answer.all("set-cookie")) == 2


@pytest.mark.parametrize("head", [
    {"alg": "RS256"}, {"alg": "RS256", "typ": "JWT", "kid": "anything"}, {"alg": "RS256", "typ": "jwt"},
    {"alg": "RS256", "x": {"y": 1}},
])
def test_further_header_fields_of_a_service_token_are_ignored(nobody, service, head):
    token = KEY.sign({"uid": service, "exp": NOW + 3600}, head)
    assert login(nobody, service, token).status == 200


def test_the_uid_claim_must_be_the_uid(nobody, service):
    for claims in ({}, {"uid": "other"}, {"uid": None}, {"uid": [service]}, {"uid": service + "\0"}, {"sub": service}):
        refused(login(nobody, service, KEY.sign({"exp": NOW + 3600, **claims})))


@pytest.mark.parametrize("claims", [
    {"exp": NOW - 1}, {"exp": 0}, {"exp": -1}, {"exp": NOW - 0.5}, {"exp": "soon"}, {"exp": str(NOW + 3600)},
    {"exp": None}, {"exp": True}, {"exp": [NOW + 3600]}, {"exp": {}},
    {"exp": NOW + 3600, "nbf": NOW + 3600}, {"exp": NOW + 3600, "nbf": "x"},
    {"exp": NOW + 3600, "aud": "x"}, {"exp": NOW + 3600, "aud": []}, {"exp": NOW + 3600, "aud": ["x", "y"]},
])
def test_claims_that_do_not_hold_are_refused(nobody, service, claims):
    refused(login(nobody, service, KEY.sign({"uid": service, **claims})))


@pytest.mark.parametrize("alg", ["RS384", "RS512", "PS256", "none"])
def test_only_rs256_is_accepted(nobody, service, alg):
    refused(login(nobody, service, KEY.sign({"uid": service, "exp": NOW + 3600}, alg=alg)))


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
def test_j1_a_mac_with_the_public_key_is_refused(nobody, service, alg):
    for secret in (KEY.public_pem.encode(), KEY.public_pem.strip().encode()):
        refused(login(nobody, service, keys.hmac_token({"uid": service, "exp": NOW + 3600},
                                                       {"typ": "JWT", "alg": alg}, secret, alg)))


def test_a_token_of_another_key_is_refused(nobody, service):
    refused(login(nobody, service, OTHER.service_token(service)))


GOOD = KEY.service_token


@pytest.mark.parametrize("what", ["", " ", "x", "..", "a.b.c", "a.b", "a.b.c.d", "é.é.é", "=.=.="])
def test_what_is_no_token_is_refused(nobody, service, user, what):
    refused(login(nobody, service, what))
    refused(login(nobody, user, what))
    refused(login(nobody, "unknown-user", what))


@pytest.mark.parametrize("change", [
    lambda t: " " + t, lambda t: t + " ", lambda t: t + "\n", lambda t: "\t" + t, lambda t: t + "=",
    lambda t: t + ".", lambda t: t[:-4], lambda t: t + "AAAA", lambda t: t.replace(".", " .", 1),
    lambda t: t.split(".")[0] + "." + t.split(".")[1] + ".", lambda t: t.swapcase(),
    lambda t: t + "A" * 60000,
])
def test_a_changed_token_is_refused(nobody, service, change):
    answer = login(nobody, service, change(GOOD(service)))
    assert answer.status in (401, 413)
    if answer.status == 401:
        refused(answer)


def test_a_token_for_an_account_without_a_key_is_refused(admin, nobody, user, uid):
    admin.put(f"/users/remote-{uid}", {"provider_type": "saml", "provider_id": "x"})
    for name in (user, "bootstrapuser", f"remote-{uid}", "unknown-user", "bad uid"):
        refused(login(nobody, name, GOOD(name)))


def test_a_disabled_service_account_is_refused_like_an_unknown_one(admin, nobody, service):
    admin.expect(204, "PATCH", f"/users/{service}", {"enabled": False})
    refused(login(nobody, service, GOOD(service)))


def test_a_service_token_is_no_auth_token(enforce, service):
    assert enforce.client(GOOD(service)).get(f"/users/{service}").code == "ERR_UNAUTHENTICATED"


def test_an_auth_token_is_no_service_token(enforce, nobody, service):
    token = login(nobody, service, GOOD(service)).json()["token"]
    refused(login(nobody, service, token))


# -- `exp` of the login body

DAYS = 86400


def lifetime(answer):
    claims = keys.payload(answer.json()["token"])
    return claims["exp"] - claims["iat"]


@pytest.mark.parametrize("ahead, seconds", [(3600, 3600), (60, 60), (4 * DAYS, 4 * DAYS), (6 * DAYS, 5 * DAYS),
                                            (3650 * DAYS, 5 * DAYS)])
def test_the_body_says_how_long_up_to_the_cap(nobody, service, ahead, seconds):
    answer = login(nobody, service, GOOD(service), exp=int(time.time()) + ahead)
    assert answer.status == 200
    assert abs(lifetime(answer) - seconds) <= 3


@pytest.mark.parametrize("exp", ["absent", None])
def test_without_exp_the_lifetime_is_the_configured_one(nobody, service, exp):
    more = {} if exp == "absent" else {"exp": None}
    assert lifetime(login(nobody, service, GOOD(service), **more)) == 5 * DAYS


@pytest.mark.parametrize("exp", ["{}", " {} ", "{}.5"])
def test_an_exp_of_another_number_form_is_that_integer(nobody, service, exp):
    text = exp.format(int(time.time()) + 3600)
    answer = login(nobody, service, GOOD(service), exp=float(text) if "." in text else text)
    assert answer.status == 200
    assert abs(lifetime(answer) - 3600) <= 3
    assert type(keys.payload(answer.json()["token"])["exp"]) is int


@pytest.mark.parametrize("exp", [0, 1, -1, NOW - 60, "x", "", "1", f"{NOW + 3600}x", f"{NOW + 3600}.5", True, [], {}, 0.0])
def test_an_exp_of_the_past_or_of_no_number_is_400(nobody, service, exp):
    answer = login(nobody, service, GOOD(service), exp=exp)
    assert (answer.status, answer.code) == (400, "ERR_INVALID_DATA")


@pytest.mark.parametrize("exp", [b"1e400", b"99999999999999999999", b"-99999999999999999999", b"1e30"])
def test_an_exp_beyond_all_numbers_is_capped_or_refused(nobody, service, exp):
    body = b'{"uid": "%s", "token": "%s", "exp": %s}' % (service.encode(), GOOD(service).encode(), exp)
    answer = nobody.post("/auth/login", headers=[JSON], body=body)
    assert answer.status in (200, 400)
    if answer.status == 200:
        assert lifetime(answer) == 5 * DAYS


def test_lifetimes_and_eternal_tokens_are_configured(new_daemon):
    daemon = new_daemon(token_lifetime="1h", token_lifetime_max="2h", allow_eternal_tokens="yes").start()
    admin = daemon.superuser()
    admin.expect(201, "PUT", "/users/svc", {"public_key": KEY.public_pem})
    nobody = daemon.client()
    assert lifetime(login(nobody, "svc", GOOD("svc"))) == 3600
    assert abs(lifetime(login(nobody, "svc", GOOD("svc"), exp=int(time.time()) + 9999)) - 7200) <= 3
    eternal = login(nobody, "svc", GOOD("svc"), exp=0).json()["token"]
    assert "exp" not in keys.payload(eternal)
    assert daemon.client(eternal).get("/users/svc").status == 200
    daemon.restart()
    assert daemon.client(eternal).get("/users/svc").status == 200
    daemon.superuser().expect(204, "POST", "/auth/revoke", {"token": eternal})
    daemon.restart()
    assert daemon.client(eternal).get("/users/svc").status == 401


# -- ID tokens: the login with them is not there yet

@pytest.mark.parametrize("token", ["abc", "", "a.b.c", KEY.sign({"iss": "https://issuer.example/", "sub": "x"}),
                                   KEY.sign({"uid": "bootstrapuser", "exp": NOW + 3600}, alg="none")])
@pytest.mark.parametrize("configured", [False, True])
def test_an_id_token_is_a_bad_token(request, new_daemon, token, configured):
    daemon = request.getfixturevalue("enforce")
    if configured:
        daemon = request.getfixturevalue("with_issuer")
    answer = daemon.client().post("/auth/login", {"token": token})
    assert answer.status == 401
    assert answer.json() == {"title": "401 Unauthorized",
                             "description": "OpenID Connect ID Token login failed: bad token"}
    assert answer.header("www-authenticate") is None
    assert answer.all("set-cookie") == []


@pytest.fixture(scope="module")
def with_issuer(tmp_path_factory):
    daemon = iamd.Daemon(tmp_path_factory.mktemp("issuer"), id_token_issuer="https://issuer.example/",
                         id_token_audience="aud").start()
    yield daemon
    daemon.stop()


def test_duplicate_members_of_a_service_token_are_refused(nobody, service):
    def signed(head, claims):
        part = f"{keys.b64(head)}.{keys.b64(claims)}"
        return f"{part}.{keys.b64(KEY.signature(part.encode(), 'RS256'))}"

    head = b'{"alg":"RS256","typ":"JWT"}'
    exp = int(time.time()) + 60
    good = json.dumps({"uid": service, "exp": exp}).encode()
    assert login(nobody, service, signed(head, good)).status == 200
    for claims in (b'{"uid":"x","uid":"%s","exp":%d}' % (service.encode(), exp),
                   b'{"uid":"%s","exp":1,"exp":%d}' % (service.encode(), exp)):
        refused(login(nobody, service, signed(head, claims)))
    refused(login(nobody, service, signed(b'{"alg":"none","alg":"RS256"}', good)))
