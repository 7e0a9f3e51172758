"""GET /acls: whole lists, pages, search."""
import re
import urllib.parse

import pytest

import iamd
import wire

NAMES = [f"app:{i:02}" for i in range(55)] + ["app:group/one", "app:group/two", "APP:x", "a*", "*", "Größe:ü", "zz\"q<&>"]


@pytest.fixture(scope="module")
def resources(tmp_path_factory):
    """A daemon with 62 ACLs beside dcos:superuser."""
    daemon = iamd.Daemon(tmp_path_factory.mktemp("resources")).start()
    admin = daemon.superuser()
    for name in NAMES:
        admin.expect(201, "PUT", "/acls/" + urllib.parse.quote(name, safe=""), {"description": f"About {name}"})
    admin.expect(204, "PATCH", "/acls/app:40", {"description": "The Xylophone"})
    admin.expect(204, "PATCH", "/acls/app:41", {"description": "100% sure_thing \\ \"quoted\""})
    yield admin, sorted(NAMES + ["dcos:superuser"], key=str.encode)
    daemon.stop()


def rids(answer):
    assert answer.status == 200, answer
    return [a["rid"] for a in answer.json()["array"]]


def next_page(answer):
    link = answer.header("link")
    if link is None:
        return None
    found = re.fullmatch(r'<([^<>"\s]+)>; rel="next"', link)
    assert found, link
    assert found[1].startswith(wire.API + "/acls?"), link
    return found[1][len(wire.API):]


def pages(admin, path):
    while path:
        answer = admin.get(path)
        yield rids(answer)
        path = next_page(answer)


@pytest.mark.parametrize("query", ["", "?type=x", "?type=service", "?_timestamp=1", "?q=", "?x"])
def test_the_whole_list_is_in_one_answer(resources, query):
    admin, names = resources
    answer = admin.get("/acls" + query)
    assert rids(answer) == names
    assert answer.header("link") is None
    assert list(answer.json()["array"][0]) == ["rid", "url", "description"]
    urls = {a["rid"]: a["url"] for a in answer.json()["array"]}
    assert urls["app:group/one"] == "/acs/api/v1/acls/app:group%252Fone"
    assert urls["Größe:ü"] == "/acs/api/v1/acls/Größe:ü"


@pytest.mark.parametrize("limit", [1, 7, 62, 63, 64, 1000])
def test_pages_follow_the_link_in_byte_order_and_meet_each_once(resources, limit):
    admin, names = resources
    met = list(pages(admin, f"/acls?limit={limit}"))
    assert sum(met, []) == names
    assert all(len(p) == limit for p in met[:-1]) and len(met[-1]) <= limit


def test_a_page_continues_behind_an_id_that_is_not_there(resources):
    admin, _ = resources
    assert rids(admin.get("/acls?limit=2&after=app:10zz")) == ["app:11", "app:12"]
    assert rids(admin.get("/acls?limit=2&after=app:group/one")) == ["app:group/two", "dcos:superuser"]
    assert rids(admin.get("/acls?limit=2&after=~~")) == []
    assert rids(admin.get("/acls?limit=1&after=" + "a" * 1024)) == ["app:00"]


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=-1", "limit=x", "limit=", "limit=1.5",
                                   "q=" + "x" * 257, "after=" + "x" * 1025])
def test_what_is_out_of_bounds_is_refused(resources, query):
    answer = resources[0].get(f"/acls?{query}")
    assert (answer.status, answer.code) == (400, "ERR_INVALID_DATA")
    assert query.split("=")[0] in answer.description


@pytest.mark.parametrize("q, expected", [
    ("APP:X", ["APP:x"]), ("app:g", ["app:group/one", "app:group/two"]), ("app:group/two", ["app:group/two"]),
    ("group%2Ftwo", ["app:group/two"]), ("xylophone", ["app:40"]), ("100%25", ["app:41"]), ("sure_thing", ["app:41"]),
    ("%22quoted", ["app:41"]), ("_hing", []), ("%C3%BC", ["Größe:ü"]), ("%3C%26", ["zz\"q<&>"]),
    ("no-such-thing", []), ("a%27%20OR%201=1--", []), ("NEAR(", []),
])
def test_search_finds_in_rid_and_description(resources, q, expected):
    assert rids(resources[0].get(f"/acls?q={q}")) == expected


def test_search_is_ranked_and_goes_in_pages(resources):
    """`*` is itself, then what begins with it, then what holds it."""
    admin, _ = resources
    assert rids(admin.get("/acls?q=*")) == ["*", "a*"]
    assert sum(pages(admin, "/acls?q=*&limit=1"), []) == ["*", "a*"]
    everything = rids(admin.get("/acls?q=app:0"))
    assert everything == [f"app:0{i}" for i in range(10)]
    assert sum(pages(admin, "/acls?q=app:0&limit=3"), []) == everything


def test_a_page_of_longest_ids_has_a_link_that_works(resources):
    admin, _ = resources
    names = [c + "\"" * 1023 for c in "xy"] + [c + "é/" * 340 for c in "xy"]
    names = [n + "x" if n.endswith("/") else n for n in names]
    for n in names:
        admin.expect(201, "PUT", "/acls/" + urllib.parse.quote(n, safe=""), {"description": "\x02" * 4096})
    try:
        assert sum(pages(admin, "/acls?limit=1&after=w"), [])[:4] == sorted(names, key=str.encode)
        assert sum(pages(admin, "/acls?limit=1&q=%02%02"), []) == sorted(names, key=str.encode)
        assert set(names) <= set(rids(admin.get("/acls")))
    finally:
        for n in names:
            admin.expect(204, "DELETE", "/acls/" + urllib.parse.quote(n, safe=""))
