"""PUT /users/{uid}: who can be created, and which mistake is answered first."""
import threading

import pytest

import keys

KEY = keys.rsa_key().public_pem
LONG = "long enough"
ONE_OF = "One of `password` or `public_key` must be provided"
NEEDS_ID = "Invalid provider_id: provider_id must be provided if provider_type is saml or oidc"
NO_ID = "Invalid provider_id: provider_id must not be provided unless provider_type is saml or oidc"
DATA, PUBLIC_KEY = "ERR_INVALID_DATA", "ERR_INVALID_PUBLIC_KEY"
TOO_SHORT = "Password does not match rules: Must be at least 8 characters long."


def refused(admin, uid, body, code, text):
    answer = admin.put(f"/users/{uid}", body)
    assert (answer.status, answer.code) == (400, code), answer
    assert answer.description == text if not text.endswith("…") else answer.description.startswith(text[:-1])
    assert answer.json()["title"] == "400 Bad Request"


# each row holds the mistakes of the rows below it too, wherever they can be made together
@pytest.mark.parametrize("body, code, text", [
    ({"password": "", "public_key": "", "provider_type": "x", "provider_id": "y"}, DATA,
     "`password` must not be empty when provided"),
    ({"password": "x", "public_key": "", "provider_type": "x"}, DATA,
     "`public_key` must not be empty when provided"),
    ({"password": "x", "public_key": "y", "provider_type": "nis"}, DATA, "Invalid provider_type: nis"),
    ({"password": LONG, "provider_type": ""}, DATA, "Invalid provider_type: "),
    ({"password": LONG, "provider_type": "__class__"}, DATA, "Invalid provider_type: __class__"),
    ({"password": LONG, "provider_type": "LDAP"}, DATA, "Invalid provider_type: LDAP"),
    ({"password": "x", "public_key": "y", "provider_type": "oidc"}, DATA,
     "external provider: `password` is unexpected"),
    ({"public_key": "y", "provider_type": "saml"}, DATA, "external provider: `public_key` is unexpected"),
    ({"password": LONG, "provider_type": "ldap"}, DATA, "external provider: `password` is unexpected"),
    ({}, DATA, ONE_OF),
    ({"description": "x", "provider_type": "internal"}, DATA, ONE_OF),
    ({"password": "x", "public_key": "y", "provider_id": "z"}, DATA, ONE_OF),
    ({"password": "1234567", "provider_id": "z"}, DATA, TOO_SHORT),
    ({"password": "ééééééé"}, DATA, TOO_SHORT),
    ({"public_key": "y", "provider_id": "z"}, PUBLIC_KEY, "Invalid public key: …"),
    ({"password": LONG, "provider_id": "z"}, DATA, NO_ID),
    ({"public_key": KEY, "provider_id": "z"}, DATA, NO_ID),
    ({"provider_type": "ldap", "provider_id": "z"}, DATA, NO_ID),
    ({"provider_type": "oidc"}, DATA, NEEDS_ID),
    ({"provider_type": "saml", "provider_id": ""}, DATA, NEEDS_ID),
])
def test_the_first_mistake_of_a_new_user_is_answered(admin, body, code, text):
    refused(admin, "bad!uid", body, code, text)


def test_the_uid_is_checked_after_the_fields_and_before_it_is_looked_up(admin):
    refused(admin, "bad!uid", {"password": LONG}, "ERR_INVALID_USER_ID", "Invalid user ID: bad!uid")
    refused(admin, "bootstrapuser", {"password": "short"}, DATA, TOO_SHORT)


def test_an_existing_uid_is_409(admin, user):
    answer = admin.put(f"/users/{user}", {"password": LONG})
    assert (answer.status, answer.code) == (409, "ERR_USER_EXISTS")
    assert answer.description == f"User with id `{user}` already exists."
    assert admin.get(f"/users/{user}").json()["description"] == "Somebody"


@pytest.mark.parametrize("body", [
    {"x": "y"}, {"password": LONG, "x": None}, {"password": 1}, {"password": None}, {"password": True},
    {"password": [LONG]}, {"password": LONG, "description": {}}, {"password": LONG, "enabled": False},
    {"password": LONG, "uid": "x"}, {"password": LONG, "provider_type": None}, [], "x", 1, True,
])
def test_a_body_against_the_schema_is_refused(admin, uid, body):
    answer = admin.put(f"/users/{uid}", body)
    assert answer.status == 400
    assert answer.description.startswith("Unexpected JSON input. Hint: "), answer
    assert answer.json()["title"] == "Bad Request"


@pytest.mark.parametrize("body, expected", [
    ({"password": LONG}, {"description": "", "is_remote": False, "is_service": False,
                          "provider_type": "internal", "provider_id": ""}),
    ({"password": LONG, "description": "", "provider_type": "internal", "provider_id": ""}, {"description": ""}),
    ({"password": LONG, "description": "Zoë \"x\"\n"}, {"description": "Zoë \"x\"\n"}),
    ({"password": LONG, "cluster_url": "https://x", "creator_uid": "y"}, {"is_service": False}),
    ({"password": " " * 8}, {}),
    ({"password": "\U0001f600" * 8}, {}),
    ({"password": "p" * 64}, {}),
    ({"password": "p" * 1024}, {}),
    ({"public_key": KEY, "description": "s"}, {"is_service": True, "public_key": KEY, "is_remote": False}),
    ({"public_key": KEY.strip()}, {"public_key": KEY.strip()}),
    ({"public_key": f" \n{KEY}\n\n"}, {"public_key": f" \n{KEY}\n\n"}),
    ({"public_key": keys.rsa_key(0, 4096).public_pem}, {"is_service": True}),
    ({"provider_type": "ldap"}, {"is_remote": True, "provider_type": "ldap", "provider_id": ""}),
    ({"provider_type": "oidc", "provider_id": "https://idp/"}, {"is_remote": True, "provider_id": "https://idp/"}),
    ({"provider_type": "saml", "provider_id": " "}, {"is_remote": True, "provider_id": " "}),
])
def test_a_created_user_reads_back_as_it_was_given(admin, uid, body, expected):
    admin.expect(201, "PUT", f"/users/{uid}", body)
    user = admin.get(f"/users/{uid}").json()
    assert user["uid"] == uid
    assert {k: user[k] for k in expected} == expected
    assert ("public_key" in user) == ("public_key" in body)


@pytest.mark.parametrize("password", ["p" * 1025, "é" * 513, "\U0001f511" * 257, "p" * 4097])
def test_a_password_that_is_too_long_is_refused(admin, uid, password):
    answer = admin.put(f"/users/{uid}", {"password": password})
    assert (answer.status, answer.code) == (400, DATA)
    assert answer.description.startswith("Password does not match rules: ")
    assert admin.get(f"/users/{uid}").code == "ERR_UNKNOWN_USER_ID"


@pytest.mark.parametrize("member", ["password", "public_key", "description", "provider_type", "provider_id"])
def test_a_nul_in_a_text_is_a_4xx_and_makes_no_user(admin, uid, member):
    answer = admin.put(f"/users/{uid}", {"password": LONG, member: "with a\0nul inside"})
    assert answer.status == 400
    assert admin.get(f"/users/{uid}").code == "ERR_UNKNOWN_USER_ID"


@pytest.mark.parametrize("member, limit", [("description", 4096), ("provider_id", 1024)])
def test_texts_have_a_longest_length_in_bytes(admin, uid, member, limit):
    body = {"provider_type": "saml", "provider_id": "x"}
    answer = admin.put(f"/users/{uid}", {**body, member: "ñ" * (limit // 2) + "x"})
    assert answer.status == 400 and member in answer.description
    admin.expect(201, "PUT", f"/users/{uid}", {**body, member: "ñ" * (limit // 2)})
    assert admin.get(f"/users/{uid}").json()[member] == "ñ" * (limit // 2)


def test_gateway_mode_takes_passwords_of_five_characters(gw, uid):
    answer = gw.put(f"/users/{uid}", {"password": "1234"})
    assert answer.description == "Password does not match rules: Must be at least 5 characters long."
    gw.expect(201, "PUT", f"/users/{uid}", {"password": "12345"})


def mislabelled(pem):
    return pem.replace("BEGIN PUBLIC KEY", "BEGIN RSA PUBLIC KEY").replace("END PUBLIC KEY", "END RSA PUBLIC KEY")


@pytest.mark.parametrize("what, pem", [
    ("no PEM", "x"), ("blank", " "), ("private key", keys.rsa_key().private_pem),
    ("truncated", KEY[:200]), ("no end line", KEY[:-30]), ("other text behind", KEY + "x"),
    ("two keys", KEY + keys.rsa_key(1).public_pem), ("not ASCII", KEY.replace("M", "é", 1)),
    ("SubjectPublicKeyInfo named RSA PUBLIC KEY", mislabelled(KEY)),
    ("1024 bits", keys.rsa_key(0, 1024).public_pem),
    ("empty PEM", "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n"),
    ("certificate", KEY.replace("PUBLIC KEY", "CERTIFICATE")),
])
def test_what_is_no_rsa_public_key_is_refused(admin, uid, what, pem):
    answer = admin.put(f"/users/{uid}", {"public_key": pem})
    assert (answer.status, answer.code) == (400, PUBLIC_KEY), f"{what}: {answer}"
    assert answer.description.startswith("Invalid public key: ")


def test_an_elliptic_curve_key_is_refused_saying_what_is_needed(admin, uid):
    answer = admin.put(f"/users/{uid}", {"public_key": keys.ec_public_pem()})
    assert (answer.status, answer.code) == (400, PUBLIC_KEY)
    assert "Key must be of type RSA" in answer.description


def test_without_id_token_login_an_email_uid_needs_a_password(gw):
    refused(gw, "someone@example.com", {}, DATA, ONE_OF)


def test_with_id_token_login_an_email_uid_alone_is_a_user_of_the_issuer(new_daemon):
    daemon = new_daemon(api_access="gateway", id_token_issuer="https://issuer.example/",
                        id_token_audience="aud").start()
    gw = daemon.client()
    for number, body in enumerate(({}, {"provider_id": ""}, {"description": "d"}, {"provider_id": "", "password": ""})):
        uid = f"u{number}@example.com"
        answer = gw.put(f"/users/{uid}", body)
        if answer.status == 400:  # the empty password is still named as such
            assert body.get("password") == "" and "must not be empty" in answer.description
            continue
        assert answer.status == 201, answer
        user = gw.get(f"/users/{uid}").json()
        assert (user["provider_type"], user["provider_id"]) == ("oidc", "https://issuer.example/")
    refused(gw, "no-email", {}, DATA, ONE_OF)
    refused(gw, "u@nodot", {}, DATA, ONE_OF)
    refused(gw, "a@b.c", {"provider_type": "internal"}, DATA, ONE_OF)
    gw.expect(201, "PUT", "/users/p@b.c", {"password": LONG})
    assert gw.get("/users/p@b.c").json()["provider_type"] == "internal"


def test_of_two_requests_that_create_one_uid_exactly_one_wins(enforce, admin, uid):
    for round_ in range(50):
        name, answers = f"{uid}-{round_}", []
        barrier = threading.Barrier(2)

        def create(description):
            barrier.wait()
            answers.append((admin.put(f"/users/{name}", {"password": LONG, "description": description}).status,
                            description))

        threads = [threading.Thread(target=create, args=(d,)) for d in ("one", "two")]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert sorted(s for s, _ in answers) == [201, 409]
        assert admin.get(f"/users/{name}").json()["description"] == dict(answers)[201]
