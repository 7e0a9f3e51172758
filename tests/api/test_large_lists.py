"""Lists that are far larger than any buffer."""
import json
import socket
import time

import pytest

import iamd
import wire

COUNT = 4000
GROUPS = 600


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """A daemon with COUNT users, made in one transaction while it was down."""
    daemon = iamd.Daemon(tmp_path_factory.mktemp("crowd")).start()
    daemon.superuser().expect(201, "PUT", "/users/template", {"password": "long enough"})
    daemon.superuser().expect(201, "PUT", "/acls/app:x%2Fy", {"description": "Everybody's"})
    daemon.stop()
    daemon.sql("""WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
        INSERT INTO users (id, uid, description, description_folded, provider_type, provider_id, password_hash,
            public_key, enabled, gen, raised, created_at_ms, last_login_ms)
        SELECT 1000 + i, printf('crowd-%05d', i), 'Person ' || i || ' "of" the crowd é', 'person', provider_type, '',
            password_hash, NULL, 1, 1000 + i, 0, created_at_ms, 0 FROM n, users WHERE uid = 'template'""", COUNT)
    daemon.sql("INSERT INTO user_grants (uid, rid, action) SELECT uid, 'app:x/y', a.column1 FROM users, (VALUES (1), (4)) a")
    daemon.sql("INSERT INTO group_grants (gid, rid, action) VALUES ('superusers', 'app:x/y', 0)")
    # One user with many grants, and with many groups of which one has many grants, too.
    daemon.sql("""WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
        INSERT INTO acls (id, rid, rid_folded, description, description_folded)
        SELECT 1000 + i, printf('many:%05d', i), printf('many:%05d', i), 'Number ' || i, 'number' FROM n""", COUNT)
    daemon.sql("INSERT INTO user_grants (uid, rid, action) SELECT 'template', rid, 1 FROM acls WHERE rid LIKE 'many:%'")
    daemon.sql("""WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
        INSERT INTO groups (id, gid, description, description_folded, provider_type)
        SELECT 1000 + i, printf('g-%04d', i), '', '', 'internal' FROM n""", GROUPS)
    daemon.sql("INSERT INTO group_members (gid, uid) SELECT gid, 'template' FROM groups WHERE gid LIKE 'g-%'")
    daemon.sql("INSERT INTO group_nesting (gid, sub_gid) VALUES ('superusers', 'g-0001')")
    daemon.sql("""INSERT INTO group_grants (gid, rid, action) SELECT 'g-0300', rid, a.column1 FROM acls, (VALUES (0), (2)) a
        WHERE rid LIKE 'many:%'""")
    daemon.sql("INSERT INTO group_grants (gid, rid, action) VALUES ('g-0599', 'many:00007', 3)")
    daemon.sql("UPDATE counters SET value = 100000 WHERE name = 'gen'")
    daemon.start()
    yield daemon
    daemon.stop()


@pytest.fixture
def reader(crowd):
    return crowd.superuser()


def everybody():
    return sorted([f"crowd-{i:05}" for i in range(1, COUNT + 1)] + ["bootstrapuser", "template"])


def test_a_long_list_is_whole_and_pretty(reader):
    answer = reader.get("/users")
    assert sorted(u["uid"] for u in answer.json()["array"]) == everybody()
    assert answer.body == (json.dumps(answer.json(), indent=2, ensure_ascii=False) + "\n").encode()


def test_whom_a_resource_is_granted_to_is_whole_and_pretty(reader):
    answer = reader.get("/acls/app:x%2Fy/permissions")
    url = "/acs/api/v1/acls/app:x%252Fy"
    assert answer.json() == {
        "users": [{"uid": u, "userurl": f"/acs/api/v1/users/{u}", "actions": [
            {"name": a, "url": f"{url}/users/{u}/{a}"} for a in ("read", "full")]} for u in everybody()],
        "groups": [{"gid": "superusers", "groupurl": "/acs/api/v1/groups/superusers",
                    "actions": [{"name": "create", "url": f"{url}/groups/superusers/create"}]}]}
    assert answer.body == (json.dumps(answer.json(), indent=2, ensure_ascii=False) + "\n").encode()


def entry(i, actions, subject, **more):
    url = f"/acs/api/v1/acls/many:{i:05}"
    return {"rid": f"many:{i:05}", **{k: v for k, v in more.items() if k == "gid"}, "description": f"Number {i}", "aclurl": url,
            **{k: v for k, v in more.items() if k != "gid"},
            "actions": [{"name": a, "url": f"{url}/{subject}/{a}"} for a in actions]}


def through(gid, i, actions):
    return entry(i, actions, f"groups/{gid}", gid=gid, membershipurl=f"/acs/api/v1/groups/{gid}/users/template")


@pytest.mark.parametrize("effective", [False, True])
def test_what_a_user_is_granted_is_whole_and_pretty(reader, effective):
    answer = reader.get("/users/template/permissions" + ("?effective=true" if effective else ""))
    groups = [through("g-0300", i, ("create", "update")) for i in range(1, COUNT + 1)] + [through("g-0599", 7, ("delete",))]
    if effective:
        top = answer.json()["groups"][-2:]
        assert [(g["gid"], g["rid"]) for g in top] == [("superusers", "app:x/y"), ("superusers", "dcos:superuser")]
        groups += top
    assert answer.json() == {"groups": groups, "direct": [
        {"rid": "app:x/y", "description": "Everybody's", "aclurl": "/acs/api/v1/acls/app:x%252Fy", "actions": [
            {"name": a, "url": f"/acs/api/v1/acls/app:x%252Fy/users/template/{a}"} for a in ("read", "full")]},
        *(entry(i, ("read",), "users/template") for i in range(1, COUNT + 1))]}
    assert answer.body == (json.dumps(answer.json(), indent=2, ensure_ascii=False) + "\n").encode()
    assert answer.header("cache-control") == "private, max-age=5"


def test_what_a_group_is_granted_is_whole_and_pretty(reader):
    answer = reader.get("/groups/g-0300/permissions")
    assert answer.json() == {"array": [entry(i, ("create", "update"), "groups/g-0300") for i in range(1, COUNT + 1)]}
    assert answer.body == (json.dumps(answer.json(), indent=2, ensure_ascii=False) + "\n").encode()
    assert reader.get("/groups/g-0001/permissions").json() == {"array": []}


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_long_list_reaches_each_version_of_http(crowd, reader, version):
    with wire.Connection(crowd.address) as c:
        answer = c.ask(wire.request_bytes("GET", wire.API + "/users", [("Authorization", f"token={reader.token}")],
                                          version=version))
    assert len(answer.json()["array"]) == COUNT + 2
    assert (answer.header("transfer-encoding") is None) == (version == "1.0")


def test_a_connection_lives_on_behind_a_long_list(crowd, reader):
    request = wire.request_bytes("GET", wire.API + "/users", [("Authorization", f"token={reader.token}")])
    with wire.Connection(crowd.address) as c:
        for _ in range(3):
            assert len(c.ask(request).json()["array"]) == COUNT + 2


def test_pages_of_a_thousand_meet_everybody_once(reader):
    seen, after = [], None
    while True:
        answer = reader.get("/users?limit=1000" + (f"&after={after}" if after else ""))
        page = [u["uid"] for u in answer.json()["array"]]
        seen += page
        if answer.header("link") is None:
            break
        after = page[-1]
    assert seen == everybody()


def test_users_that_come_and_go_meanwhile_do_not_disturb_a_list(crowd, reader):
    """A slow reader; the others of the list appear once each."""
    request = wire.request_bytes("GET", wire.API + "/users", [("Authorization", f"token={reader.token}")])
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    s.settimeout(20)
    s.connect(crowd.address)
    s.sendall(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    head = s.recv(4096)
    for number in range(20):
        reader.expect(201, "PUT", f"/users/crowd-{number * 150:05}-x", {"password": "long enough"})
        reader.expect(204, "DELETE", f"/users/crowd-{number * 150:05}-x")
    with s, s.makefile("rb") as rest:
        data = head + rest.read()
    for number in range(1, COUNT + 1):
        assert data.count(b'"uid": "crowd-%05d"' % number) <= 1
    assert data.count(b'"uid": "crowd-') >= COUNT * 0.99  # a name may be cut by a chunk


def test_readers_who_leave_in_the_middle_harm_nobody(crowd, reader):
    request = wire.request_bytes("GET", wire.API + "/users", [("Authorization", f"token={reader.token}")])
    for _ in range(60):
        with wire.Connection(crowd.address) as c:
            c.send(request)
            c.sock.recv(1000)
    began = time.monotonic()
    assert reader.get("/users/template").status == 200
    assert time.monotonic() - began < 1


def test_starting_with_many_users_takes_no_time(crowd):
    began = time.monotonic()
    crowd.restart()
    assert time.monotonic() - began < 5
