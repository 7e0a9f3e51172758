"""Groups and their people taken over from a directory: POST /ldap/importgroup."""
import time

import pytest

import iamd
from test_import_users import fresh, refused  # noqa: F401



def first(n, of=0):
    return {f"user{i:06d}" for i in range(of, of + n)}


def import_group(caller, name, where="/ldap"):
    return caller.post(f"{where}/importgroup", {"groupname": name})


def members(admin, gid):
    return {m["user"]["uid"] for m in admin.get(f"/groups/{gid}/users").json()["array"]}


def subgroups(admin, gid):
    return {m["group"]["gid"] for m in admin.get(f"/groups/{gid}/groups").json()["array"]}


DEEP = {f"user{i:06d}" for i in range(1, 12)}
EXPECTED = {
    "slapd": {
        "group0000": first(10), "ugroup0000": first(10), "pgroup0000": first(10), "bisgroup0000": first(10),
        "deep-11": DEEP | {"multi", "nomail"}, "cycle-a": {"multi", "nomail"}, "dangling": {"multi"}, "not-users": {"multi"},
        "posix-odd": {"multi"}, "posix-empty": set(), "everyone": first(20),
    },
    "ds389": {
        "group0000": first(10), "ugroup0000": first(10), "pgroup0000": first(10),
        "deep-11": DEEP | {"multi", "nomail"}, "cycle-a": {"multi", "nomail"}, "dangling": {"multi"}, "not-users": {"multi"},
        "everyone": first(20),
    },
    "samba": {
        "deep-11": None, "deep-00": None, "cycle-a": None, "not-users": {"user000000"}, "empty": set(),
        "universal": None, "distribution": None, "big": {f"many{i:05d}" for i in range(2000)},
    },
}
CASES = [(kind, gid) for kind, groups in EXPECTED.items() for gid in groups]


def people_by_walking(directory, name):
    """Who is in a group of Active Directory, by member alone; login names."""
    entries = directory.search("(objectClass=*)", attributes=["member", "objectClass", "sAMAccountName"])
    by_dn = {dn.lower(): entry for dn, entry in entries.items()}
    open_, seen, found = [directory.groups[name].lower()], set(), set()
    while open_:
        dn = open_.pop()
        if dn in seen or dn not in by_dn:
            continue
        seen.add(dn)
        entry = by_dn[dn]
        if "group" in entry["objectClass"]:
            open_ += [m.lower() for m in entry.get("member", [])]
        elif "user" in entry["objectClass"] and "computer" not in entry["objectClass"]:
            found.add(entry["sAMAccountName"][0])
    return found


@pytest.fixture(scope="module")
def shared(request, tmp_path_factory):
    """shared(kind): an iamd with that directory, for all tests of this file that import a group of their own."""
    made = {}

    def make(kind):
        if kind not in made:
            directory = request.getfixturevalue(kind)
            daemon = iamd.Daemon(tmp_path_factory.mktemp(kind)).start()
            admin = daemon.superuser()
            base = directory.base if kind == "samba" else directory.user_base
            login = "sAMAccountName" if kind == "samba" else "uid"
            admin.expect(200, "PUT", "/ldap/config", directory.config(
                user_search={"search-base": base, "search-filter-template": f"({login}=%(username)s)"}))
            made[kind] = daemon, admin, directory
        return made[kind]

    yield make
    for daemon, _, _ in made.values():
        daemon.stop()


@pytest.mark.parametrize("kind, gid", CASES)
def test_the_people_of_a_group_become_its_members(shared, kind, gid):
    """Every kind of group; nested, circles, members that are gone or are nobody. samba: the in-chain rule is as good as a walk."""
    daemon, admin, directory = shared(kind)
    expected = EXPECTED[kind][gid]
    if expected is None:
        expected = people_by_walking(directory, gid)
        assert expected
    answer = import_group(admin, gid)
    assert (answer.status, answer.body) == (201, b""), answer
    assert members(admin, gid) == expected
    assert subgroups(admin, gid) == set()
    assert admin.get(f"/groups/{gid}").json()["provider_type"] == "ldap"
    assert daemon.sql("SELECT directory, partial FROM directory_groups WHERE gid = ?", gid) == [("default", 0)]
    # Each of them is the directory's to take out again.
    assert daemon.sql("SELECT count(*) FROM directory_members WHERE gid = ?", gid) == [(len(expected),)]
    refused(import_group(admin, gid.upper()), 409, "ERR_GROUP_EXISTS")


def test_each_account_and_membership_is_in_the_audit_trail(fresh, slapd):
    daemon, admin = fresh(slapd)
    admin.expect(201, "POST", "/ldap/importuser", {"username": "user000000"})
    admin.expect(201, "POST", "/ldap/importgroup", {"groupname": "group0000"})
    rows = daemon.sql("SELECT action, actor, object, reason FROM audit WHERE action <> 'password-login'"
                      " AND actor = ? ORDER BY id", iamd.SUPERUSER)
    assert rows.count(("group-import", iamd.SUPERUSER, "group0000", "directory default")) == 1
    assert {r[2] for r in rows if r[0] == "user-import"} == first(10)
    assert len([r for r in rows if r[0] == "user-import"]) == 10  # the first by importuser
    assert {r[3] for r in rows if r[0] == "member-add" and r[2] == "group0000"} == {f"user {u}" for u in first(10)}
    daemon.wait_for_log(r"action=group-import result=allow reason=\"directory default\" .*object=group0000")


def test_names_that_are_no_ids_are_left_out_and_told_in_the_log(fresh, slapd):
    daemon, admin = fresh(slapd)
    admin.expect(201, "POST", "/ldap/importgroup", {"groupname": "odd-users"})
    uids = members(admin, "odd-users")
    assert {"multi", "nomail", "MixedCase"} <= uids and not any(c in u for u in uids for c in " ,#*\\ü")
    daemon.wait_for_log(r"ldap.import_skipped directory=default group=odd-users name=.*smith, john.* why=.*user id")
    for name in ("Group, with comma", "group/with:signs", "größe", "g" * 200):
        assert "cannot be imported" in refused(import_group(admin, name), 400, "ERR_INVALID_GROUP_ID")


def test_a_local_user_of_the_same_name_is_never_added(fresh, slapd):
    daemon, admin = fresh(slapd)
    for uid, body in (("user000003", {"password": "correct horse battery"}), ("user000004", {"provider_type": "ldap"}),
                      ("user000005", {"provider_type": "saml", "provider_id": "idp"})):
        admin.expect(201, "PUT", f"/users/{uid}", body)
    admin.expect(201, "POST", "/ldap/importgroup", {"groupname": "group0000"})
    assert members(admin, "group0000") == first(10) - {"user000003", "user000005"}
    daemon.wait_for_log(r"ldap.import_skipped .*name=user000003 why=.*local account")
    assert daemon.sql("SELECT uid FROM directory_users WHERE uid = 'user000003'") == []
    # Made in advance, without an entry: now it has this one.
    assert daemon.sql("SELECT directory FROM directory_users WHERE uid = 'user000004'") == [("default",)]


def test_a_group_that_is_there_is_a_conflict_and_is_not_touched(fresh, slapd):
    _, admin = fresh(slapd)
    admin.expect(201, "PUT", "/groups/group0001", {"description": "mine"})
    assert refused(import_group(admin, "group0001"), 409, "ERR_GROUP_EXISTS") == "Group with id `group0001` already exists."
    assert members(admin, "group0001") == set()
    assert admin.get("/groups/group0001").json()["provider_type"] == "internal"
    assert admin.get("/users/user000000").code == "ERR_UNKNOWN_USER_ID"


def test_an_unknown_group_is_not_found(fresh, slapd):
    _, admin = fresh(slapd)
    for name in ("nobody-there", "group000*", "*", "group0000)(cn=*"):
        refused(import_group(admin, name), 400, "ERR_LDAP_IMPORT_GROUP_NOT_FOUND")
    assert refused(admin.post("/ldap/importgroup", {"groupname": ""}), 400, "ERR_INVALID_DATA")


def test_without_a_group_search_the_configuration_is_named(fresh, slapd):
    _, admin = fresh(slapd, group_search=None)
    assert "group-search" in refused(import_group(admin, "group0000"), 400, "ERR_LDAP_IMPORT_SEARCH_FAILED")


def test_a_member_group_that_was_imported_becomes_a_nested_group(fresh, slapd):
    daemon, admin = fresh(slapd)
    admin.expect(201, "POST", "/ldap/importgroup", {"groupname": "deep-00"})
    admin.expect(201, "POST", "/ldap/importgroup", {"groupname": "deep-01"})
    assert (members(admin, "deep-01"), subgroups(admin, "deep-01")) == ({"user000001"}, {"deep-00"})
    assert daemon.sql("SELECT gid, sub_gid FROM directory_subgroups") == [("deep-01", "deep-00")]
    effective = admin.get("/groups/deep-01/users?effective=true").json()["array"]
    assert {m["user"]["uid"] for m in effective} == {"user000001", "multi", "nomail"}


def test_nested_groups_are_not_entered_where_the_settings_say_so(fresh, slapd):
    _, admin = fresh(slapd)
    answer = admin.put("/ldap/directories/flat", slapd.config(nested_groups=False))
    assert answer.status in (200, 201), answer
    admin.expect(201, "POST", "/ldap/directories/flat/importgroup", {"groupname": "deep-11"})
    assert members(admin, "deep-11") == {"user000011"}


def test_whoever_is_outside_of_the_search_base_is_no_user(fresh, slapd):
    _, admin = fresh(slapd, user_search={"search-base": f"ou=branch,{slapd.base}", "search-filter-template": "(uid=%(username)s)"})
    admin.expect(201, "POST", "/ldap/importgroup", {"groupname": "group0000"})
    assert members(admin, "group0000") == set()


def test_attribute_names_differ_by_case_and_are_a_setting(fresh, slapd):
    search = slapd.config()["group-search"]
    _, admin = fresh(slapd, group_search={**search, "member-attributes": ["UNIQUEMEMBER", "MemberUID"]})
    for gid, expected in (("ugroup0000", first(10)), ("pgroup0000", first(10)), ("group0000", set())):
        admin.expect(201, "POST", "/ldap/importgroup", {"groupname": gid})
        assert members(admin, gid) == expected


def test_a_unique_member_may_end_in_bits(fresh, slapd):
    _, admin = fresh(slapd)
    dn = f"cn=bits,ou=ugroups,{slapd.base}"
    people = slapd.users
    with slapd.admin() as connection:
        connection.add(dn, ["groupOfUniqueNames"], {"uniqueMember": [
            people["user000000"] + "#'0101'B", people["user000001"], people["user000002"].upper() + "#''B"]})
        try:
            admin.expect(201, "POST", "/ldap/importgroup", {"groupname": "bits"})
        finally:
            connection.delete(dn)
    assert members(admin, "bits") == first(3)


def test_a_large_group_is_found_by_one_search_of_all_users(fresh, new_slapd):
    """More members than are looked up one by one; the names of another group go the same way."""
    slapd = new_slapd("--users", "1500")
    _, admin = fresh(slapd)
    before = slapd.operations().count(" SRCH base=")
    admin.expect(201, "POST", "/ldap/importgroup", {"groupname": "everyone"})
    assert members(admin, "everyone") == first(1500)
    assert slapd.operations().count(" SRCH base=") - before < 20
    names = [f"user{i:06d}" for i in range(1200)] + ["USER000001", "nobody-there"]
    dn = f"cn=names,ou=pgroups,{slapd.base}"
    with slapd.admin() as connection:
        connection.add(dn, ["namedObject", "posixGroup"], {"gidNumber": "40000", "memberUid": names})
    admin.expect(201, "POST", "/ldap/importgroup", {"groupname": "names"})
    assert members(admin, "names") == first(1200)


def partial(answer):
    assert answer.status == 202, answer
    assert list(answer.json()) == ["imported_user_count"]
    return answer.json()["imported_user_count"]


def test_what_takes_too_long_stays_as_far_as_it_came(fresh, new_slapd, proxy):
    slapd = new_slapd("--users", "900")
    relay = proxy(slapd)
    daemon, admin = fresh(slapd, {"ldap_import_timeout": 1}, host=relay.host, port=relay.port)
    relay.latency(0.01)
    began = time.monotonic()
    n = partial(import_group(admin, "everyone"))
    assert time.monotonic() - began < 8
    assert 0 < n < 900
    assert len(members(admin, "everyone")) == n
    assert daemon.sql("SELECT gid, partial FROM directory_groups") == [("everyone", 1)]
    refused(import_group(admin, "everyone"), 409, "ERR_GROUP_EXISTS")


def test_a_directory_that_dies_on_the_way_leaves_what_is_there(fresh, new_slapd, proxy):
    slapd = new_slapd("--users", "900")
    relay = proxy(slapd)
    daemon, admin = fresh(slapd, host=relay.host, port=relay.port)
    relay.cut_after(150000)
    n = partial(import_group(admin, "everyone"))
    assert 0 < n < 900
    assert len(members(admin, "everyone")) == n
    assert daemon.sql("SELECT gid, partial FROM directory_groups") == [("everyone", 1)]
    daemon.wait_for_log(r"ldap.import_broken directory=default group=everyone")


def test_others_are_answered_while_a_large_group_is_imported(fresh, new_slapd):
    slapd = new_slapd("--users", "3000")
    daemon, admin = fresh(slapd)
    import threading
    done = []
    worker = threading.Thread(target=lambda: done.append(import_group(daemon.superuser(), "everyone").status))
    worker.start()
    slowest, i = 0, 0
    while worker.is_alive():
        began = time.monotonic()
        admin.expect(201, "PUT", f"/users/local-{i}", {"password": "correct horse battery"})
        slowest, i = max(slowest, time.monotonic() - began), i + 1
    worker.join()
    assert done == [201] and i > 3
    assert slowest < 1


def test_of_two_imports_of_one_group_at_once_one_is_a_conflict(fresh, slapd):
    import concurrent.futures
    daemon, admin = fresh(slapd)
    callers = [daemon.superuser() for _ in range(4)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda c: import_group(c, "everyone").status, callers))
    assert sorted(answers) == [201, 409, 409, 409]
    assert members(admin, "everyone") == first(20)


def test_a_delegated_import_gains_nobody_administrative_permissions(fresh, slapd):
    """An account made in advance that is a superuser, and a group that is protected, are left to superusers."""
    daemon, admin = fresh(slapd)
    admin.expect(201, "PUT", "/users/helper", {"password": "correct horse battery"})
    admin.expect(201, "PUT", "/acls/iam:groups", {"description": "groups"})
    admin.expect(204, "PUT", "/acls/iam:groups/users/helper/full")
    admin.expect(201, "PUT", "/users/user000000", {"provider_type": "ldap"})
    admin.expect(204, "PUT", f"/groups/superusers/users/user000000")
    admin.expect(201, "POST", "/ldap/importgroup", {"groupname": "deep-00"})
    admin.expect(204, "PUT", "/groups/superusers/groups/deep-00")
    helper = daemon.client(daemon.login("helper", "correct horse battery"))
    helper.expect(201, "POST", "/ldap/importgroup", {"groupname": "group0000"})
    assert members(admin, "group0000") == first(10) - {"user000000"}
    assert daemon.sql("SELECT uid FROM directory_users WHERE uid = 'user000000'") == []
    helper.expect(201, "POST", "/ldap/importgroup", {"groupname": "deep-01"})
    assert subgroups(admin, "deep-01") == set()  # walked instead
    assert members(admin, "deep-01") == {"user000001", "multi", "nomail"}


def test_rights_that_end_end_the_import(fresh, new_slapd, proxy):
    slapd = new_slapd("--users", "900")
    relay = proxy(slapd)
    daemon, admin = fresh(slapd, host=relay.host, port=relay.port)
    admin.expect(201, "PUT", "/users/helper", {"password": "correct horse battery"})
    admin.expect(201, "PUT", "/acls/iam:groups", {"description": "groups"})
    admin.expect(204, "PUT", "/acls/iam:groups/users/helper/create")
    helper = daemon.client(daemon.login("helper", "correct horse battery"))
    relay.latency(0.005)
    import threading
    answers = []
    worker = threading.Thread(target=lambda: answers.append(import_group(helper, "everyone")))
    worker.start()
    iamd.wait_until(lambda: admin.get("/groups/everyone").status == 200, 10, "the first commit")
    admin.expect(204, "DELETE", "/acls/iam:groups/users/helper/create")
    worker.join()
    refused(answers[0], 403, "ERR_FORBIDDEN")
    assert 0 < len(members(admin, "everyone")) < 900


def test_a_group_deleted_on_the_way_stays_deleted(fresh, new_slapd, proxy):
    slapd = new_slapd("--users", "900")
    relay = proxy(slapd)
    daemon, admin = fresh(slapd, host=relay.host, port=relay.port)
    relay.latency(0.005)
    import threading
    answers = []
    worker = threading.Thread(target=lambda: answers.append(import_group(daemon.superuser(), "everyone")))
    worker.start()
    iamd.wait_until(lambda: admin.get("/groups/everyone").status == 200, 10, "the first commit")
    admin.expect(204, "DELETE", "/groups/everyone")
    admin.expect(201, "PUT", "/groups/everyone", {"description": "another one"})
    worker.join()
    assert answers[0].status == 409, answers
    assert members(admin, "everyone") == set()


def test_a_stop_does_not_wait_for_an_import(fresh, new_slapd, proxy):
    slapd = new_slapd("--users", "900")
    relay = proxy(slapd)
    daemon, admin = fresh(slapd, {"drain_timeout": 5}, host=relay.host, port=relay.port)
    caller = daemon.superuser()
    relay.latency(0.02)
    import threading
    answers = []
    worker = threading.Thread(target=lambda: answers.append(import_group(caller, "everyone").status))
    worker.start()
    iamd.wait_until(lambda: admin.get("/groups/everyone").status == 200, 20, "the first commit")
    began = time.monotonic()
    daemon.stop()
    assert time.monotonic() - began < 12
    worker.join()
    assert answers in ([202], [503])


# -- Active Directory gives a long attribute in ranges, asked for or not; no server here does so by itself

BASE = "dc=example,dc=test"


def person(i):
    return f"cn=p{i},ou=people,{BASE}", {
        "objectClass": ["top", "person", "user"], "cn": [f"p{i}"], "sAMAccountName": [f"p{i}"], "uid": [f"p{i}"],
        "entryUUID": [f"00000000-0000-4000-8000-{i:012d}"]}


def group_entry(name, members_, number):
    return f"cn={name},ou=groups,{BASE}", {
        "objectClass": ["top", "group"], "cn": [name], "member": list(members_),
        "entryUUID": [f"00000000-0000-4000-9000-{number:012d}"]}


def of_hostile(server):
    return {
        "host": server.host, "port": server.port, "enforce-starttls": False, "use-ldaps": False, "allow-cleartext": True,
        "user-search": {"search-base": f"ou=people,{BASE}", "search-filter-template": "(uid=%(username)s)"},
        "group-search": {"search-base": f"ou=groups,{BASE}", "search-filter-template": "(cn=%(groupname)s)"}}


@pytest.fixture
def ranged(new_daemon, hostile):
    """ranged(fault, entries): an iamd whose directory `h` is such a server; its superuser."""
    def make(fault, entries, step=7):
        server = hostile(fault, entries=dict(entries), step=step)
        admin = new_daemon().start().superuser()
        answer = admin.put("/ldap/directories/h", of_hostile(server))
        assert answer.status in (200, 201), answer
        return server, admin
    return make


def test_ranges_that_nobody_asked_for_are_fetched_to_the_end(ranged):
    people = [person(i) for i in range(40)]
    inner = group_entry("inner", [dn for dn, _ in people[20:]], 2)
    outer = group_entry("outer", [inner[0]] + [dn for dn, _ in people[:20]], 1)
    server, admin = ranged("ranges", [*people, inner, outer])
    admin.expect(201, "POST", "/ldap/directories/h/importgroup", {"groupname": "outer"})
    assert members(admin, "outer") == {f"p{i}" for i in range(40)}
    asked = {a for m in server.seen("search") for a in m.fields["attributes"] if ";range=" in a}
    assert {"member;range=7-*", "member;range=14-*"} <= asked


@pytest.mark.parametrize("fault", ["ranges_without_end", "ranges_of_nonsense"])
def test_ranges_that_make_no_sense_are_a_failed_search(ranged, fault):
    people = [person(i) for i in range(20)]
    _, admin = ranged(fault, [*people, group_entry("outer", [dn for dn, _ in people], 1)])
    refused(import_group(admin, "outer", "/ldap/directories/h"), 400, "ERR_LDAP_IMPORT_SEARCH_FAILED")
    assert admin.get("/groups/outer").code == "ERR_UNKNOWN_GROUP_ID"


def whole_and_ranged(new_daemon, hostile):
    """A server whose group `outer` comes in ranges, imported; (server, superuser)."""
    people = [person(i) for i in range(20)]
    server = hostile("ranges", entries=dict([*people, group_entry("outer", [dn for dn, _ in people], 1)]), step=7)
    admin = new_daemon().start().superuser()
    answer = admin.put("/ldap/directories/h", {**of_hostile(server), "sync-interval": 0})
    assert answer.status in (200, 201), answer
    admin.expect(201, "POST", "/ldap/directories/h/importgroup", {"groupname": "outer"})
    return server, admin


def synchronised(admin):
    admin.expect(202, "POST", "/ldap/directories/h/sync", {"full": True})
    iamd.wait_until(lambda: admin.get("/ldap/directories/h/sync").json()["state"] == "idle", 30, "the run")
    return admin.get("/ldap/directories/h/sync").json()


# The entry once more by its DN; the second range of its members.
AGAIN = [lambda m: m.fields["base"].startswith("cn=outer") and "objectClass" in m.fields["attributes"],
         lambda m: "member;range=14-*" in m.fields["attributes"]]


@pytest.mark.parametrize("which", AGAIN)
@pytest.mark.parametrize("code", [1, 3, 50, 51])
def test_a_group_in_ranges_that_cannot_be_read_fails_the_run_and_loses_nobody(new_daemon, hostile, code, which):
    server, admin = whole_and_ranged(new_daemon, hostile)
    server.codes = lambda m: code if which(m) else 0
    report = synchronised(admin)
    assert report["error"] and report["groups_vanished"] == report["members_removed"] == 0, report
    assert members(admin, "outer") == {f"p{i}" for i in range(20)}
    server.codes = lambda m: 0
    iamd.wait_until(lambda: synchronised(admin)["error"] == "", 30, "a run behind the back-off")
    assert members(admin, "outer") == {f"p{i}" for i in range(20)}


@pytest.mark.parametrize("which", AGAIN)
def test_a_group_in_ranges_may_be_gone_between_two_questions(new_daemon, hostile, which):
    server, admin = whole_and_ranged(new_daemon, hostile)
    server.codes = lambda m: 32 if which(m) else 0
    report = synchronised(admin)
    assert report["error"] == "" and report["groups_vanished"] == 1, report


@pytest.mark.parametrize("which", AGAIN)
def test_an_answer_without_the_entry_is_not_the_end_of_its_members(new_daemon, hostile, which):
    server, admin = whole_and_ranged(new_daemon, hostile)
    there = server.entries_for
    server.entries_for = lambda m: iter(()) if which(m) else there(m)
    report = synchronised(admin)
    assert report["error"] and report["members_removed"] == 0, report
    assert members(admin, "outer") == {f"p{i}" for i in range(20)}


def test_an_import_without_the_rest_of_the_members_is_none(ranged):
    people = [person(i) for i in range(20)]
    server, admin = ranged("ranges", [*people, group_entry("outer", [dn for dn, _ in people], 1)])
    there = server.entries_for
    server.entries_for = lambda m: iter(()) if AGAIN[1](m) else there(m)
    refused(import_group(admin, "outer", "/ldap/directories/h"), 400, "ERR_LDAP_IMPORT_SEARCH_FAILED")
    assert admin.get("/groups/outer").code == "ERR_UNKNOWN_GROUP_ID"


@pytest.mark.parametrize("depth, status", [(60, 201), (80, 202)])
def test_groups_nested_too_deep_are_not_followed_for_ever(ranged, depth, status):
    dn = lambda i: f"cn=g{i},ou=groups,{BASE}"  # noqa: E731
    groups = [group_entry(f"g{i}", [person(i)[0], *([dn(i + 1)] if i < depth else [])], i) for i in range(depth + 1)]
    _, admin = ranged("ranges", [*(person(i) for i in range(depth + 1)), *groups], 1000)
    answer = import_group(admin, "g0", "/ldap/directories/h")
    assert answer.status == status, answer
    assert {f"p{i}" for i in range(60)} <= members(admin, "g0")
