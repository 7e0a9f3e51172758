"""Accounts and groups brought up to date with a directory: what changes, what never does, when it stops."""
import time

import ldap3
import pytest

import iamd

WAIT = 60
COUNTS = ("users_added", "users_changed", "users_vanished", "users_deleted", "users_back", "groups_added",
          "groups_changed", "groups_vanished", "groups_deleted", "members_added", "members_removed")


def configure(admin, directory, **more):
    members = {"sync_interval": 0, "sync_scope": "all", **more}
    admin.expect(200, "PUT", "/ldap/directories/corp", directory.config(**members))


def ended(admin):
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        report = admin.get("/ldap/directories/corp/sync").json()
        if report["state"] == "idle":
            return report
        time.sleep(0.05)
    raise AssertionError(f"the run does not end: {report}")


def sync(admin, **body):
    """Asks for a run and returns its report."""
    admin.expect(202, "POST", "/ldap/directories/corp/sync", body)
    return ended(admin)


def changes(report):
    """What is not zero."""
    return {name: report[name] for name in COUNTS if report[name]}


def uids(admin):
    return {u["uid"] for u in admin.get("/users").json()["array"]}


def gids(admin):
    return {g["gid"] for g in admin.get("/groups").json()["array"]}


def members(admin, gid):
    return {m["user"]["uid"] for m in admin.get(f"/groups/{gid}/users").json()["array"]}


def subgroups(admin, gid):
    return {m["group"]["gid"] for m in admin.get(f"/groups/{gid}/groups").json()["array"]}


def user(admin, uid):
    return next(u for u in admin.get(f"/users?fields=all&q={uid}").json()["array"] if u["uid"] == uid)


@pytest.fixture
def corp(new_slapd):
    """A slapd of this test alone."""
    return new_slapd()


@pytest.fixture
def admin(new_daemon):
    return new_daemon().start().superuser()


@pytest.fixture
def synced(corp, admin):
    """(directory, superuser): everything of the directory is here."""
    configure(admin, corp)
    report = sync(admin)
    assert report["error"] == "" and report["full"], report
    return corp, admin


def person(directory, uid, **more):
    dn = f"uid={uid},{directory.user_base}"
    with directory.admin() as c:
        c.add(dn, ["inetOrgPerson"], {"cn": uid.upper(), "sn": uid, "mail": f"{uid}@example.test", **more})
    return dn


def change(directory, dn, attribute, *values):
    with directory.admin() as c:
        c.modify(dn, {attribute: [(ldap3.MODIFY_REPLACE, list(values))]})


def test_the_first_run_takes_over_users_groups_and_members(synced):
    corp, admin = synced
    there = corp.users
    assert {"user000000", "user000019"} <= uids(admin)
    assert members(admin, "group0000") == {f"user{i:06d}" for i in range(10)}
    here = uids(admin) - {iamd.SUPERUSER}
    assert here <= set(there) and len(here) > 20
    report = admin.get("/ldap/directories/corp/sync").json()
    assert report["users_added"] == len(here)
    assert report["skipped"] > 0  # of the odd names


def test_a_second_run_reads_little_and_changes_nothing(synced):
    _, admin = synced
    before = uids(admin), gids(admin)
    report = sync(admin)
    assert not report["full"] and not changes(report) and report["error"] == ""
    assert not changes(sync(admin, full=True))
    assert (uids(admin), gids(admin)) == before


def test_a_dry_run_says_what_would_change_and_changes_nothing(corp, admin):
    configure(admin, corp)
    before = uids(admin), gids(admin)
    report = sync(admin, dry_run=True)
    assert report["dry_run"] and report["users_added"] > 20
    assert {"change": "user-add", "uid": "user000007"} in report["changes"]
    assert {"change": "member-add", "uid": "user000000", "gid": "group0000"} in report["changes"]
    assert (uids(admin), gids(admin)) == before
    assert sync(admin)["users_added"] == report["users_added"]


def test_new_people_and_new_texts_come_with_a_delta(synced):
    corp, admin = synced
    person(corp, "newcomer")
    change(corp, corp.users["user000001"], "cn", "Another Name")
    report = sync(admin)
    assert not report["full"]
    assert changes(report) == {"users_added": 1, "users_changed": 1}
    assert user(admin, "newcomer")["description"] == "NEWCOMER"
    assert user(admin, "user000001")["description"] == "Another Name"


def test_members_come_and_go_with_a_delta(synced):
    corp, admin = synced
    with corp.admin() as c:
        c.modify(corp.groups["group0000"], {"member": [(ldap3.MODIFY_ADD, [corp.users["user000015"]]),
                                                       (ldap3.MODIFY_DELETE, [corp.users["user000003"]])]})
    report = sync(admin)
    assert changes(report) == {"members_added": 1, "members_removed": 1}
    assert "user000015" in members(admin, "group0000") and "user000003" not in members(admin, "group0000")
    assert "user000003" in uids(admin)


def test_who_is_renamed_keeps_account_and_memberships(synced):
    corp, admin = synced
    with corp.admin() as c:
        c.modify_dn(corp.users["user000002"], "uid=renamed")
    report = sync(admin, full=True)
    assert report["users_added"] == report["users_vanished"] == 0
    assert "user000002" in uids(admin) and "renamed" not in uids(admin)
    assert user(admin, "user000002")["enabled"]


def test_a_renamed_group_keeps_its_gid_and_its_grants(synced):
    corp, admin = synced
    admin.expect(201, "PUT", "/acls/app", {"description": "x"})
    admin.expect(204, "PUT", "/acls/app/groups/group0001/read")
    with corp.admin() as c:
        c.modify_dn(corp.groups["group0001"], "cn=anothername")
    report = sync(admin)
    assert report["groups_added"] == report["groups_vanished"] == 0
    assert "group0001" in gids(admin) and "anothername" not in gids(admin)
    assert admin.get("/acls/app/groups/group0001/read").json() == {"allowed": True}


def test_who_vanishes_is_disabled_and_deleted_after_the_grace_period(synced):
    corp, admin = synced
    dn = person(corp, "leaver")
    with corp.admin() as c:
        c.modify(corp.groups["group0000"], {"member": [(ldap3.MODIFY_ADD, [dn])]})
    sync(admin)
    assert "leaver" in members(admin, "group0000")
    with corp.admin() as c:
        c.delete(dn)
    report = sync(admin, full=True)
    assert report["users_vanished"] == 1
    assert user(admin, "leaver")["enabled"] is False
    assert changes(sync(admin, full=True)) == {}
    configure(admin, corp, grace_period=0)
    assert changes(sync(admin)) == {"users_deleted": 1}
    assert "leaver" not in uids(admin)


def test_a_group_that_vanishes_loses_what_the_directory_gave_it(synced):
    corp, admin = synced
    admin.expect(201, "PUT", "/users/local", {"description": "x", "password": "correct horse battery"})
    admin.expect(204, "PUT", "/groups/group0002/users/local")
    with corp.admin() as c:
        c.delete(corp.groups["group0002"])
    report = sync(admin, full=True)
    assert report["groups_vanished"] == 1 and report["members_removed"] > 0
    assert members(admin, "group0002") == {"local"}


def test_what_was_made_by_hand_is_never_touched(corp, admin):
    admin.expect(201, "PUT", "/users/user000004", {"description": "local", "password": "correct horse battery"})
    configure(admin, corp)
    sync(admin)
    assert user(admin, "user000004")["description"] == "local"
    assert "user000004" not in members(admin, "group0000")
    admin.expect(204, "PUT", "/groups/group0000/users/user000015")
    admin.expect(204, "PUT", "/groups/group0000/users/user000004")
    assert not changes(sync(admin, full=True))
    assert {"user000015", "user000004"} <= members(admin, "group0000")


def test_an_account_made_in_advance_waits_for_its_login_or_an_import(corp, new_daemon):
    daemon = new_daemon().start()
    admin = daemon.superuser()
    admin.expect(201, "PUT", "/users/user000004", {"provider_type": "ldap", "description": "expected"})
    configure(admin, corp)
    report = sync(admin)
    assert report["error"] == "" and report["skipped"] > 0
    assert user(admin, "user000004")["description"] == "expected"
    assert "user000004" not in members(admin, "group0000")
    assert daemon.sql("SELECT 1 FROM directory_users WHERE uid = 'user000004'") == []
    lines = [line for line in daemon.log().splitlines() if "ldap.sync_skipped" in line]
    assert len(lines) == 1 and "user000004" in lines[0]
    assert not changes(sync(admin, full=True))
    admin.expect(204, "DELETE", "/groups/group0000")
    admin.expect(201, "POST", "/ldap/directories/corp/importgroup", {"groupname": "group0000"})
    assert "user000004" in members(admin, "group0000")
    assert len(daemon.sql("SELECT 1 FROM directory_users WHERE uid = 'user000004'")) == 1
    change(corp, corp.users["user000004"], "cn", "Known By Now")
    assert sync(admin)["error"] == "" and user(admin, "user000004")["description"] == "Known By Now"


def test_what_is_replaced_while_a_run_reads_is_not_the_directorys(corp, new_daemon, proxy):
    daemon = new_daemon().start()
    admin = daemon.superuser()
    relay = proxy(corp)
    replaced, kept = person(corp, "replaced"), person(corp, "kept")
    configure(admin, corp, host=relay.host, port=relay.port)
    assert sync(admin)["error"] == ""
    for gid in ("group0000", "group0001"):
        change(corp, corp.groups[gid], "description", "new words")
    with corp.admin() as c:
        for gid in ("group0000", "group0001"):
            c.modify(corp.groups[gid], {"member": [(ldap3.MODIFY_ADD, [replaced, kept])]})
    relay.latency(1)
    admin.expect(202, "POST", "/ldap/directories/corp/sync", {"full": True})
    iamd.wait_until(lambda: admin.get("/ldap/directories/corp/sync").json()["state"] == "reading", what="reading")
    time.sleep(0.3)  # what is stored has been read; an answer takes a second
    admin.expect(204, "DELETE", "/groups/group0000")
    admin.expect(201, "PUT", "/groups/group0000", {"description": "local"})
    admin.expect(204, "DELETE", "/users/replaced")
    admin.expect(201, "PUT", "/users/replaced", {"description": "local", "password": "correct horse battery"})
    assert admin.get("/ldap/directories/corp/sync").json()["state"] == "reading"
    report = ended(admin)
    assert report["error"] == "" and report["full"] and report["skipped"] > 0
    assert members(admin, "group0000") == set()
    assert admin.get("/groups/group0000").json()["description"] == "local"
    assert daemon.sql("SELECT 1 FROM directory_groups WHERE gid = 'group0000'") == []
    assert "kept" in members(admin, "group0001")
    assert "replaced" not in members(admin, "group0001")
    assert admin.get("/groups/group0001").json()["description"] == "new words"


@pytest.mark.parametrize("fails", ["INSERT ON directory_members",
                                   "UPDATE ON directory_sync WHEN new.report <> old.report"], ids=["half-way", "at-its-end"])
def test_after_a_run_that_ended_half_way_the_next_is_full(corp, new_daemon, fails):
    daemon = new_daemon().start()
    admin = daemon.superuser()
    configure(admin, corp)
    assert sync(admin)["full"] and not sync(admin)["full"]
    dn = person(corp, "newcomer")
    with corp.admin() as c:
        c.modify(corp.groups["group0000"], {"member": [(ldap3.MODIFY_ADD, [dn])]})
    daemon.sql(f"CREATE TRIGGER no_rows BEFORE {fails} BEGIN SELECT RAISE(FAIL, 'no room'); END")
    report = sync(admin)
    assert not report["full"] and report["users_added"] == 1
    assert bool(report["error"]) == ("newcomer" not in members(admin, "group0000"))
    daemon.sql("DROP TRIGGER no_rows")
    report = sync(admin)
    assert report["full"] and report["error"] == ""
    assert "newcomer" in members(admin, "group0000")
    assert not sync(admin)["full"]


def test_too_many_that_would_vanish_stop_the_run(synced):
    corp, admin = synced
    before = uids(admin)
    search = {"search-base": corp.user_base, "search-filter-template": "(&(uid=%(username)s)(uid=user00000*))"}
    configure(admin, corp, user_search=search)
    report = sync(admin)
    assert report["stopped"] and "sync-max-vanished" in report["error"]
    assert report["users_vanished"] >= 5  # that many would have
    assert uids(admin) == before and user(admin, "user000015")["enabled"]
    assert admin.get("/users/user000015").status == 200
    configure(admin, corp, user_search=search, sync_max_vanished=100)
    assert not sync(admin)["stopped"]
    assert not user(admin, "user000015")["enabled"]
    configure(admin, corp)
    assert sync(admin)["users_back"] > 5
    assert user(admin, "user000015")["enabled"]


def empty_groups(directory, *names):
    """Whoever reads them sees one member each."""
    for name in names:
        change(directory, directory.groups[name], "member", directory.users["user000000"])


@pytest.mark.parametrize("full", [False, True])
def test_too_many_memberships_that_would_go_stop_the_run(synced, full):
    corp, admin = synced
    configure(admin, corp, sync_max_vanished=5)
    sync(admin)
    before = members(admin, "everyone"), members(admin, "group0000")
    empty_groups(corp, "everyone", "group0000")
    report = sync(admin, full=full)
    assert report["full"] == full and report["stopped"], report
    assert "memberships would be removed" in report["error"] and report["members_removed"] >= 20
    assert (members(admin, "everyone"), members(admin, "group0000")) == before
    assert sync(admin)["stopped"]  # as long as it is so
    configure(admin, corp, sync_max_vanished=100)
    assert not sync(admin)["stopped"]
    assert members(admin, "everyone") == {"user000000"}


@pytest.mark.parametrize("full", [False, True])
def test_too_many_that_would_be_disabled_stop_the_run(synced, full):
    corp, admin = synced
    configure(admin, corp, sync_max_vanished=5)
    sync(admin)
    for i in range(6):
        change(corp, corp.users[f"user{i:06d}"], "pwdAccountLockedTime", "000001010000Z")
    report = sync(admin, full=full)
    assert report["full"] == full and report["stopped"], report
    assert "users would be disabled" in report["error"]
    assert all(user(admin, f"user{i:06d}")["enabled"] for i in range(6))
    configure(admin, corp, sync_max_vanished=100)
    assert not sync(admin)["stopped"]
    assert not any(user(admin, f"user{i:06d}")["enabled"] for i in range(6))


def test_without_a_group_rule_groups_stay_as_they_are(synced):
    corp, admin = synced
    before = gids(admin), members(admin, "group0000")
    configure(admin, corp, group_search=None, sync_max_vanished=100, grace_period=0)
    for full in (True, False):
        report = sync(admin, full=full)
        assert report["error"] == "" and not changes(report), report
    assert (gids(admin), members(admin, "group0000")) == before
    configure(admin, corp)
    assert not changes(sync(admin))


def delegate(daemon, admin):
    """Somebody local who makes groups and says who is in them."""
    admin.expect(201, "PUT", "/users/helper", {"description": "x", "password": "correct horse battery"})
    admin.expect(201, "PUT", "/acls/iam:groups", {"description": "groups"})
    admin.expect(204, "PUT", "/acls/iam:groups/users/helper/create")
    admin.expect(204, "PUT", "/acls/iam:groups/users/helper/update")
    return daemon.client(daemon.login("helper", "correct horse battery"))


def test_nobody_gains_by_a_group_within_a_protected_one(corp, new_daemon):
    daemon = new_daemon().start()
    admin = daemon.superuser()
    configure(admin, corp, sync_scope="imported")
    admin.expect(201, "POST", "/ldap/directories/corp/importgroup", {"groupname": "deep-01"})
    admin.expect(204, "PUT", "/groups/superusers/groups/deep-01")
    helper = delegate(daemon, admin)
    helper.expect(201, "POST", "/ldap/directories/corp/importgroup", {"groupname": "deep-00"})
    helper.expect(204, "PUT", "/groups/deep-00/users/helper")
    there = {"user000001", "multi", "nomail"}
    for _ in range(2):
        assert sync(admin, full=True)["error"] == ""
        assert subgroups(admin, "deep-01") == set() and members(admin, "deep-01") == there
        assert members(admin, "deep-00") == {"multi", "nomail", "helper"}
        assert helper.put("/users/gained", {"password": "correct horse battery"}).status == 403
    with corp.admin() as c:  # who comes into the inner one comes into the outer one too
        c.modify(corp.groups["deep-00"], {"member": [(ldap3.MODIFY_ADD, [corp.users["user000007"]])]})
    assert sync(admin)["error"] == ""
    assert members(admin, "deep-01") == there | {"user000007"}


def test_a_group_that_is_granted_rights_keeps_people_and_no_groups(corp, admin):
    configure(admin, corp, sync_scope="imported")
    for gid in ("deep-01", "deep-00"):
        admin.expect(201, "POST", "/ldap/directories/corp/importgroup", {"groupname": gid})
    sync(admin, full=True)
    assert (subgroups(admin, "deep-01"), members(admin, "deep-01")) == ({"deep-00"}, {"user000001"})
    admin.expect(201, "PUT", "/acls/iam:users", {"description": "x"})
    admin.expect(204, "PUT", "/acls/iam:users/groups/deep-01/read")
    sync(admin, full=True)
    assert subgroups(admin, "deep-01") == set()
    assert members(admin, "deep-01") == {"user000001", "multi", "nomail"}
    assert not changes(sync(admin, full=True))


def test_an_entry_that_is_locked_there_is_disabled_here_until_it_is_not(synced):
    corp, admin = synced
    dn = corp.users["user000006"]
    change(corp, dn, "pwdAccountLockedTime", "000001010000Z")
    sync(admin)
    assert not user(admin, "user000006")["enabled"]
    with corp.admin() as c:
        c.modify(dn, {"pwdAccountLockedTime": [(ldap3.MODIFY_DELETE, [])]})
    sync(admin)
    assert user(admin, "user000006")["enabled"]


def test_who_was_disabled_by_hand_stays_so(synced):
    corp, admin = synced
    admin.expect(204, "PATCH", "/users/user000008", {"enabled": False})
    change(corp, corp.users["user000008"], "cn", "Changed")
    sync(admin)
    sync(admin, full=True)
    assert user(admin, "user000008")["description"] == "Changed"
    assert not user(admin, "user000008")["enabled"]


def test_only_what_was_imported_is_kept_up_to_date(corp, admin):
    configure(admin, corp, sync_scope="imported")
    assert not changes(sync(admin))
    admin.expect(201, "POST", "/ldap/directories/corp/importgroup", {"groupname": "group0000"})
    admin.expect(201, "POST", "/ldap/directories/corp/importuser", {"username": "user000012"})
    before = uids(admin)
    dn = person(corp, "joiner")
    person(corp, "stranger")
    with corp.admin() as c:
        c.modify(corp.groups["group0000"], {"member": [(ldap3.MODIFY_ADD, [dn])]})
    report = sync(admin)
    assert changes(report) == {"users_added": 1, "members_added": 1}
    assert uids(admin) == before | {"joiner"} and "joiner" in members(admin, "group0000")


def test_a_directory_that_does_not_answer_changes_nothing(synced):
    corp, admin = synced
    before = uids(admin)
    corp.stop()
    report = sync(admin, full=True)
    assert report["error"] and not changes(report)
    corp.start()
    assert uids(admin) == before


def test_a_run_is_cancelled_within_a_second(corp, admin, proxy):
    relay = proxy(corp)
    configure(admin, corp, host=relay.host, port=relay.port)
    relay.latency(0.3)
    admin.expect(202, "POST", "/ldap/directories/corp/sync", {})
    assert admin.post("/ldap/directories/corp/sync", {}).status == 409
    iamd.wait_until(lambda: admin.get("/ldap/directories/corp/sync").json()["state"] == "reading", what="reading")
    time.sleep(0.2)
    relay.hang()
    before = time.monotonic()
    admin.expect(204, "DELETE", "/ldap/directories/corp/sync")
    report = ended(admin)
    # A connection that is being made has three seconds.
    assert time.monotonic() - before < 4
    assert report["cancelled"] and not changes(report)
    assert admin.delete("/ldap/directories/corp/sync").status == 409


def test_runs_are_counted_shown_and_written_down(corp, new_daemon):
    daemon = new_daemon().start()
    admin = daemon.superuser()
    assert admin.post("/ldap/directories/none/sync", {}).code == "ERR_LDAP_CONFIG_NOT_AVAILABLE"
    assert admin.post("/ldap/sync", {}).code == "ERR_LDAP_CONFIG_NOT_AVAILABLE"
    configure(admin, corp)
    report = sync(admin)
    assert report["started_at"] <= report["finished_at"] == report["succeeded_at"]
    assert daemon.metric('iamd_ldap_sync_runs_total{result="ok"}', admin) == 1
    assert daemon.metric('iamd_ldap_sync_entries_read{directory="corp"}', admin) == report["entries_read"]
    rows = daemon.sql("SELECT actor, object, result, reason FROM audit WHERE action = 'directory-sync'")
    assert [tuple(r)[:3] for r in rows] == [(iamd.SUPERUSER, "corp", "allow")]
    assert f"users_added {report['users_added']}" in rows[0][3]
    assert "ldap.sync_start" in daemon.log() and "ldap.sync_end" in daemon.log()
    daemon.restart()
    again = daemon.superuser()
    iamd.wait_until(lambda: ended(again)["users_added"] == report["users_added"], what="the report of before")


def test_a_directory_is_read_by_itself(corp, admin):
    configure(admin, corp, sync_interval=1)
    iamd.wait_until(lambda: "user000000" in uids(admin), timeout=WAIT, what="the first run")
    person(corp, "later")
    iamd.wait_until(lambda: "later" in uids(admin), timeout=WAIT, what="the next run")


def test_the_last_superuser_stays(corp, new_daemon):
    admin = new_daemon(superuser=False, api_access="gateway").start().client()
    configure(admin, corp)
    sync(admin)
    admin.expect(204, "PUT", "/groups/superusers/users/user000005")
    for uid in ("user000005", "user000009"):
        change(corp, corp.users[uid], "pwdAccountLockedTime", "000001010000Z")
    report = sync(admin)
    assert report["users_changed"] == 1
    assert user(admin, "user000005")["enabled"]
    assert not user(admin, "user000009")["enabled"]
    admin.expect(204, "PUT", "/groups/superusers/users/user000007")
    sync(admin, full=True)
    assert not user(admin, "user000005")["enabled"]


def test_active_directory_tells_changes_by_number(samba, admin):
    """The directory is shared: what is made is taken away again."""
    configure(admin, samba, grace_period=0)
    report = sync(admin)
    assert report["error"] == "" and report["full"] and report["users_added"] > 5
    assert not user(admin, "disabled")["enabled"]
    name = f"newcomer{time.time_ns() % 10**9}"
    dn = f"CN={name},{samba.user_base}"
    with samba.admin() as c:
        c.add(dn, ["user"], {"sAMAccountName": name, "userAccountControl": "514"})
    try:
        report = sync(admin)
        assert not report["full"] and report["users_added"] == 1 and report["entries_read"] < 20
        assert not user(admin, name)["enabled"]
        assert not changes(sync(admin, full=True))
    finally:
        with samba.admin() as c:
            c.delete(dn)
    assert changes(sync(admin, full=True)) == {"users_deleted": 1}


def test_389_ds_tells_changes_by_time(ds389, admin):
    configure(admin, ds389, grace_period=0)
    report = sync(admin)
    assert report["error"] == "" and report["full"] and report["users_added"] > 5
    name = f"newcomer{time.time_ns() % 10**9}"
    dn = person(ds389, name)
    try:
        report = sync(admin)
        assert not report["full"] and report["users_added"] == 1
        with ds389.admin() as c:
            c.modify(dn, {"nsAccountLock": [(ldap3.MODIFY_REPLACE, ["true"])]})
        sync(admin)
        assert not user(admin, name)["enabled"]
    finally:
        with ds389.admin() as c:
            c.delete(dn)
    assert changes(sync(admin, full=True)) == {"users_deleted": 1}
