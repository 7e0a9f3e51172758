"""AuthZEN: one evaluation, its mapping onto ACLs, its errors, who may ask; discovery."""
import json
import signal

import pytest

import authzen
import iamd
import keys
import oas
import wire
from authzen import decide, post, question

ALICE, BOB, R1, R2 = ("user", "alice"), ("user", "bob"), ("record", "record-1"), ("record", "record-2")
GOOD = question(ALICE, "read", R1)


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    house = authzen.House(tmp_path_factory.mktemp("authzen"))
    yield house
    house.daemon.stop()


# -- the certification's scenario, level Basic Core

@pytest.mark.parametrize("subject, action, resource, decision", [
    (ALICE, "read", R1, True), (ALICE, "write", R1, True), (BOB, "read", R1, True), (BOB, "write", R1, False),
    (ALICE, "read", R2, False), (ALICE, "delete", R1, False), (("user", "carol"), "read", R1, False)])
def test_certification_basic_core(house, subject, action, resource, decision):
    body = question(subject, action, resource)
    answers = [post(house("asker"), "evaluation", body) for _ in range(3)]
    for answer in answers:
        assert answer.status == 200
        assert answer.header("content-type").split(";")[0] == "application/json"
        document = answer.json()
        assert document["decision"] is decision
        assert document["context"] == {"revision": int(answer.header("x-iam-revision"))}
    assert answers[0].body == answers[1].body == answers[2].body


# -- the mapping

@pytest.mark.parametrize("subject, action, resource, decision", [
    # kinds of accounts: a uid of the other kind is unknown
    (("service", "robot"), "read", R1, True), (("user", "robot"), "read", R1, False),
    (("service", "alice"), "read", R1, False), (("robot", "robot"), "read", R1, False),
    (("User", "alice"), "read", R1, False), (("", "alice"), "read", R1, False), (("user", ""), "read", R1, False),
    (("user", "nobody"), "read", R1, False), (("user", "off"), "read", R1, False),
    (("user", "user:alice"), "read", R1, False), (("user", "alice\n"), "read", R1, False),
    (("user", "anonymous"), "read", R1, False), (("user", "ü" * 400), "read", R1, False),
    (("user", "a" * 97), "read", R1, False), (("x" * 5000, "alice"), "read", R1, False),
    # groups, nested and in a cycle
    (("user", "carol"), "read", ("record", "record-3"), True), (("service", "robot2"), "create", ("svc", "g"), True),
    (("user", "carol"), "update", ("record", "record-3"), False), (("user", "dave"), "read", ("svc", "g"), False),
    # resources
    (ALICE, "read", ("rid", "record:record-1"), True), (ALICE, "read", ("rid", "record-1"), False),
    (ALICE, "create", ("rid", "plain"), True), (ALICE, "create", ("plain", ""), False),
    (ALICE, "read", ("folder", ""), True), (ALICE, "delete", ("folder", "a/b:c"), True),
    (ALICE, "delete", ("folder:a/b", "c"), True), (ALICE, "read", ("RID", "record:record-1"), False),
    (("service", "robot"), "read", ("svc", 'übung/ß-"x"'), True), (ALICE, "read", ("record", "record-1 "), False),
    (ALICE, "read", ("record", "r" * 1500), False), (ALICE, "read", ("r" * 1500, "x"), False),
    (ALICE, "read", ("rid", "ß" * 3000), False), (ALICE, "read", ("", ""), False), (ALICE, "read", ("rid", ""), False),
    # actions: `full` implies the others, names are case-sensitive
    (ALICE, "update", R1, True), (ALICE, "can_read", R1, True), (ALICE, "can_write", R1, True),
    (ALICE, "can_update", R1, True), (ALICE, "can_create", R1, False), (ALICE, "can_delete", R1, False),
    (ALICE, "full", R1, False), (("service", "robot"), "can_delete", R1, True), (("service", "robot"), "full", R1, True),
    (ALICE, "Read", R1, False), (ALICE, "", R1, False), (ALICE, "fly", R1, False), (ALICE, "read=read", R1, False),
    (ALICE, "ß" * 3000, R1, False),
    # superusers: every resource, known or not; but no action that is none
    (("user", "bootstrapuser"), "delete", ("never", "heard"), True), (("user", "bootstrapuser"), "fly", R1, False),
    (("user", "bootstrapuser"), "write", ("r" * 2000, "x"), True), (("service", "bootstrapuser"), "read", R1, False)])
def test_whatever_is_unknown_is_a_denial(house, subject, action, resource, decision):
    assert decide(house(), subject, action, resource) is decision


@pytest.mark.parametrize("more", [
    {"context": {}}, {"context": {"explain": False, "deep": {"er": [1, None, "x"]}}}, {"context": {"explain": 1}},
    {"unknown": [1, 2]}, {"options": 5}, {"evaluations": "no list"}, {"page": 3}])
def test_context_and_unknown_members_change_nothing(house, more):
    body = {**GOOD, **more}
    for part in ("subject", "resource", "action"):
        body[part] = {**body[part], "properties": {"roles": ["admin"], "n": None}, "unknown": [1]}
    assert post(house(), "evaluation", body).json()["decision"] is True


# -- errors

@pytest.mark.parametrize("path", ["evaluation", "evaluations", "search/subject", "search/resource", "search/action"])
@pytest.mark.parametrize("body, content_type", [
    (b"", "application/json"), (None, None), (b"{", "application/json"), (b"[]", "application/json"),
    (b"null", "application/json"), (b'"x"', "application/json"), (b"1", "application/json"),
    (json.dumps(GOOD).encode(), None), (json.dumps(GOOD).encode(), "text/plain"),
    (json.dumps(GOOD).encode(), "application/x-www-form-urlencoded"), (json.dumps(GOOD).encode(), "application/json5"),
    (json.dumps(GOOD).encode(), "application/authzen+json"), (json.dumps(GOOD).encode(), ""),
    (b'{"subject": {"type": "user", "id": "\xff"}}', "application/json"),
    (b'{"subject": {"type": "user", "id": "a\\u0000"}}', "application/json"),
    (b'{"subject": {"type": "user", "id": "a\x00"}}', "application/json"),
    (b'{"subject": {"type": "user", "type": "user", "id": "a"}}', "application/json"),
    (b'{"subject": NaN}', "application/json"), (json.dumps(GOOD).encode() + b"x", "application/json"),
    (b'{"context": {"a": ' + b"[" * 70 + b"]" * 70 + b"}}", "application/json"),
    (b'{"a": ' * 30000 + b"1" + b"}" * 30000, "application/json"), (b"[" * 60000, "application/json")],
    ids=lambda value: repr(value)[:40])
def test_what_is_no_json_object_is_400(house, path, body, content_type):
    headers = [("Content-Type", content_type)] if content_type is not None else []
    answer = house()("POST", f"/access/v1/{path}", body=body, headers=headers, root=True)
    expected = 413 if body and len(body) > 65536 and path != "evaluations" else 400
    assert answer.status == expected, answer
    assert answer.json()["title"] and answer.description


def test_a_content_type_with_parameters_is_fine(house):
    for kind in ("application/json; charset=utf-8", "Application/JSON"):
        answer = post(house(), "evaluation", GOOD, headers=[("Content-Type", kind)])
        assert answer.status == 200


def without(path):
    body = json.loads(json.dumps(GOOD))
    *parents, last = path.split(".")
    place = body
    for parent in parents:
        place = place[parent]
    del place[last]
    return body


def with_(path, value):
    body = json.loads(json.dumps(GOOD))
    *parents, last = path.split(".")
    place = body
    for parent in parents:
        place = place[parent]
    place[last] = value
    return body


@pytest.mark.parametrize("path", ["evaluation", "evaluations"])
@pytest.mark.parametrize("member", ["subject", "resource", "action", "subject.type", "subject.id", "resource.type",
                                    "resource.id", "action.name"])
def test_a_missing_member_is_400_and_named(house, path, member):
    answer = post(house(), path, without(member))
    assert answer.status == 400 and f"`{member}` is a required property" in answer.description


@pytest.mark.parametrize("path", ["evaluation", "evaluations"])
@pytest.mark.parametrize("kind, member", [("object", m) for m in (
    "subject", "resource", "action", "context", "subject.properties", "resource.properties", "action.properties")] + [
    ("string", m) for m in ("subject.type", "subject.id", "resource.type", "resource.id", "action.name")])
def test_a_member_of_a_wrong_type_is_400_and_named(house, path, kind, member):
    for value in (None, 1, 1.5, True, [], [{}], "text" if kind == "object" else {}):
        answer = post(house(), path, with_(member, value))
        assert answer.status == 400 and f"`{member}` is not of type '{kind}'" in answer.description


def test_the_size_of_an_evaluation_is_limited(house):
    def body(size):
        empty = json.dumps({**GOOD, "x": ""})
        return json.dumps({**GOOD, "x": "x" * (size - len(empty))}).encode()

    head = [("Content-Type", "application/json")]
    assert house()("POST", "/access/v1/evaluation", body=body(65536), headers=head, root=True).status == 200
    assert house()("POST", "/access/v1/evaluation", body=body(65537), headers=head, root=True).status == 413
    answer = house()("POST", "/access/v1/evaluation", body=wire.chunked(body(65537), 4096), root=True,
                     headers=head + [("Transfer-Encoding", "chunked")])
    assert answer.status == 413 and answer.code == "ERR_TOO_LARGE"
    assert house()("POST", "/access/v1/evaluation", body=wire.chunked(body(65536), 4096), root=True,
                   headers=head + [("Transfer-Encoding", "chunked")]).status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
def test_only_post(house, method):
    answer = house()(method, "/access/v1/evaluation", root=True)
    assert answer.status == 405 and answer.header("allow") == "POST, OPTIONS"


# -- headers

@pytest.mark.parametrize("path, body, status", [
    ("evaluation", GOOD, 200), ("evaluation", {}, 400), ("evaluations", {**GOOD, "evaluations": [{}]}, 200),
    ("evaluations", {**GOOD, "evaluations": [{}] * 200}, 200), ("search/subject", GOOD, 200),
    ("search/resource", GOOD, 200), ("search/action", GOOD, 200), ("search/action", {}, 400)])
def test_the_request_id_is_echoed(house, path, body, status):
    for given in ("bfe9eb29-ab87-4ca3-be83-a1d5d8305716", "x", "a b\u00fc;%41", "i" * 256):
        answer = post(house(), path, body, headers=[("X-Request-ID", given)])
        assert answer.status == status
        assert answer.header("x-request-id").encode("latin-1") == given.encode()
    assert post(house(), path, body).header("x-request-id") is None
    assert post(house(), path, body, headers=[("X-Request-ID", "i" * 257)]).header("x-request-id") is None


def test_the_request_id_is_echoed_with_errors_of_the_pipeline_too(house):
    head = [("X-Request-ID", "one-of-mine")]
    nobody = house.daemon.client()
    answers = [post(nobody, "evaluation", GOOD, headers=head),
               post(house("dave"), "evaluation", GOOD, headers=head),
               post(house(), "evaluation", {"x": "x" * 70000}, headers=head),
               post(house(), "evaluation", GOOD, headers=head + [("Accept", "text/html")]),
               post(house(), "evaluation", GOOD, headers=head + [("Content-Type", "text/html")])]
    assert [a.status for a in answers] == [401, 403, 413, 406, 400]
    assert [a.header("x-request-id") for a in answers] == ["one-of-mine"] * 5
    assert house().get("/users", headers=head).header("x-request-id") is None


def test_at_least_waits_for_the_revision_or_says_503(house):
    now = int(post(house(), "evaluation", GOOD).header("x-iam-revision"))
    for path in ("evaluation", "evaluations", "search/subject", "search/resource", "search/action"):
        assert post(house(), path, GOOD, headers=[("X-Iam-At-Least", str(now))]).status == 200
        answer = post(house(), path, GOOD, headers=[("X-Iam-At-Least", str(now + 1000))])
        assert answer.status == 503 and answer.header("retry-after")
        assert post(house(), path, GOOD, headers=[("X-Iam-At-Least", "x")]).status == 400


# -- who may ask

@pytest.mark.parametrize("caller, about, status", [
    ("bootstrapuser", "alice", 200), ("asker", "alice", 200), ("acs", "alice", 200), ("alice", "alice", 200),
    ("alice", "bob", 403), ("updater", "alice", 403), ("dave", "nobody", 403), ("alice", "ALICE", 403)])
def test_who_may_ask_about_whom(house, caller, about, status):
    body = question(("user", about), "read", R1)
    answer = post(house(caller), "evaluation", body)
    assert answer.status == status
    assert status == 200 or answer.code == "ERR_FORBIDDEN"
    for path in ("evaluations", "search/resource", "search/action"):
        assert post(house(caller), path, body).status == status
    assert post(house(caller), "search/subject", body).status == (403 if caller == "alice" else status)


def test_nobody_asks_without_a_token_and_nobody_about_a_subject_of_another_type(house):
    for path in ("evaluation", "evaluations", "search/subject", "search/resource", "search/action"):
        answer = post(house.daemon.client(), path, GOOD)
        assert answer.status == 401 and answer.header("www-authenticate") == "acsjwt"
        assert post(house.daemon.client("a.b.c"), path, GOOD).status == 401
        assert post(house("alice"), path, question(("group", "alice"), "read", R1)).status == 403


def test_a_service_account_asks_about_itself(house):
    token = house.daemon.client().post("/auth/login", {
        "uid": "robot", "token": keys.rsa_key().service_token("robot")}).json()["token"]
    robot = house.daemon.client(token)
    assert decide(robot, ("service", "robot"), "delete", R1) is True
    assert post(robot, "evaluation", GOOD).status == 403


def test_in_gateway_mode_everybody_asks(gw):
    answer = post(gw, "evaluation", question(("user", "bootstrapuser"), "read", R1))
    assert answer.status == 200 and answer.json()["decision"] is True
    answer = gw("POST", "/access/v1/evaluation", body=b"{}", headers=[("Content-Type", "text/plain")], root=True)
    assert answer.status == 400


def test_a_kind_follows_the_account_not_the_uid(new_daemon):
    """A uid that was a user and comes back as a service account is one at once."""
    daemon = new_daemon().start()
    admin = daemon.superuser()

    def decisions():
        return [decide(admin, (kind, "changeling"), "read", R1) for kind in ("user", "service")]

    for body, expected in (({"password": authzen.PASSWORD}, [True, False]),
                           ({"public_key": keys.rsa_key().public_pem}, [False, True])):
        admin.expect(201, "PUT", "/users/changeling", body)
        admin.expect(204, "PUT", "/groups/superusers/users/changeling")
        assert decisions() == expected
        admin.expect(204, "DELETE", "/users/changeling")
        assert decisions() == [False, False]


# -- the option authzen_actions

def test_the_names_of_actions_are_configured_as_a_whole_and_reloaded(new_daemon):
    daemon = new_daemon(authzen_actions=" see = read,do.it:now/x-1=full ").start()
    admin = daemon.superuser()
    me = ("user", "bootstrapuser")

    def known(*names):
        return [decide(admin, me, name, R1) for name in names]

    assert known("see", "do.it:now/x-1", "read", "write", "can_read") == [True, True, True, False, False]
    daemon.options["authzen_actions"] = "look=read"
    daemon.write_config()
    daemon.signal(signal.SIGHUP)
    iamd.wait_until(lambda: known("look", "see") == [True, False], what="reload")
    daemon.options["authzen_actions"] = "look=fly"
    daemon.write_config()
    daemon.signal(signal.SIGHUP)
    daemon.wait_for_log("authzen_actions: .*look=fly")
    assert known("look", "see", "read") == [True, False, True]
    daemon.options["authzen_actions"] = ""
    daemon.write_config()
    daemon.signal(signal.SIGHUP)
    iamd.wait_until(lambda: known("look", "read") == [False, True], what="reload")


@pytest.mark.parametrize("value, says", [
    ("a", "is not NAME=ACTION"), ("a=fly", "is not NAME=ACTION"), ("=read", "is not NAME=ACTION"),
    ("a=read,", "is not NAME=ACTION"), ("a b=read", "is not NAME=ACTION"), ("a=read=x", "is not NAME=ACTION"),
    ("n" * 65 + "=read", "is not NAME=ACTION"), ("ü=read", "is not NAME=ACTION"),
    ("read=update", "another meaning"), ("a=read,b=update,a=read", "second time"),
    (",".join(f"n{i}=read" for i in range(65)), "more than 64 names")])
def test_a_bad_map_of_actions_keeps_iamd_from_starting(tmp_path, value, says):
    conf = tmp_path / "iamd.conf"
    conf.write_text(f"state_dir = {tmp_path / 'state'}\nlisten = 127.0.0.1:0\nauthzen_actions = {value}\n")
    done = iamd.run("--config", str(conf))
    assert done.returncode != 0
    assert "authzen_actions" in done.stderr.decode() and says in done.stderr.decode()


# -- discovery

def test_discovery_comes_from_the_configuration_never_from_the_host_header(new_daemon):
    daemon = new_daemon(public_url="https://iam.example.org:8443/base").start()
    answer = daemon.client().get("/.well-known/authzen-configuration", root=True, headers=[
        ("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Proto", "http"), ("X-Request-ID", "mine")])
    assert answer.status == 200 and answer.header("x-request-id") == "mine"
    base = "https://iam.example.org:8443/base"
    assert answer.json() == {
        "policy_decision_point": base,
        "access_evaluation_endpoint": base + "/access/v1/evaluation",
        "access_evaluations_endpoint": base + "/access/v1/evaluations",
        "search_subject_endpoint": base + "/access/v1/search/subject",
        "search_resource_endpoint": base + "/access/v1/search/resource",
        "search_action_endpoint": base + "/access/v1/search/action"}
    with wire.Connection(daemon.address) as c:
        forged = c.ask(wire.request_bytes("GET", "/.well-known/authzen-configuration", host="evil.example"))
    assert forged.body == answer.body
    documented = {path for _, path in oas.operations()}
    assert {url[len(base):] for name, url in answer.json().items() if name.endswith("_endpoint")} <= documented


def test_discovery_without_a_public_url_is_404_and_names_the_option(nobody):
    answer = nobody.get("/.well-known/authzen-configuration", root=True)
    assert answer.status == 404 and "public_url" in answer.description
    assert nobody.post("/.well-known/authzen-configuration", {}, root=True).status == 405


@pytest.mark.parametrize("url", [
    "iam.example.org", "ftp://iam.example.org", "https://", "https:///x", "https://h/", "https://h/?a=b", "https://h/#x",
    "https://user@h", "https://h/a b", "https://h/\\", "https://ü.example", "javascript:alert(1)"])
def test_a_bad_public_url_keeps_iamd_from_starting(tmp_path, url):
    conf = tmp_path / "iamd.conf"
    conf.write_text(f"state_dir = {tmp_path / 'state'}\nlisten = 127.0.0.1:0\npublic_url = {url}\n")
    done = iamd.run("--config", str(conf))
    assert done.returncode != 0 and "public_url" in done.stderr.decode()


# -- reasons

@pytest.mark.parametrize("subject, action, resource, why", [
    (ALICE, "read", R1, "grant"), (("user", "carol"), "can_read", ("record", "record-3"), "grant"),
    (("user", "bootstrapuser"), "write", ("x", "y"), "superuser"), (BOB, "write", R1, "no-grant"),
    (BOB, "read", ("record", "none"), "unknown-resource"), (BOB, "fly", R1, "bad-action"),
    (("user", "nobody"), "read", R1, "unknown-user"), (("user", "off"), "read", R1, "disabled-user"),
    (("user", "robot"), "read", R1, "unknown-user"), (("group", "alice"), "read", R1, "unknown-user")])
def test_the_reason_is_told_on_request(house, subject, action, resource, why):
    body = question(subject, action, resource, context={"explain": True})
    answer = post(house(), "evaluation", body)
    document = answer.json()
    reason = document["context"]["reason"]
    assert reason["why"] == why and reason["text"]
    assert reason["decision"] == ("allow" if document["decision"] else "deny")
    assert post(house(), "evaluations", body).json() == document
    batch = post(house(), "evaluations", {**body, "evaluations": [{}, {"context": {}}, {"context": {"explain": True}}]})
    with_reason, without_reason, also = batch.json()["evaluations"]
    assert with_reason == also == document
    assert without_reason == {"decision": document["decision"], "context": {"revision": document["context"]["revision"]}}


def test_the_reason_names_the_chain_of_groups(house):
    answer = post(house("carol"), "evaluation", question(
        ("user", "carol"), "read", ("record", "record-3"), context={"explain": True}))
    assert answer.json()["context"]["reason"]["groups"] == ["inner", "middle", "outer"]


# -- the audit

def test_a_denial_is_audited_as_it_was_asked(house):
    for subject, rid in ((("user", "bob"), "record:audited"), (("user", "robot"), "record:audited")):
        assert decide(house(), subject, "write", ("record", "audited")) is False
    house.daemon.wait_for_log(r"uid=\S*bob\S* .*record:audited")
    house.daemon.wait_for_log(r"uid=\S*user:robot\S* .*record:audited")
