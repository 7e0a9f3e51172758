"""What must not be served: databases that are newer, altered or not ours; keys others can read."""
import os
import sqlite3

import pytest

import certificates
import keys


def fails(daemon, *texts):
    daemon.start(wait=False)
    assert daemon.process.wait(20) not in (0, None)
    assert daemon.process.returncode > 0, "killed by a signal"
    daemon.process = None
    log = daemon.log()
    for text in texts:
        assert text in log, log


@pytest.fixture
def used(new_daemon):
    """A daemon that ran once, with its database at rest."""
    daemon = new_daemon().start()
    daemon.stop()
    return daemon


def test_a_database_of_a_newer_version_is_left_alone(used):
    version = used.sql("PRAGMA user_version")[0][0]
    used.sql(f"PRAGMA user_version = {version + 1}")
    used.sql("INSERT INTO migrations (number, name, sha256, applied_at_ms) VALUES (?, 'later', zeroblob(32), 0)",
             version + 1)
    fails(used, "iamd.db", "newer")
    assert used.sql("PRAGMA user_version")[0][0] == version + 1


def test_an_altered_migration_is_refused(used):
    used.sql("UPDATE migrations SET sha256 = zeroblob(32) WHERE number = 1")
    fails(used, "iamd.db")


def test_a_database_of_another_program_is_refused(new_daemon):
    daemon = new_daemon()
    daemon.state_dir.mkdir(mode=0o700)
    db = sqlite3.connect(daemon.database)
    db.execute("CREATE TABLE notes (x)")
    db.commit()
    db.close()
    fails(daemon, "iamd.db")
    assert daemon.sql("SELECT name FROM sqlite_master") == [("notes",)]


def test_a_file_that_is_no_database_is_refused(new_daemon):
    daemon = new_daemon()
    daemon.state_dir.mkdir(mode=0o700)
    daemon.database.write_bytes(b"not a database at all, and longer than a header " * 100)
    before = daemon.database.read_bytes()
    fails(daemon, "iamd.db")
    assert daemon.database.read_bytes() == before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o620, 0o601, 0o777])
def test_a_signing_key_others_can_reach_is_refused(used, mode):
    pem = used.state_dir / "keys" / "signing.pem"
    os.chmod(pem, mode)
    fails(used, "signing.pem")
    os.chmod(pem, 0o600)
    used.start()


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o700])
def test_a_signing_key_only_the_owner_can_reach_is_fine(used, mode):
    os.chmod(used.state_dir / "keys" / "signing.pem", mode)
    used.start()


@pytest.mark.parametrize("what, pem", [
    ("empty", ""), ("no PEM", "x"), ("public", keys.rsa_key().public_pem), ("j6 1024", keys.rsa_key(0, 1024).private_pem),
    ("truncated", keys.rsa_key().private_pem[:800]),
])
def test_a_configured_key_that_is_none_is_refused(new_daemon, tmp_path, what, pem):
    path = tmp_path / "configured.pem"
    path.write_text(pem)
    path.chmod(0o600)
    fails(new_daemon(signing_key_file=path), "configured.pem")


def test_a_configured_key_that_is_missing_is_not_made(new_daemon, tmp_path):
    fails(new_daemon(signing_key_file=tmp_path / "absent.pem"), "absent.pem")
    assert not (tmp_path / "absent.pem").exists()


@pytest.mark.parametrize("name", ["missing.pem", "junk.pem"])
def test_a_former_key_that_is_none_is_refused(new_daemon, tmp_path, name):
    (tmp_path / "junk.pem").write_text("junk")
    fails(new_daemon(verification_key_files=tmp_path / name), name)


@pytest.mark.parametrize("option", ["tls_certificate_file", "tls_key_file"])
def test_a_tls_file_that_is_missing_is_named(new_daemon, tmp_path, option):
    pair = certificates.make(tmp_path, "one")
    options = {"tls_certificate_file": pair.certificate, "tls_key_file": pair.key, option: tmp_path / "absent"}
    fails(new_daemon(**options), "absent")


def test_a_state_directory_that_cannot_be_made_is_named(new_daemon, tmp_path):
    (tmp_path / "file").write_text("")
    daemon = new_daemon(state_dir=tmp_path / "file" / "state")
    fails(daemon, str(tmp_path / "file"))
