"""AuthZEN: many evaluations in one request."""
import contextlib
import json
import sqlite3
import threading
import time

import pytest

import authzen
import seed
import wire
from authzen import decide, post, question

ALICE, BOB, R1, R2 = ("user", "alice"), ("user", "bob"), ("record", "record-1"), ("record", "record-2")


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    house = authzen.House(tmp_path_factory.mktemp("authzen-batch"))
    yield house
    house.daemon.stop()


def entity(pair):
    return {"type": pair[0], "id": pair[1]}


def decisions(answer):
    assert answer.status == 200, answer
    assert list(answer.json()) == ["evaluations"]
    return [e["decision"] for e in answer.json()["evaluations"]]


# -- the certification's scenario, level Batch Core

def test_certification_batch_core_with_defaults(house):
    body = {"subject": entity(ALICE), "resource": entity(R1),
            "evaluations": [{"action": {"name": "read"}}, {"action": {"name": "write"}}, {"action": {"name": "delete"}}]}
    for _ in range(2):
        assert decisions(post(house("asker"), "evaluations", body)) == [True, True, False]


def test_certification_batch_core_with_whole_items(house):
    body = {"evaluations": [question(s, a, r) for s in (ALICE, BOB) for a in ("read", "write") for r in (R1, R2)]}
    assert decisions(post(house(), "evaluations", body)) == [True, False, True, False, True, False, False, False]


@pytest.mark.parametrize("more", [{}, {"evaluations": []}, {"options": {}, "evaluations": []},
                                  {"options": {"evaluations_semantic": "deny_on_first_deny"}}])
def test_without_items_it_is_a_single_evaluation(house, more):
    for subject in (ALICE, ("user", "dave")):
        body = question(subject, "write", R1, **more)
        single = post(house(), "evaluation", question(subject, "write", R1))
        assert post(house(), "evaluations", body).json() == single.json()
    assert post(house(), "evaluations", {"subject": entity(ALICE), **more}).status == 400


# -- defaults

def test_a_member_of_an_item_replaces_the_default_whole(house):
    body = question(ALICE, "read", R1, evaluations=[
        {}, {"subject": entity(BOB)}, {"action": {"name": "write"}}, {"resource": entity(R2)},
        {"subject": entity(BOB), "action": {"name": "write"}}])
    assert decisions(post(house(), "evaluations", body)) == [True, True, True, False, False]
    # nothing of the default shines through
    body["evaluations"] = [{"resource": {"id": "record-1"}}, {"subject": {"type": "user"}}, {"action": {}}]
    answer = post(house(), "evaluations", body)
    assert decisions(answer) == [False] * 3
    messages = [e["context"]["error"]["message"] for e in answer.json()["evaluations"]]
    assert ["`resource.type`" in messages[0], "`subject.id`" in messages[1], "`action.name`" in messages[2]] == [True] * 3


# -- semantics

@pytest.mark.parametrize("semantic, actions, expected", [
    (None, "rwdr", [True, True, False, True]), ("execute_all", "rwdr", [True, True, False, True]),
    ("deny_on_first_deny", "rwdr", [True, True, False]), ("deny_on_first_deny", "rw", [True, True]),
    ("deny_on_first_deny", "drr", [False]), ("permit_on_first_permit", "ddwr", [False, False, True]),
    ("permit_on_first_permit", "dd", [False, False]), ("permit_on_first_permit", "rdd", [True]),
    # an item that is malformed is a denial
    ("deny_on_first_deny", "r!r", [True, False]), ("permit_on_first_permit", "!r", [False, True]),
    ("execute_all", "!!r", [False, False, True]), ("permit_on_first_permit", "d" * 300 + "r" + "d" * 300, [False] * 300 + [True])])
def test_semantics(house, semantic, actions, expected):
    names = {"r": "read", "w": "write", "d": "delete", "!": None}
    body = question(ALICE, "read", R1, evaluations=[{"action": {"name": names[a]}} for a in actions])
    if semantic:
        body["options"] = {"evaluations_semantic": semantic, "unknown": 1}
    assert decisions(post(house(), "evaluations", body)) == expected


@pytest.mark.parametrize("options, member", [
    ({"evaluations_semantic": "all"}, "options.evaluations_semantic"), ({"evaluations_semantic": ""}, "options.evaluations_semantic"),
    ({"evaluations_semantic": "EXECUTE_ALL"}, "options.evaluations_semantic"),
    ({"evaluations_semantic": None}, "options.evaluations_semantic"), ({"evaluations_semantic": 1}, "options.evaluations_semantic"),
    ([], "options"), ("execute_all", "options"), (None, "options")])
def test_an_unknown_semantic_is_400(house, options, member):
    answer = post(house(), "evaluations", question(ALICE, "read", R1, evaluations=[{}], options=options))
    assert answer.status == 400 and f"`{member}`" in answer.description


# -- malformed wholes and items

@pytest.mark.parametrize("value", [None, 1, True, "x", {}, {"0": {}}])
def test_evaluations_must_be_an_array(house, value):
    answer = post(house(), "evaluations", question(ALICE, "read", R1, evaluations=value))
    assert answer.status == 400 and "`evaluations` is not of type 'array'" in answer.description


@pytest.mark.parametrize("member, value", [
    ("subject", 1), ("subject", {"type": "user"}), ("resource", {"type": 1, "id": "x"}), ("action", "read"),
    ("action", {"name": None}), ("context", [])])
def test_a_malformed_default_is_400_even_where_every_item_replaces_it(house, member, value):
    body = {member: value, "evaluations": [question(ALICE, "read", R1, context={})]}
    answer = post(house(), "evaluations", body)
    assert answer.status == 400 and f"`{member}" in answer.description


@pytest.mark.parametrize("item, says", [
    (None, "`evaluations[]` is not of type 'object'"), (5, "`evaluations[]`"), ("x", "`evaluations[]`"), ([], "`evaluations[]`"),
    ({"subject": None}, "`subject` is not of type 'object'"), ({"subject": {"type": "user", "id": 1}}, "`subject.id` is not of type 'string'"),
    ({"context": 1}, "`context` is not of type 'object'"), ({"action": {"name": "read", "properties": 1}}, "`action.properties`"),
    ({"resource": {"type": "x"}}, "`resource.id` is a required property")])
def test_an_error_in_one_item_is_a_denial_with_an_error(house, item, says):
    body = question(ALICE, "read", R1, evaluations=[{}, item, {}])
    answer = post(house(), "evaluations", body)
    assert decisions(answer) == [True, False, True]
    error = answer.json()["evaluations"][1]["context"]["error"]
    assert error["status"] == 400 and says in error["message"]


def test_an_item_that_lacks_a_part_without_default_is_an_error_of_its_own(house):
    body = {"evaluations": [question(ALICE, "read", R1), {"subject": entity(ALICE)}, {}]}
    answer = post(house(), "evaluations", body)
    assert decisions(answer) == [True, False, False]
    assert "`action` is a required property" in answer.json()["evaluations"][1]["context"]["error"]["message"]


# -- limits

def test_a_thousand_items_and_no_more(house):
    items = [{"action": {"name": "read" if i % 3 else "delete"}, "resource": entity(R1 if i % 2 else R2)} for i in range(1001)]
    expected = [bool(i % 3 and i % 2) for i in range(1000)]
    body = question(ALICE, "read", R1, evaluations=items[:1000])
    assert len(json.dumps(body)) > 65536
    assert decisions(post(house(), "evaluations", body)) == expected
    answer = post(house(), "evaluations", {**body, "evaluations": items})
    assert answer.status == 413 and answer.code == "ERR_TOO_LARGE" and "1000" in answer.description
    # the same in a body that is short
    assert decisions(post(house(), "evaluations", question(ALICE, "read", R1, evaluations=[{}] * 1000))) == [True] * 1000
    assert post(house(), "evaluations", question(ALICE, "read", R1, evaluations=[{}] * 1001)).status == 413
    assert post(house(), "evaluations", question(ALICE, "read", R1, evaluations=[5] * 1000)).status == 200


@pytest.mark.parametrize("size, status", [(65536, 200), (65537, 200), (1 << 20, 200), ((1 << 20) + 1, 413)])
def test_a_body_of_a_mebibyte_and_no_more(house, size, status):
    for evaluations in ([{}], []):
        body = json.dumps(question(ALICE, "read", R1, evaluations=evaluations, x=""))
        body = json.dumps(question(ALICE, "read", R1, evaluations=evaluations, x="x" * (size - len(body)))).encode()
        assert len(body) == size
        answer = house()("POST", "/access/v1/evaluations", body=body, root=True, headers=[("Content-Type", "application/json")])
        assert answer.status == status, answer
        if status == 200 and evaluations:
            assert decisions(answer) == [True]


@pytest.mark.parametrize("text, status", [
    (b'{"a": ' * 63 + b"1" + b"}" * 63, 400), (b"[" * 500000 + b"]" * 500000, 400), (b"[" * 1000000, 400),
    (b'{"x": [' + b"{}," * 300000 + b"{}]}", 400), (b'{"x": "' + b"\xc3" * 100000 + b'"}', 400),
    (b'{"x": "' + b"x" * 100000, 400), (b"1" * 100000, 400), (b'{"a": 1, "a": 2, "x": "' + b"x" * 100000 + b'"}', 400),
    (b'{"x": "\\u0000' + b"x" * 100000 + b'"}', 400)],
    ids=["no members", "too deep", "unbalanced", "300 000 objects", "bad utf-8", "open string", "no object", "duplicate", "nul"])
def test_hostile_bodies_of_any_size_are_400_and_hold_nobody_up(house, text, status):
    slow = []

    def watch():
        with wire.Connection(house.daemon.address) as c:
            while not slow or not done.is_set():
                started = time.monotonic()
                assert c.ask(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n").status == 200
                slow.append(time.monotonic() - started)

    done = threading.Event()
    watcher = threading.Thread(target=watch)
    watcher.start()
    answer = house()("POST", "/access/v1/evaluations", body=text, root=True, headers=[("Content-Type", "application/json")])
    done.set()
    watcher.join()
    assert answer.status == status
    assert house.daemon.running() and max(slow) < 1


def test_a_large_single_evaluation_with_reasons(house):
    body = question(ALICE, "read", R1, context={"explain": True, "x": "x" * 200000})
    answer = post(house(), "evaluations", body)
    assert answer.status == 200 and answer.json()["context"]["reason"]["why"] == "grant"


def test_reasons_of_a_thousand_items(house):
    body = question(("user", "carol"), "read", ("record", "record-3"), context={"explain": True}, evaluations=[{}] * 1000)
    answer = post(house(), "evaluations", body)
    assert decisions(answer) == [True] * 1000
    assert answer.json()["evaluations"][0]["context"]["reason"]["groups"] == ["inner", "middle", "outer"]
    assert len(answer.body) < 6 << 20


# -- who may ask

def test_every_subject_must_be_askable_even_behind_the_item_that_decides(house):
    mine = question(ALICE, "read", R1)
    body = {"evaluations": [mine, mine], "options": {"evaluations_semantic": "permit_on_first_permit"}}
    assert decisions(post(house("alice"), "evaluations", body)) == [True]
    body["evaluations"].append(question(BOB, "read", R1))
    answer = post(house("alice"), "evaluations", body)
    assert answer.status == 403 and answer.code == "ERR_FORBIDDEN"
    assert decisions(post(house("asker"), "evaluations", body)) == [True]
    # the default counts for items only
    assert decisions(post(house("alice"), "evaluations", question(BOB, "read", R1, evaluations=[mine]))) == [True]
    many = {"evaluations": [mine] * 500 + [question(BOB, "read", R1)]}
    assert post(house("alice"), "evaluations", many).status == 403


def test_a_batch_says_what_single_evaluations_say(house):
    questions = [question(s, a, r) for s in (ALICE, BOB, ("user", "carol"), ("service", "robot"), ("user", "off"))
                 for a in ("read", "write", "full", "fly") for r in (R1, R2, ("record", "record-3"), ("rid", "svc:g"))]
    batch = decisions(post(house(), "evaluations", {"evaluations": questions}))
    single = [post(house(), "evaluation", q).json()["decision"] for q in questions]
    assert batch == single and any(batch) and not all(batch)


def test_a_grant_counts_from_the_next_question_on(house):
    admin = house()
    admin.expect(201, "PUT", "/acls/record:fresh", {"description": "x"})
    for _ in range(20):
        admin.expect(204, "PUT", "/acls/record:fresh/users/dave/read")
        assert decide(admin, ("user", "dave"), "read", ("record", "fresh")) is True
        admin.expect(204, "DELETE", "/acls/record:fresh/users/dave/read")
        assert decide(admin, ("user", "dave"), "read", ("record", "fresh")) is False


def test_a_batch_is_decided_on_one_state_while_grants_change(house):
    admin = house()
    admin.expect(201, "PUT", "/acls/record:flicker", {"description": "x"})
    done = threading.Event()

    def flicker():
        while not done.is_set():
            admin.expect(204, "PUT", "/acls/record:flicker/users/dave/read")
            admin.expect(204, "DELETE", "/acls/record:flicker/users/dave/read")

    writer = threading.Thread(target=flicker)
    writer.start()
    seen = set()
    try:
        asker = house("asker")
        until = time.monotonic() + 20
        while len(seen) < 2 and time.monotonic() < until:
            for n in (100, 1000):
                body = question(("user", "dave"), "read", ("record", "flicker"), evaluations=[{}] * n)
                answer = post(asker, "evaluations", body)
                found = {(e["decision"], e["context"]["revision"]) for e in answer.json()["evaluations"]}
                assert len(found) == 1
                assert found.pop()[1] == int(answer.header("x-iam-revision"))
                seen.add(answer.json()["evaluations"][0]["decision"])
    finally:
        done.set()
        writer.join()
        admin.expect(204, "DELETE", "/acls/record:flicker")
    assert seen == {True, False}


@pytest.mark.parametrize("path, more", [
    ("evaluation", {}), ("evaluation", {"context": {"explain": True}}), ("evaluations", {"evaluations": [{}] * 10}),
    ("evaluations", {"evaluations": [{}] * 500}), ("evaluations", {"evaluations": [{}], "x": "x" * 70000}),
    ("search/subject", {}), ("search/resource", {}), ("search/action", {})])
def test_a_request_that_waits_for_a_revision_is_answered_by_it(house, path, more):
    """From the loop into the wait, back to the loop, and on to the lane where there is one."""
    admin = house()
    body = question(("user", "dave"), "read", ("record", "record-2"), **more)
    before = post(admin, path, body)
    now = int(before.header("x-iam-revision"))
    answers = []
    waiter = threading.Thread(target=lambda: answers.append(
        post(admin, path, body, headers=[("X-Iam-At-Least", str(now + 1)), ("X-Request-ID", "waits")])))
    waiter.start()
    time.sleep(0.1)
    admin.expect(204, "PUT", "/acls/record:record-2/users/dave/read")
    waiter.join()
    admin.expect(204, "DELETE", "/acls/record:record-2/users/dave/read")
    answer, = answers
    assert answer.status == 200 and int(answer.header("x-iam-revision")) == now + 1
    assert answer.header("x-request-id") == "waits"
    assert b"true" in answer.body or b"dave" in answer.body or b"record-2" in answer.body or b'"read"' in answer.body
    assert answer.json() != before.json()


# -- dense nesting

DENSE = 250


@pytest.fixture(scope="module")
def dense(tmp_path_factory):
    """Groups that all contain each other, dora in the first; a group that contains the last may read record-d."""
    house = authzen.House(tmp_path_factory.mktemp("authzen-dense"))
    daemon = house.daemon
    house().expect(201, "PUT", "/users/dora", {"password": authzen.PASSWORD})
    daemon.stop()
    seed.group(daemon, "top", [], [("record:record-d", "read")])
    seed.acl(daemon, "record:record-e")
    with contextlib.closing(sqlite3.connect(daemon.database, timeout=10)) as db, db:
        db.executemany("INSERT INTO groups (gid, description, description_folded, provider_type) VALUES (?, '', '', 'internal')",
                       [(f"n{i:03}",) for i in range(DENSE)])
        db.executemany("INSERT INTO group_nesting (gid, sub_gid) VALUES (?, ?)",
                       [(f"n{i:03}", f"n{j:03}") for i in range(DENSE) for j in range(DENSE) if i != j]
                       + [("top", f"n{DENSE - 1:03}")])
        db.execute("INSERT INTO group_members (gid, uid) VALUES ('n000', 'dora')")
        db.execute("INSERT INTO group_grants (gid, rid, action) VALUES ('top', 'iam:decisions', 1)")
    daemon.start()
    yield house
    house.daemon.stop()


@pytest.mark.parametrize("semantic, end", [("execute_all", 128), ("permit_on_first_permit", 120), ("deny_on_first_deny", 1)])
def test_dear_questions_are_answered_rightly(dense, semantic, end):
    """Each costs a walk over most links, so that a batch begun on the loop ends on the lane."""
    items = [{"resource": entity(("record", "record-d" if i == 119 else "record-e"))} for i in range(128)]
    items[50] = {"resource": 5}
    body = question(("user", "dora"), "read", R1, evaluations=items, options={"evaluations_semantic": semantic})
    for caller in ("dora", "bootstrapuser"):
        answer = post(dense(caller), "evaluations", body)
        assert decisions(answer) == [i == 119 for i in range(end)]
        contexts = [e["context"] for e in answer.json()["evaluations"]]
        assert {c.get("revision") for i, c in enumerate(contexts) if i != 50} == {int(answer.header("x-iam-revision"))}
        assert end <= 50 or contexts[50]["error"]["status"] == 400


def test_a_dear_right_to_ask_counts_and_its_lack_is_found(dense):
    """dora may ask about others through `top`; alice may not, whoever is in the nest."""
    body = {"evaluations": [question(s, "read", R1) for s in (ALICE, ("user", "dave")) * 64]}
    assert decisions(post(dense("dora"), "evaluations", body)) == [True, False] * 64
    body = {"evaluations": [question(ALICE, "read", R1)] * 127 + [question(("user", "dora"), "read", R1)]}
    assert post(dense("alice"), "evaluations", body).status == 403


def test_a_dear_batch_is_decided_on_one_state_while_grants_change(dense):
    admin = dense()
    done = threading.Event()

    def flicker():
        while not done.is_set():
            admin.expect(204, "PUT", "/acls/record:record-e/users/dora/read")
            admin.expect(204, "DELETE", "/acls/record:record-e/users/dora/read")

    writer = threading.Thread(target=flicker)
    writer.start()
    try:
        asker = dense("asker")
        body = question(("user", "dora"), "read", ("record", "record-e"), evaluations=[{}] * 128)
        for _ in range(100):
            answer = post(asker, "evaluations", body)
            assert len(decisions(answer)) == 128
            found = {(e["decision"], e["context"]["revision"]) for e in answer.json()["evaluations"]}
            assert len(found) == 1 and found.pop()[1] == int(answer.header("x-iam-revision"))
    finally:
        done.set()
        writer.join()
