"""What was imported, and what a synchronisation makes of it."""
import pytest

from test_import_groups import EXPECTED, first, import_group, members, partial, subgroups
from test_import_users import fresh  # noqa: F401
from test_sync import changes, configure, sync


def corp(admin, directory, **more):
    configure(admin, directory, sync_scope="imported", **more)
    return "/ldap/directories/corp"


def test_a_partial_import_is_completed_by_the_next_synchronisation(new_daemon, new_slapd, proxy):
    slapd = new_slapd("--users", "900")
    relay = proxy(slapd)
    daemon = new_daemon(ldap_import_timeout=1).start()
    admin = daemon.superuser()
    where = corp(admin, slapd, host=relay.host, port=relay.port)
    relay.latency(0.01)
    assert 0 < partial(import_group(admin, "everyone", where)) < 900
    relay.heal()
    report = sync(admin)
    assert report["error"] == "", report
    assert members(admin, "everyone") == first(900)
    assert daemon.sql("SELECT gid, partial FROM directory_groups") == [("everyone", 0)]
    assert changes(sync(admin, full=True)) == {}


@pytest.mark.parametrize("kind", ["slapd", "ds389", "samba"])
def test_a_synchronisation_right_after_imports_changes_nothing(new_daemon, request, kind):
    """Both read groups in ways of their own; they must agree."""
    directory = request.getfixturevalue(kind)
    admin = new_daemon().start().superuser()
    base = directory.base if kind == "samba" else directory.user_base
    login = "sAMAccountName" if kind == "samba" else "uid"
    where = corp(admin, directory, user_search={"search-base": base, "search-filter-template": f"({login}=%(username)s)"})
    # deep-00 first: it becomes a nested group of deep-01 and nothing else.
    for gid in ["deep-00", "deep-01", *(g for g in EXPECTED[kind] if not g.startswith("deep-"))]:
        assert import_group(admin, gid, where).status == 201
    assert subgroups(admin, "deep-01") == {"deep-00"}
    report = sync(admin, full=True, dry_run=True)
    assert report["error"] == "", report
    assert changes(report) == {}, (changes(report), admin.get(f"{where}/sync").json())


def test_a_group_nested_two_levels_up_is_the_same_to_both(new_daemon, slapd):
    """deep-00 is in deep-02 through deep-01, which is not here."""
    admin = new_daemon().start().superuser()
    where = corp(admin, slapd)
    for gid in ("deep-00", "deep-02"):
        assert import_group(admin, gid, where).status == 201
    report = sync(admin, full=True)
    assert report["error"] == "", report
    effective = admin.get("/groups/deep-02/users?effective=true").json()["array"]
    assert {m["user"]["uid"] for m in effective} == {"user000001", "user000002", "multi", "nomail"}
    assert changes(sync(admin, full=True)) == {}
