"""Configurations of directories: put, shown, kept, deleted; their secrets leave iamd nowhere. No server is contacted."""
import ctypes
import json
import os
import sqlite3
import threading

import pytest

import certificates
import iamd
import keys

PASSWORD = "lookup password of the tests"
CONFIG = {"host": "ldap.example.com", "port": 389, "enforce-starttls": True, "use-ldaps": False,
          "dntemplate": "uid=%(username)s,ou=people,dc=example,dc=com"}
SEARCHES = {**{k: v for k, v in CONFIG.items() if k != "dntemplate"},
            "user-search": {"search-base": "ou=people,dc=example,dc=com", "search-filter-template": "(uid=%(username)s)"},
            "group-search": {"search-base": "ou=groups,dc=example,dc=com", "search-filter-template": "(cn=%(groupname)s)",
                             "member-attributes": ["member", "memberUid"]},
            "lookup-dn": "cn=iam,dc=example,dc=com", "lookup-password": PASSWORD}
FURTHER = {"servers": [{"host": "10.1.2.3", "port": 636}], "allow-cleartext": False, "uid-attribute": "cn",
           "description-attribute": "displayName", "email-attribute": "mail", "timeouts": {"connect": 1, "operation": 2, "search": 3},
           "sync-interval": 0, "sync-scope": "all", "sync-max-vanished": 5, "grace-period": 60, "nested-groups": False,
           "login-order": 7}
MARKER = "********"


@pytest.fixture
def daemon(new_daemon):
    return new_daemon().start()


@pytest.fixture
def root(daemon):
    return daemon.superuser()


def secrets_of(daemon, directory="default", key_file=None):
    """What is sealed in the database, opened as iamd would."""
    (sealed,), = daemon.sql("SELECT sealed FROM directories WHERE id = ?", directory)
    if sealed is None:
        return None
    key = (key_file or daemon.state_dir / "keys" / "master.key").read_bytes()
    place = f"directories|sealed|{directory}".encode()
    plain, length = ctypes.create_string_buffer(len(sealed)), ctypes.c_ulonglong()
    assert sealed[0] == 1 and ctypes.CDLL("libsodium.so.23").crypto_aead_xchacha20poly1305_ietf_decrypt(
        plain, ctypes.byref(length), None, sealed[25:], ctypes.c_ulonglong(len(sealed) - 25), place,
        ctypes.c_ulonglong(len(place)), sealed[1:25], key) == 0
    return plain.raw[:length.value]


def refused(answer, status, code, *texts):
    assert (answer.status, answer.code) == (status, code), answer
    for text in texts:
        assert text in answer.json()["description"], answer


# -- the old interface

def test_a_configuration_comes_and_goes(daemon, root):
    refused(root.get("/ldap/config"), 400, "ERR_LDAP_CONFIG_NOT_AVAILABLE", "No LDAP configuration stored yet.")
    refused(root.delete("/ldap/config"), 400, "ERR_LDAP_CONFIG_NOT_AVAILABLE", "No LDAP configuration stored yet.")
    answer = root.put("/ldap/config", CONFIG)
    assert (answer.status, answer.body) == (200, b"")
    answer = root.get("/ldap/config")
    assert answer.status == 200 and answer.json() == CONFIG
    assert answer.body.decode() == json.dumps(CONFIG, indent=2) + "\n"
    assert root.put("/ldap/config", SEARCHES).status == 200
    assert root.get("/ldap/config").json() == {**SEARCHES, "lookup-password": MARKER}
    assert root.delete("/ldap/config").status == 204
    refused(root.get("/ldap/config"), 400, "ERR_LDAP_CONFIG_NOT_AVAILABLE")
    refused(root.delete("/ldap/config"), 400, "ERR_LDAP_CONFIG_NOT_AVAILABLE")


def test_what_is_shown_can_be_put_back_and_keeps_the_secrets(daemon, root, tmp_path):
    pair = certificates.make(tmp_path, "server")
    certificate, key = open(pair.certificate).read(), open(pair.key).read()
    daemon.secrets.update(key.split("\n")[1:-2])
    sent = {**SEARCHES, "ca-certs": certificate, "client-cert": key + certificate}
    root.expect(200, "PUT", "/ldap/config", sent)
    sealed = PASSWORD.encode() + b"\0" + (key + certificate).encode()
    assert secrets_of(daemon) == sealed
    for number in range(3):  # as a browser does: read, edit, write
        shown = root.get("/ldap/config").json()
        assert shown == {**sent, "lookup-password": MARKER, "client-cert": MARKER, **({"port": 388 + number} if number else {})}
        root.expect(200, "PUT", "/ldap/config", {**shown, "port": 389 + number})
        assert secrets_of(daemon) == sealed
    root.expect(200, "PUT", "/ldap/config", {**SEARCHES, "lookup-password": "another lookup password"})
    assert secrets_of(daemon) == b"another lookup password\0"
    root.expect(200, "PUT", "/ldap/config", CONFIG)
    assert secrets_of(daemon) is None
    refused(root.put("/ldap/config", {**SEARCHES, "lookup-password": MARKER}), 400, "ERR_LDAP_CONFIG_INVALID",
            "`lookup-password` is the marker")


def test_the_old_interface_keeps_what_it_does_not_know(daemon, root):
    root.expect(200, "PUT", "/ldap/directories/default", {**SEARCHES, **FURTHER})
    assert root.get("/ldap/config").json() == {**SEARCHES, "lookup-password": MARKER}
    root.expect(200, "PUT", "/ldap/config", {**SEARCHES, "host": "other.example.com", "lookup-password": MARKER})
    assert root.get("/ldap/directories/default").json() == {
        "id": "default", **SEARCHES, **FURTHER, "host": "other.example.com", "lookup-password": MARKER}
    for name, value in FURTHER.items():
        refused(root.put("/ldap/config", {**SEARCHES, name: value}), 400, "ERR_LDAP_CONFIG_INVALID", f"`{name}`",
                "PUT /ldap/directories/default")


# -- several

def test_directories_are_listed_in_login_order(root):
    assert root.get("/ldap/directories").json() == {"array": []}
    for name, order in (("default", 100), ("branch", 100), ("first", 1)):
        root.expect(200, "PUT", f"/ldap/directories/{name}", {**CONFIG, "login-order": order})
    assert root.get("/ldap/directories").json()["array"] == [
        {"id": name, "url": f"/acs/api/v1/ldap/directories/{name}", "host": CONFIG["host"], "port": 389, "login-order": order}
        for name, order in (("first", 1), ("branch", 100), ("default", 100))]
    assert root.get("/ldap/config").json() == CONFIG
    root.expect(204, "DELETE", "/ldap/directories/branch")
    for method in ("GET", "DELETE"):
        refused(root(method, "/ldap/directories/branch"), 400, "ERR_LDAP_CONFIG_NOT_AVAILABLE", "`branch` not known")
    assert [d["id"] for d in root.get("/ldap/directories").json()["array"]] == ["first", "default"]


def test_what_is_left_out_has_its_default(root):
    root.expect(200, "PUT", "/ldap/directories/x", {**SEARCHES, **FURTHER})
    root.expect(200, "PUT", "/ldap/directories/x", {**CONFIG, "id": "x"})
    assert root.get("/ldap/directories/x").json() == {
        "id": "x", **CONFIG, "allow-cleartext": False, "description-attribute": "cn", "email-attribute": "mail",
        "timeouts": {"connect": 3, "operation": 5, "search": 30}, "sync-interval": 1800, "sync-scope": "imported",
        "sync-max-vanished": 20, "grace-period": 604800, "nested-groups": True, "login-order": 100}


def test_there_are_at_most_32(root):
    for number in range(32):
        root.expect(200, "PUT", f"/ldap/directories/d{number}", CONFIG)
    for answer in (root.put("/ldap/directories/one-more", CONFIG), root.put("/ldap/config", CONFIG)):
        refused(answer, 409, None, "32 directories", "delete one first")
    root.expect(200, "PUT", "/ldap/directories/d7", {**CONFIG, "port": 7})
    root.expect(204, "DELETE", "/ldap/directories/d8")
    root.expect(200, "PUT", "/ldap/config", CONFIG)
    assert len(root.get("/ldap/directories").json()["array"]) == 32


# -- mistakes

@pytest.mark.parametrize("body, text", [
    ([], "must be a JSON object"), ({}, "`host` is missing"), ({**CONFIG, "port": 0}, "`port`"),
    ({**CONFIG, "host": "ldaps://x"}, "`host`"), ({**CONFIG, "use-ldaps": True}, "both"),
    ({**CONFIG, "lookup-password": PASSWORD}, "`lookup-password` without `lookup-dn`"),
    ({**CONFIG, "lookup-dn": "cn=x"}, "`lookup-dn` without `lookup-password`"),
    ({**CONFIG, "dntemplate": "uid=x"}, "%(username)s"), ({**SEARCHES, **CONFIG}, "two ways"),
    ({**CONFIG, "ca-certs": "nonsense"}, "`ca-certs` holds no certificate"),
    ({**CONFIG, "client-cert": PASSWORD}, "`client-cert` without `ca-certs`"),
    ({**CONFIG, "lookup-Password": PASSWORD}, "unknown member `lookup-Password`"), ({**CONFIG, PASSWORD: 1}, "unknown member:"),
    ({**CONFIG, "host": PASSWORD}, "`host`"), ({**CONFIG, "port": PASSWORD}, "`port`"),
    ({**CONFIG, "ca-certs": PASSWORD}, "`ca-certs`"), ({**CONFIG, "user-search": {PASSWORD: 1}}, "`user-search`")])
def test_a_mistake_is_named_and_no_value_is_said_back(enforce, admin, body, text):
    answer = admin.put("/ldap/directories/mistaken", body)
    refused(answer, 400, "ERR_LDAP_CONFIG_INVALID", text)
    assert PASSWORD not in answer.body.decode() and PASSWORD not in enforce.log()
    refused(admin.get("/ldap/directories/mistaken"), 400, "ERR_LDAP_CONFIG_NOT_AVAILABLE")


@pytest.mark.parametrize("name", ["a_b", "a.b", "a%20b", "x" * 65, "%C3%A9", "..."])
def test_an_impossible_id_is_refused(admin, name):
    answer = admin.put(f"/ldap/directories/{name}", CONFIG)
    refused(answer, 400, "ERR_LDAP_CONFIG_INVALID", "the id must be 1 to 64 letters, digits or '-'")
    refused(admin.get(f"/ldap/directories/{name}"), 400, "ERR_LDAP_CONFIG_NOT_AVAILABLE")


def test_a_body_that_is_none_is_refused(admin):
    refused(admin.put("/ldap/config"), 400, None, "lacks JSON data")
    for raw, text in ((b"null", "lacks JSON data"), (b'{"host": "a", "host": "b"}', "Cannot decode JSON body"),
                      (b"{", "Cannot decode JSON body"), (b"\xff", "UTF-8")):
        refused(admin("PUT", "/ldap/config", body=raw, headers=[("Content-Type", "application/json")]), 400, None, text)
    refused(admin.put("/ldap/config", {**CONFIG, "dntemplate": "x" * (300 << 10)}), 413, "ERR_TOO_LARGE")
    refused(admin.put("/ldap/config", {**CONFIG, "dntemplate": "x" * 1025}), 400, "ERR_LDAP_CONFIG_INVALID", "1024")
    refused(admin.put("/ldap/config", {**CONFIG, "ca-certs": "x" * 65537}), 400, "ERR_LDAP_CONFIG_INVALID", "65536")


def test_certificates_of_the_greatest_length_are_taken(daemon, root, tmp_path):
    pair = certificates.make(tmp_path, "server")
    certificate, key = open(pair.certificate).read(), open(pair.key).read()
    daemon.secrets.update(key.split("\n")[1:-2])
    pad = "\n".join(['"\\' * 40] * 900)
    bundle = (certificate + pad)[:65536]
    body = {**SEARCHES, "ca-certs": bundle, "client-cert": (key + bundle)[:65536]}
    root.expect(200, "PUT", "/ldap/config", body)
    root.expect(200, "PUT", "/ldap/config", {**body, "lookup-password": MARKER, "client-cert": MARKER})
    daemon.restart()
    assert daemon.superuser().get("/ldap/config").json()["ca-certs"] == bundle
    assert secrets_of(daemon) == PASSWORD.encode() + b"\0" + body["client-cert"].encode()


# -- it stays

def test_all_is_there_after_a_restart_and_after_a_kill(daemon, root):
    root.expect(200, "PUT", "/ldap/config", SEARCHES)
    root.expect(200, "PUT", "/ldap/directories/branch", {**SEARCHES, **FURTHER})
    root.expect(200, "PUT", "/ldap/directories/gone", CONFIG)
    root.expect(204, "DELETE", "/ldap/directories/gone")
    before = [root.get(p).body for p in ("/ldap/config", "/ldap/directories", "/ldap/directories/branch")]
    for again in (daemon.stop, daemon.kill):
        again()
        daemon.start()
        root = daemon.superuser()
        assert [root.get(p).body for p in ("/ldap/config", "/ldap/directories", "/ldap/directories/branch")] == before
        assert secrets_of(daemon) == secrets_of(daemon, "branch") == PASSWORD.encode() + b"\0"


def test_what_runs_is_what_was_stored_last(daemon, root):
    """Many at once on one directory: the answers agree with some order, and all that is kept with the last of it."""
    tokens = [daemon.superuser() for _ in range(4)]
    failures = []

    def act(number):
        for turn in range(15):
            body = {**SEARCHES, "port": 1 + number * 100 + turn}
            answer = tokens[number].put("/ldap/directories/x", body)
            shown = tokens[number].get("/ldap/directories/x")
            if answer.status != 200 or shown.status not in (200, 400):
                failures.append((answer, shown))
            if turn % 5 == 4 and tokens[number].delete("/ldap/directories/x").status not in (204, 400):
                failures.append("delete")

    for _ in range(3):
        threads = [threading.Thread(target=act, args=(n,)) for n in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert not failures
        rows = daemon.sql("SELECT config FROM directories WHERE id = 'x'")
        shown = root.get("/ldap/directories/x")
        action, reason = daemon.sql("SELECT action, reason FROM audit WHERE action LIKE 'directory-%' ORDER BY id DESC LIMIT 1")[0]
        assert (shown.status == 200) == bool(rows) == (action == "directory-put")
        if rows:
            assert shown.json()["port"] == json.loads(rows[0][0])["port"]
            assert f" port {shown.json()['port']};" in reason


def test_the_deletion_of_a_directory_keeps_accounts_and_what_they_are(daemon, root):
    root.expect(200, "PUT", "/ldap/config", SEARCHES)
    root.expect(201, "PUT", "/users/far", {"provider_type": "ldap"})
    root.expect(201, "PUT", "/groups/team", {"description": "x", "provider_type": "ldap"})
    root.expect(204, "PUT", "/groups/team/users/far")
    daemon.stop()
    daemon.sql("INSERT INTO directory_users VALUES ('far', 'default', 'entry-1', 'uid=far', '', 0, 0)")
    daemon.sql("INSERT INTO directory_groups VALUES ('team', 'default', 'entry-2', 'cn=team', 0, 0)")
    daemon.start()
    root = daemon.superuser()
    root.expect(204, "DELETE", "/ldap/config")
    assert root.get("/users/far").json()["provider_type"] == "ldap"
    assert [m["user"]["uid"] for m in root.get("/groups/team/users").json()["array"]] == ["far"]
    assert daemon.sql("SELECT directory, subject FROM directory_users WHERE uid = 'far'") == [("default", "entry-1")]
    assert daemon.sql("SELECT directory, subject FROM directory_groups WHERE gid = 'team'") == [("default", "entry-2")]
    root.expect(200, "PUT", "/ldap/config", SEARCHES)
    assert daemon.sql("SELECT count(*) FROM directory_users") == [(1,)]


def test_a_change_is_audited_without_its_secrets(daemon, root):
    root.expect(200, "PUT", "/ldap/config", SEARCHES)
    root.expect(200, "PUT", "/ldap/directories/default",
                {**CONFIG, "enforce-starttls": False, "allow-cleartext": True, "host": "evil.example"})
    root.expect(204, "DELETE", "/ldap/config")
    assert root.put("/ldap/config", {}).status == 400
    assert daemon.sql("SELECT action, actor, object, result, reason FROM audit WHERE action LIKE 'directory-%' ORDER BY id") == [
        ("directory-put", iamd.SUPERUSER, "default", "allow", "new; ldap.example.com port 389; StartTLS, certificate not verified"),
        ("directory-put", iamd.SUPERUSER, "default", "allow",
         "replaced; evil.example port 389; StartTLS tried, cleartext allowed, certificate not verified"),
        ("directory-delete", iamd.SUPERUSER, "default", "allow", "accounts stay")]
    assert "action=directory-put" in daemon.log()


def test_a_full_disk_changes_nothing(daemon, root):
    """A change that cannot be stored is not in force either."""
    root.expect(200, "PUT", "/ldap/config", CONFIG)
    other = sqlite3.connect(daemon.database, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")  # another program holds the lock: 503 after 5 s
        assert root.put("/ldap/config", {**CONFIG, "port": 1}).status == 503
        assert root.delete("/ldap/config").status == 503
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert root.get("/ldap/config").json() == CONFIG


# -- secrets at rest

def fails_to_start(daemon, *texts):
    size = len(daemon.log())
    with pytest.raises(AssertionError):
        daemon.start()
    for text in texts:
        assert text in daemon.log()[size:], daemon.log()[size:]


def test_a4_secrets_are_nowhere_in_clear(daemon, root, tmp_path):
    """stop() looks for them in every file below the daemon's folder; a copy in the database is the counter-check."""
    root.expect(200, "PUT", "/ldap/config", SEARCHES)
    assert PASSWORD in daemon.secrets
    daemon.stop()
    daemon.sql("UPDATE directories SET config = ?", json.dumps(SEARCHES))
    with pytest.raises(AssertionError, match="stands in"):
        daemon.check_traces()
    daemon.sql("DELETE FROM directories")
    daemon.sql("VACUUM")


def test_a4_a_secret_opens_in_its_own_row_only(daemon, root):
    root.expect(200, "PUT", "/ldap/config", SEARCHES)
    root.expect(200, "PUT", "/ldap/directories/branch", SEARCHES)
    daemon.stop()
    daemon.sql("UPDATE directories SET sealed = (SELECT sealed FROM directories WHERE id = 'default') WHERE id = 'branch'")
    fails_to_start(daemon, "`branch`", "another master key")


def test_a4_another_master_key_refuses_to_start_and_says_what_to_do(daemon, root):
    root.expect(200, "PUT", "/ldap/config", SEARCHES)
    daemon.stop()
    path = daemon.state_dir / "keys" / "master.key"
    key = path.read_bytes()
    path.write_bytes(os.urandom(32))
    fails_to_start(daemon, "`default`", "another master key", "restore that key's file", "SECURITY.md", str(path))
    path.unlink()
    fails_to_start(daemon, str(path), "the master key is missing", "restore it")
    assert not path.exists(), "a new key would only hide that the old one is gone"
    path.write_bytes(key)
    fails_to_start(daemon, str(path), "make it 0600")
    path.chmod(0o600)
    daemon.start()
    assert daemon.superuser().get("/ldap/config").json()["lookup-password"] == MARKER


def test_a4_a_lost_master_key_costs_the_secrets_only(daemon, root):
    """As SECURITY.md says."""
    root.expect(200, "PUT", "/ldap/config", SEARCHES)
    daemon.stop()
    (daemon.state_dir / "keys" / "master.key").unlink()
    daemon.sql("UPDATE directories SET sealed = NULL")
    daemon.start()
    root = daemon.superuser()
    shown = root.get("/ldap/config").json()
    assert shown == {k: v for k, v in SEARCHES.items() if k != "lookup-password"}
    refused(root.put("/ldap/config", shown), 400, "ERR_LDAP_CONFIG_INVALID", "`lookup-dn` without `lookup-password`")
    root.expect(200, "PUT", "/ldap/config", SEARCHES)
    assert secrets_of(daemon) == PASSWORD.encode() + b"\0"


def test_the_master_key_is_made_once_for_the_owner_only(daemon):
    path = daemon.state_dir / "keys" / "master.key"
    key = path.read_bytes()
    assert len(key) == 32 and path.stat().st_mode & 0o7777 == 0o600
    daemon.restart()
    assert path.read_bytes() == key


def test_a_named_master_key_is_used_and_never_made(new_daemon, tmp_path):
    path = tmp_path / "credential"
    daemon = new_daemon(master_key_file=path)
    fails_to_start(daemon, str(path), "the master key is missing")
    assert not path.exists()
    path.write_bytes(os.urandom(31))
    path.chmod(0o400)
    fails_to_start(daemon, str(path), "32 bytes, this file has 31")
    path.chmod(0o600)
    path.write_bytes(os.urandom(32))
    path.chmod(0o400)
    daemon.start()
    assert not (daemon.state_dir / "keys" / "master.key").exists()
    daemon.superuser().expect(200, "PUT", "/ldap/config", SEARCHES)
    assert secrets_of(daemon, key_file=path) == PASSWORD.encode() + b"\0"
    daemon.restart()


# -- gateway mode

def test_in_gateway_mode_the_gateway_decides_who_may(gw):
    refused(gw.get("/ldap/config"), 400, "ERR_LDAP_CONFIG_NOT_AVAILABLE")
    gw.expect(200, "PUT", "/ldap/directories/gw", SEARCHES)
    assert gw.get("/ldap/directories/gw").json()["lookup-password"] == MARKER
    gw.expect(204, "DELETE", "/ldap/directories/gw")
