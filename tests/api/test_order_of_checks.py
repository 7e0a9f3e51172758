"""Which of several mistakes in one request is answered, in gateway and in enforce mode."""
import json

import pytest

JSON = ("Content-Type", "application/json")
TEXT = ("Content-Type", "text/plain")
FORM = ("Content-Type", "application/x-www-form-urlencoded")
HTML_ONLY = ("Accept", "text/html")
NO_DATA = "Request has bad Content-Type or lacks JSON data"
NOT_UTF8 = b'{"description": "\xff"}'
NO_TYPE = "Missing Content-Type header."
BAD_TYPE = "Unexpected or undefined Content-Type"
BAD_UTF8 = "Cannot decode JSON body using UTF-8. Reason: "
BAD_JSON = "Cannot decode JSON body: "
BAD_SCHEMA = "Unexpected JSON input. Hint: "


def ask(client, method, path, headers, body, status, text):
    answer = client(method, path, headers=headers, body=body)
    assert answer.status == status, answer
    if text is None:
        assert answer.body == b""
    else:
        assert answer.description.startswith(text), answer


@pytest.mark.parametrize("method, path, headers, body, status, text", [
    # the body is judged before the path
    ("PUT", "/nowhere", [], b"{", 400, NO_TYPE),
    ("PUT", "/nowhere", [TEXT], b"{", 415, BAD_TYPE),
    ("PUT", "/nowhere", [JSON], NOT_UTF8, 400, BAD_UTF8),
    ("PUT", "/nowhere", [JSON], b"{", 400, BAD_JSON),
    ("PATCH", "/nowhere", [JSON], b"{", 400, BAD_JSON),
    ("PUT", "/nowhere", [JSON], b"{}", 404, None),
    ("PUT", "/nowhere", [FORM], b"a=b", 404, None),
    ("PUT", "/nowhere", [], None, 404, None),
    ("POST", "/users/u", [JSON], b"{", 400, BAD_JSON),
    ("POST", "/users/u", [JSON], b"{}", 405, None),
    # bodies of GET and DELETE are no bodies
    ("GET", "/auth/jwks", [TEXT], b"{", 200, False),
    ("GET", "/nowhere", [TEXT], b"{", 404, None),
    ("DELETE", "/users/unknown-user", [TEXT], b"{", 400, "User with uid `unknown-user` not known."),
    # routed, but no decoded JSON
    ("PUT", "/users/u", [], None, 400, NO_DATA),
    ("PUT", "/users/u", [JSON], b"", 400, NO_DATA),
    ("PUT", "/users/u", [], b"", 400, NO_DATA),
    ("PUT", "/users/u", [FORM], b"description=x", 400, NO_DATA),
    ("PUT", "/users/u", [JSON], b"null", 400, NO_DATA),
    ("PATCH", "/users/u", [JSON], b" null ", 400, NO_DATA),
    ("POST", "/auth/login", [], None, 400, NO_DATA),
    # schema before logic
    ("PUT", "/users/u", [JSON], b"[]", 400, BAD_SCHEMA),
    ("PUT", "/users/u", [JSON], b'"x"', 400, BAD_SCHEMA),
    ("PUT", "/users/u", [JSON], b'{"description": 1, "password": ""}', 400, BAD_SCHEMA),
    ("PATCH", "/users/unknown", [JSON], b'{"x": 1}', 400, BAD_SCHEMA),
    ("POST", "/auth/login", [JSON], b'{"uid": null, "password": "x"}', 400, BAD_SCHEMA),
])
def test_gateway_mode_answers_the_first_mistake(gw, method, path, headers, body, status, text):
    if text is False:
        assert gw(method, path, headers=headers, body=body).status == status
        return
    ask(gw, method, path, headers, body, status, text)


@pytest.mark.parametrize("path", ["/auth/jwks", "/nowhere", "/users/u"])
def test_gateway_mode_refuses_an_unacceptable_answer_before_all_else(gw, path):
    answer = gw.put(path, headers=[HTML_ONLY, TEXT], body=b"{")
    assert answer.status == 406


@pytest.mark.parametrize("who, method, path, headers, body, status, text", [
    (None, "PUT", "/nowhere", [HTML_ONLY], b"{", 406, False),
    (None, "PUT", "/nowhere", [JSON], b"{", 404, None),
    (None, "PUT", "/nowhere", [TEXT], b"x" * 70000, 404, None),
    (None, "POST", "/users/u", [TEXT], b"x", 405, None),
    (None, "PUT", "/users/u", [TEXT], b"x" * 65537, 413, "The request body is too large."),
    (None, "PUT", "/users/u", [TEXT], b"x", 401, "Authentication is required."),
    (None, "GET", "/users", [], None, 401, "Authentication is required."),
    ("own", "PUT", "/users/u", [TEXT], b"x", 403, "Not permitted."),
    ("own", "PUT", "/users/u", [], b"x", 403, "Not permitted."),
    ("own", "DELETE", "/users/unknown", [], None, 403, "Not permitted."),
    ("admin", "PUT", "/users/u", [TEXT], b"{", 415, BAD_TYPE),
    ("admin", "PUT", "/users/u", [], b"{", 400, NO_TYPE),
    ("admin", "PUT", "/users/u", [JSON], NOT_UTF8, 400, BAD_UTF8),
    ("admin", "PUT", "/users/u", [JSON], b"{", 400, BAD_JSON),
    ("admin", "PUT", "/users/u", [JSON], b'{"x": ""}', 400, BAD_SCHEMA),
    ("admin", "PUT", "/users/u", [FORM], b"a=b", 400, NO_DATA),
    ("admin", "PUT", "/users/u", [], None, 400, NO_DATA),
    ("admin", "PUT", "/users/!", [JSON], b'{"password": ""}', 400, "`password` must not be empty"),
    (None, "POST", "/auth/login", [TEXT], b"{", 415, BAD_TYPE),
    (None, "POST", "/auth/login", [JSON], b"{", 400, BAD_JSON),
    (None, "POST", "/auth/login", [JSON], b"null", 400, NO_DATA),
])
def test_enforce_mode_answers_the_first_mistake(enforce, admin, request, who, method, path,
                                                headers, body, status, text):
    client = request.getfixturevalue(who) if who else enforce.client()
    if text is False:
        assert client(method, path, headers=headers, body=body).status == status
        return
    ask(client, method, path, headers, body, status, text)


ACCEPTED = [None, "*/*", "application/*", "application/json", "Application/JSON",
            "text/html, application/json;q=0.5", "text/html,*/*;q=0.1", "application/json; charset=utf-8",
            "text/html , */*"]


@pytest.mark.parametrize("accept", ACCEPTED)
def test_an_accept_header_that_admits_json_is_fine(nobody, accept):
    answer = nobody.get("/auth/jwks", headers=[("Accept", accept)] if accept else [])
    assert answer.status == 200


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "image/*, text/*",
                                    "application/jsonx", "application/json;q=0", "json"])
def test_an_accept_header_without_json_is_406(nobody, gw, accept):
    for client in (nobody, gw):
        answer = client.get("/auth/jwks", headers=[("Accept", accept)])
        assert answer.status == 406
        assert answer.body == b""


@pytest.mark.parametrize("path, root", [("/health/live", True), ("/health/ready", True),
                                        ("/internal/openapispec.yaml", False)])
def test_what_is_no_json_endpoint_never_answers_406(nobody, path, root):
    assert nobody.get(path, root=root, headers=[HTML_ONLY]).status == 200


@pytest.mark.parametrize("media_type", ["application/json", "APPLICATION/JSON", " application/json ;x=y",
                                        "application/json; charset=iso-8859-1"])
def test_the_media_type_ends_at_the_semicolon_and_has_no_case(gw, uid, media_type):
    body = json.dumps({"password": "long enough", "description": "Zoë"}, ensure_ascii=False)
    answer = gw.put(f"/users/{uid}", headers=[("Content-Type", media_type)], body=body.encode())
    assert answer.status == 201
    assert gw.get(f"/users/{uid}").json()["description"] == "Zoë"


@pytest.mark.parametrize("body", [
    b'{"password": "long enough", "password": "long enough"}',
    b'{"description": "a", "password": "long enough", "description": "b"}',
    b'{"password": NaN}', b'{"password": Infinity}', b'{"password": -Infinity}', b"NaN",
    b'{"password": "long enough"} x', b'{"password": "long enough",}', b"{'password': 1}",
    b'{"password": "a\nbcdefgh"}', b'{"password": "\\ud800 long enough"}',
    b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}",
])
def test_json_is_read_strictly(gw, uid, body):
    answer = gw.put(f"/users/{uid}", headers=[JSON], body=body)
    assert answer.status == 400, answer
    assert gw.get(f"/users/{uid}").code == "ERR_UNKNOWN_USER_ID"


def test_the_hint_names_each_unknown_member(gw, uid):
    answer = gw.put(f"/users/{uid}", {"password": "long enough", "colour": "red"})
    assert answer.status == 400
    assert "Additional properties are not allowed ('colour' was unexpected)" in answer.description


@pytest.mark.parametrize("method, path, body", [("PUT", "/users/u", b"{"), ("GET", "/users", None)])
def test_no_token_and_a_bad_one_are_401_with_a_challenge(enforce, method, path, body):
    answers = [enforce.client(token)(method, path, body=body, headers=[TEXT])
               for token in (None, "", "x", "a.b.c", "x" * 5000)]
    for a in answers:
        assert (a.status, a.code) == (401, "ERR_UNAUTHENTICATED")
        assert a.header("www-authenticate") == "acsjwt"
    assert len({a.body for a in answers[2:]}) == 1, "what is wrong with a token is not told"
