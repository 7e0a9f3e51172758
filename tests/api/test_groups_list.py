"""GET /groups and what is in a group: whole lists, pages, search, types."""
import json
import re
import urllib.parse

import pytest

import iamd
import keys
import wire

COUNT = 3000


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """A daemon with groups to find, and one of many users, services and groups."""
    daemon = iamd.Daemon(tmp_path_factory.mktemp("groups")).start()
    admin = daemon.superuser()
    names = [f"g{i:02}" for i in range(40)] + ["Zoe", "ANNA", "anna", "hannah", "x@y.z", "big"]
    for name in names:
        admin.expect(201, "PUT", f"/groups/{name}", {"description": f"Team {name}"})
    admin.expect(204, "PATCH", "/groups/g30", {"description": "Anna"})
    admin.expect(204, "PATCH", "/groups/g31", {"description": "annatto, a colour"})
    admin.expect(204, "PATCH", "/groups/g32", {"description": "JOANNA"})
    admin.expect(204, "PATCH", "/groups/g33", {"description": "100% sure_thing \\ \"quoted\""})
    admin.expect(201, "PUT", "/users/u1", {"password": "long enough"})
    admin.expect(201, "PUT", "/users/svc", {"public_key": keys.rsa_key().public_pem})
    daemon.stop()
    daemon.sql("""WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
        INSERT INTO users (id, uid, description, description_folded, provider_type, provider_id, password_hash,
            public_key, enabled, gen, raised, created_at_ms, last_login_ms)
        SELECT 1000 + 2 * i + (t.uid = 'svc'), printf('m%05d%s', i, CASE t.uid WHEN 'svc' THEN '-svc' ELSE '' END),
            'Member "é" ' || i, 'member', t.provider_type, '', t.password_hash, t.public_key, 1,
            1000 + 2 * i + (t.uid = 'svc'), 0, t.created_at_ms, 0
        FROM n, users t WHERE t.uid IN ('u1', 'svc')""", COUNT)
    daemon.sql("UPDATE counters SET value = 100000 WHERE name = 'gen'")
    daemon.sql("INSERT INTO group_members (gid, uid) SELECT 'big', uid FROM users WHERE uid LIKE 'm%'")
    daemon.sql("INSERT INTO group_members (gid, uid) SELECT gid, 'u1' FROM groups WHERE gid LIKE 'g%'")
    daemon.sql("INSERT INTO group_nesting (gid, sub_gid) SELECT 'big', gid FROM groups WHERE gid LIKE 'g%'")
    daemon.start()
    yield daemon.superuser(), sorted(names + ["superusers"], key=str.encode)
    daemon.stop()


def gids(answer):
    assert answer.status == 200, answer
    return [g["gid"] for g in answer.json()["array"]]


def members(answer):
    assert answer.status == 200, answer
    return [m["user"]["uid"] for m in answer.json()["array"]]


def subgroups(answer):
    assert answer.status == 200, answer
    return [m["group"]["gid"] for m in answer.json()["array"]]


def next_page(answer):
    link = answer.header("link")
    if link is None:
        return None
    target = urllib.parse.urlsplit(re.fullmatch(r'<([^>]+)>; rel="next"', link)[1])
    return (target.path + "?" + target.query)[len(wire.API):]


def pages(admin, path, read):
    while path:
        answer = admin.get(path)
        yield read(answer)
        path = next_page(answer)


@pytest.mark.parametrize("query", ["", "?type=service", "?x=y", "?q=", "?_timestamp=1"])
def test_the_list_is_of_all_groups_in_byte_order(crowd, query):
    admin, names = crowd
    answer = admin.get("/groups" + query)
    assert gids(answer) == names and answer.header("link") is None
    assert answer.body == (json.dumps(answer.json(), indent=2, ensure_ascii=False) + "\n").encode()
    assert {tuple(g) for g in answer.json()["array"]} == {("gid", "url", "description", "provider_type")}


@pytest.mark.parametrize("limit", [1, 7, 47, 48, 1000])
def test_pages_follow_the_link_and_meet_every_group_once(crowd, limit):
    admin, names = crowd
    seen = list(pages(admin, f"/groups?limit={limit}", gids))
    assert [g for page in seen for g in page] == names
    assert {len(p) for p in seen[:-1]} <= {limit} and 0 < len(seen[-1]) <= limit


def test_a_page_continues_behind_an_id_that_is_gone(crowd):
    admin, _ = crowd
    assert gids(admin.get("/groups?limit=3&after=g09zzz")) == ["g10", "g11", "g12"]
    assert gids(admin.get("/groups?limit=3&after=~~~")) == []
    assert gids(admin.get("/groups?after=superusers")) == ["x@y.z"]
    assert next_page(admin.get("/groups?limit=1&after=superuserr")) == "/groups?limit=1&after=superusers"


LISTS = ["/groups", "/groups/big/users", "/groups/big/groups", "/users/u1/groups"]


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", "1.5", "", "10x", "%20", "99999999999999999999"])
def test_a_limit_outside_1_to_1000_is_refused(crowd, path, limit):
    answer = crowd[0].get(f"{path}?limit={limit}")
    assert (answer.status, answer.code) == (400, "ERR_INVALID_DATA")
    assert answer.description == "`limit` must be a number from 1 to 1000"


@pytest.mark.parametrize("path, longest, name", [("/groups", 64, "group"), ("/groups/big/users", 96, "user"),
                                                 ("/groups/big/groups", 64, "group"), ("/users/u1/groups", 64, "group")])
def test_after_is_as_long_as_an_id_at_most(crowd, path, longest, name):
    admin, _ = crowd
    assert admin.get(f"{path}?limit=1&after=" + "z" * longest).json() == {"array": []}
    answer = admin.get(f"{path}?after=" + "z" * (longest + 1))
    assert (answer.status, answer.description) == (400, f"`after` must be a {name} ID")


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("query", ["after=%ff", "q=%ff", "q=%zz", "effective=%ff&type=%c0%af"])
def test_what_does_not_decode_counts_as_absent(crowd, path, query):
    admin, _ = crowd
    assert admin.get(f"{path}?limit=2&{query}").json() == admin.get(f"{path}?limit=2").json()


@pytest.mark.parametrize("path", LISTS)
def test_a_nul_in_the_query_is_refused(crowd, path):
    for query in ("after=%00", "q=a%00b", "effective=%00"):
        assert crowd[0].get(f"{path}?{query}").status == 400


def test_of_a_repeated_parameter_the_first_counts(crowd):
    admin, names = crowd
    assert gids(admin.get("/groups?limit=2&limit=x&after=&after=zzz")) == names[:2]


@pytest.mark.parametrize("q, expected", [
    ("anna", ["ANNA", "anna", "g30", "g31", "g32", "hannah"]),
    ("ANNA", ["ANNA", "anna", "g30", "g31", "g32", "hannah"]),
    ("zoe", ["Zoe"]), ("g07", ["g07"]), ("team%20g0", [f"g0{i}" for i in range(10)]), ("y.z", ["x@y.z"]),
    ("100%25", ["g33"]), ("sure_thing", ["g33"]), ("%5C", ["g33"]), ("%22quoted%22", ["g33"]),
    ("_hing", []), ("nothing-is-called-so", []), ("a%27%20OR%201=1--", []), ("NEAR(", []), ("*", []), ("g0*", []),
])
def test_search_finds_exact_then_prefix_then_substring(crowd, q, expected):
    admin, _ = crowd
    assert gids(admin.get(f"/groups?q={q}")) == expected
    assert [g for page in pages(admin, f"/groups?limit=2&q={q}", gids) for g in page] == expected


def test_a_search_text_of_256_bytes_is_fine_and_one_more_is_refused(crowd):
    admin, _ = crowd
    assert gids(admin.get("/groups?q=" + "x" * 256)) == []
    answer = admin.get("/groups?q=" + "x" * 257)
    assert (answer.status, answer.code) == (400, "ERR_INVALID_DATA")


def test_a_changed_or_deleted_group_is_found_as_it_is_now(crowd):
    admin, _ = crowd
    admin.expect(201, "PUT", "/groups/zz", {"description": "xylophones"})
    assert gids(admin.get("/groups?q=XYLO")) == ["zz"]
    admin.expect(204, "PATCH", "/groups/zz", {"description": "trumpets"})
    assert gids(admin.get("/groups?q=XYLO")) == [] and gids(admin.get("/groups?q=rumpet")) == ["zz"]
    admin.expect(204, "DELETE", "/groups/zz")
    assert gids(admin.get("/groups?q=rumpet")) == []


# -- what is in a group

USERS = [f"m{i:05}" for i in range(1, COUNT + 1)]
SERVICES = [u + "-svc" for u in USERS]


@pytest.mark.parametrize("query, expected", [
    ("", USERS), ("?type=user", USERS), ("?type=service&type=service", USERS), ("?type=SERVICE", USERS),
    ("?type=service", SERVICES), ("?effective=true", USERS + ["u1"]), ("?effective=true&type=service", SERVICES),
    ("?q=m00001", USERS), ("?fields=all", USERS)])
def test_members_are_regular_users_or_with_type_service_the_others(crowd, query, expected):
    answer = crowd[0].get("/groups/big/users" + query)
    assert members(answer) == expected and answer.header("link") is None
    assert answer.body == (json.dumps(answer.json(), indent=2, ensure_ascii=False) + "\n").encode()


@pytest.mark.parametrize("query, expected", [("", USERS), ("&type=service", SERVICES), ("&effective=true", USERS + ["u1"]),
                                             ("&effective=true&type=service", SERVICES)])
def test_pages_of_members_keep_the_other_parameters(crowd, query, expected):
    admin, _ = crowd
    for limit in (1000, 999):
        assert [u for page in pages(admin, f"/groups/big/users?limit={limit}{query}", members) for u in page] == expected
    first = admin.get(f"/groups/big/users?limit=2{query}")
    assert members(first) == expected[:2]
    assert members(admin.get(next_page(first))) == expected[2:4]


@pytest.mark.parametrize("limit", [1, 13, 40])
def test_pages_of_nested_groups_meet_each_once(crowd, limit):
    admin, _ = crowd
    for query in ("", "&effective=true"):
        seen = [g for page in pages(admin, f"/groups/big/groups?limit={limit}{query}", subgroups) for g in page]
        assert seen == [f"g{i:02}" for i in range(40)]


@pytest.mark.parametrize("limit", [1, 13, 40, 1000])
def test_pages_of_a_users_groups_meet_each_once(crowd, limit):
    admin, _ = crowd
    direct = [f"g{i:02}" for i in range(40)]
    for query, expected in (("", direct), ("&effective=true", ["big"] + direct)):
        seen = list(pages(admin, f"/users/u1/groups?limit={limit}{query}", subgroups))
        assert [g for page in seen for g in page] == expected and len(seen[0]) == min(limit, len(expected))
        assert subgroups(admin.get(f"/users/u1/groups?x=y{query}")) == expected
    answer = admin.get("/users/u1/groups?limit=1")
    assert answer.header("link") == '</acs/api/v1/users/u1/groups?limit=1&after=g00>; rel="next"'


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_long_list_of_members_reaches_each_version_of_http(crowd, version):
    admin, _ = crowd
    with wire.Connection(admin.daemon.address) as c:
        answer = c.ask(wire.request_bytes("GET", wire.API + "/groups/big/users",
                                          [("Authorization", f"token={admin.token}")], version=version))
    assert members(answer) == USERS
    assert (answer.header("transfer-encoding") is None) == (version == "1.0")


def test_a_membership_looks_as_it_is_described(crowd):
    admin, _ = crowd
    answer = admin.get("/groups/big/users?limit=1&type=service")
    pem = json.dumps(keys.rsa_key().public_pem)
    assert answer.body.decode() == f'''{{
  "array": [
    {{
      "membershipurl": "/acs/api/v1/groups/big/users/m00001-svc",
      "user": {{
        "uid": "m00001-svc",
        "description": "Member \\"é\\" 1",
        "url": "/acs/api/v1/users/m00001-svc",
        "is_remote": false,
        "is_service": true,
        "provider_type": "internal",
        "provider_id": "",
        "public_key": {pem}
      }}
    }}
  ]
}}
'''
    assert answer.header("link") == '</acs/api/v1/groups/big/users?limit=1&after=m00001-svc&type=service>; rel="next"'
    answer = admin.get("/groups/big/groups?limit=1&effective=true")
    assert answer.body.decode() == '''{
  "array": [
    {
      "membershipurl": "/acs/api/v1/groups/big/groups/g00",
      "group": {
        "gid": "g00",
        "url": "/acs/api/v1/groups/g00",
        "description": "Team g00",
        "provider_type": "internal"
      }
    }
  ]
}
'''
    assert answer.header("link") == '</acs/api/v1/groups/big/groups?limit=1&after=g00&effective=true>; rel="next"'


def test_an_empty_list_is_an_empty_array(crowd):
    for path in ("/groups/Zoe/users", "/groups/g01/groups", "/groups/Zoe/users?limit=5&effective=true"):
        answer = crowd[0].get(path)
        assert answer.body == b'{\n  "array": []\n}\n' and answer.header("link") is None
