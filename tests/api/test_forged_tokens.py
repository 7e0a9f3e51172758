"""J1-J9 of the security checklist: forgeries against a running daemon."""
import time

import pytest

import iamd
import keys

PASSWORD = "correct horse battery"
MINE = keys.rsa_key(7)  # the attacker's


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    """A daemon whose signing key the test knows, so that it can also sign what is only nearly right."""
    directory = tmp_path_factory.mktemp("forged")
    pem = directory / "signing.pem"
    pem.write_text(keys.rsa_key(2).private_pem)
    pem.chmod(0o600)
    daemon = iamd.Daemon(directory / "iamd", signing_key_file=pem).start()
    yield daemon
    daemon.stop()


@pytest.fixture(scope="module")
def good(target):
    """(kid, claims) of a good token of the superuser."""
    token = target.login()
    return keys.header(token)["kid"], keys.payload(token)


SIGNER = keys.rsa_key(2)


def status(target, token):
    answer = target.client().get("/users", headers=[("Authorization", b"token=" + token.encode())])
    if answer.status == 401:
        assert answer.code == "ERR_UNAUTHENTICATED" and answer.header("www-authenticate") == "acsjwt"
    return answer.status


def raw(head, claims, key=SIGNER, alg="RS256"):
    part = f"{keys.b64(head)}.{keys.b64(claims)}"
    return f"{part}.{keys.b64(key.signature(part.encode(), alg))}"


def header(kid, **more):
    return {"typ": "JWT", "alg": "RS256", "kid": kid, **more}


def test_the_same_claims_signed_by_the_daemons_key_are_good(target, good):
    kid, claims = good
    assert status(target, SIGNER.sign(claims, header(kid))) == 200


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", ""])
@pytest.mark.parametrize("signature", ["", "AAAA"])
def test_j1_alg_none_is_refused(target, good, alg, signature):
    kid, claims = good
    assert status(target, f"{keys.b64(header(kid, alg=alg))}.{keys.b64(claims)}.{signature}") == 401


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("with_kid", [True, False])
def test_j1_a_mac_with_the_public_key_as_secret_is_refused(target, good, alg, with_kid):
    kid, claims = good
    jwk = target.client().get("/auth/jwks").json()["keys"][0]
    pem = keys.jwk_to_pem(jwk)
    head = {"typ": "JWT", "alg": alg, **({"kid": kid} if with_kid else {})}
    for secret in (pem, pem.strip(), pem.replace(b"\n", b"\r\n"), keys.unb64(jwk["n"]), jwk["n"].encode(), b""):
        assert status(target, keys.hmac_token(claims, head, secret, alg)) == 401


@pytest.mark.parametrize("alg", ["RS384", "RS512", "PS256", "PS384"])
def test_j1_another_algorithm_of_the_same_key_is_refused(target, good, alg):
    kid, claims = good
    assert status(target, raw(header(kid, alg=alg), claims, alg=alg)) == 401
    assert status(target, raw(header(kid), claims, alg=alg)) == 401  # signed so, but says RS256


@pytest.mark.parametrize("alg", ["rs256", "RS256 ", "ES256", "EdDSA", 5, None, ["RS256"], True])
def test_j1_a_signature_that_is_right_under_another_name_is_refused(target, good, alg):
    kid, claims = good
    assert status(target, raw(header(kid, alg=alg), claims)) == 401


def test_j1_a_header_without_alg_is_refused(target, good):
    kid, claims = good
    assert status(target, raw({"typ": "JWT", "kid": kid}, claims)) == 401


def test_j2_keys_named_or_embedded_in_the_header_are_not_used(target, good):
    kid, claims = good
    for more in ({"jwk": MINE.jwk()}, {"jku": "http://127.0.0.1:9/jwks"}, {"x5u": "http://127.0.0.1:9/x"},
                 {"x5c": ["MIIB"]}, {"x5t": "x"}):
        for which in (kid, "attacker", None):
            head = header(which, **more)
            if which is None:
                del head["kid"]
            assert status(target, raw(head, claims, MINE)) == 401


@pytest.mark.parametrize("typ", ["at+jwt", "logout+jwt", "JWE", "", None, 5])
def test_j3_another_type_of_token_is_no_auth_token(target, good, typ):
    kid, claims = good
    assert status(target, raw(header(kid, typ=typ), claims)) == 401


def test_j3_a_token_with_an_audience_is_for_somebody_else(target, good):
    kid, claims = good
    assert status(target, raw(header(kid), {**claims, "aud": "https://client.example"})) == 401


@pytest.mark.parametrize("change", [
    {"exp": int(time.time()) - 1}, {"exp": 0}, {"exp": -1}, {"exp": "9999999999"}, {"exp": None}, {"exp": True},
    {"exp": [9999999999]}, {"nbf": int(time.time()) + 3600}, {"nbf": "x"},
    {"uid": None}, {"uid": 5}, {"uid": ["bootstrapuser"]}, {"uid": "unknown"}, {"uid": ""}, {"uid": "anonymous"},
    {"uid": "bootstrapuser\0"}, {"gen": 0}, {"gen": -1}, {"gen": 10 ** 18}, {"gen": None}, {"gen": "1"},
    {"gen": 1.5}, {"gen": True},
])
def test_j4_claims_that_do_not_hold_are_refused(target, good, change):
    kid, claims = good
    assert status(target, raw(header(kid), {**claims, **change})) == 401


@pytest.mark.parametrize("missing", ["uid", "gen"])
def test_j4_a_token_without_a_claim_is_refused(target, good, missing):
    kid, claims = good
    assert status(target, raw(header(kid), {k: v for k, v in claims.items() if k != missing})) == 401


def test_j4_a_token_ends_when_it_says(target, good):
    kid, claims = good
    token = SIGNER.sign({**claims, "exp": int(time.time()) + 2}, header(kid))
    assert status(target, token) == 200
    time.sleep(2.1)
    assert status(target, token) == 401  # though the cache knows it


@pytest.mark.parametrize("more", [{"zip": "DEF"}, {"crit": ["exp"]}, {"crit": []}, {"crit": ["x"], "x": 1},
                                  {"b64": False, "crit": ["b64"]}, {"enc": "A256GCM"}])
def test_j5_compression_encryption_and_critical_extensions_are_refused(target, good, more):
    kid, claims = good
    assert status(target, raw(header(kid, **more), claims)) == 401


@pytest.mark.parametrize("kid", ["wrong", "", "../../keys/signing.pem", "/dev/null", "' OR '1'='1", "a" * 10000,
                                 "\0", 5, None, ["x"], {"x": 1}, "%s%n"])
def test_j7_a_kid_that_is_not_in_the_table_finds_no_key(target, good, kid):
    _, claims = good
    assert status(target, raw(header(kid), claims)) == 401
    assert status(target, raw(header(kid), claims, MINE)) == 401


def test_j7_another_key_under_the_right_kid_is_refused(target, good):
    kid, claims = good
    assert status(target, raw(header(kid), claims, MINE)) == 401


def test_j9_duplicate_members_are_refused(target, good):
    kid, claims = good
    uid, gen, exp = claims["uid"], claims["gen"], claims["exp"]
    head = b'{"typ":"JWT","alg":"RS256","kid":"%s"}' % kid.encode()
    plain = b'{"uid":"%s","gen":%d,"exp":%d}' % (uid.encode(), gen, exp)
    assert status(target, raw(head, plain)) == 200
    for claims_ in (b'{"uid":"x","uid":"%s","gen":%d,"exp":%d}' % (uid.encode(), gen, exp),
                    b'{"uid":"%s","gen":1,"gen":%d,"exp":%d}' % (uid.encode(), gen, exp),
                    b'{"uid":"%s","gen":%d,"exp":1,"\\u0065xp":%d}' % (uid.encode(), gen, exp)):
        assert status(target, raw(head, claims_)) == 401
    assert status(target, raw(b'{"alg":"none","alg":"RS256","kid":"%s"}' % kid.encode(), plain)) == 401
    assert status(target, raw(b'{"typ":"JWT","alg":"RS256","kid":"x","kid":"%s"}' % kid.encode(), plain)) == 401


def signature_variants(token):
    head, body, signature = token.split(".")
    last = signature[-1]
    sibling = {"A": "B", "Q": "R", "g": "h", "w": "x"}.get(last, "B")  # same bytes, other padding bits
    yield f"{head}.{body}.{signature[:-1]}{sibling}"
    yield f"{head}.{body}.{signature}="
    yield f"{head}.{body}.{signature}=="
    yield f"{head}.{body}.{signature.replace('-', '+').replace('_', '/')}!"
    yield f"{head}.{body}.{signature} "
    yield f"{head}.{body}.{signature}\t"
    yield f"{head}.{body}.{signature}.x"
    yield f"{head}.{body}.{signature}A"
    yield f"{head}.{body}.{signature[:-1]}"
    yield f"{head}.{body}.AAAA{signature[4:]}"
    yield f"{head}.{body}"
    yield f"{head}.{body}."
    yield f".{body}.{signature}"
    yield f"{head}..{signature}"
    yield f"{head}=.{body}.{signature}"
    yield f"{head}\n.{body}.{signature}".replace("\n", "%0a")
    yield f"{head}.{body[:-1]}{'A' if body[-1] != 'A' else 'B'}.{signature}"


@pytest.mark.parametrize("number", range(17))
def test_a_token_changed_in_any_place_is_refused(target, number):
    token = target.login()
    changed = list(signature_variants(token))[number]
    assert changed != token
    if changed.strip() == token:  # white space around a header value is none of it
        assert status(target, changed) in (200, 401)
        return
    assert status(target, token) == 200  # in the cache now
    assert status(target, changed) == 401


@pytest.mark.parametrize("head, body", [
    (b"[]", b"{}"), (b"{}", b"[]"), (b"null", b"null"), (b"", b""), (b"x", b"x"), (b"{", b"{"), (b"{}", b"\xff"),
    (b'{"alg":"RS256"} x', b"{}"), (b"{" * 20000, b"{}"), (b"[" * 20000, b"{}"),
])
def test_parts_that_are_no_objects_are_refused(target, head, body):
    assert status(target, raw(head, body)) in (401, 431)


def test_a_token_of_16_kib_is_refused_and_harmless(target, good):
    kid, claims = good
    assert status(target, raw(header(kid), {**claims, "x": "y" * 12000})) in (200, 401)
