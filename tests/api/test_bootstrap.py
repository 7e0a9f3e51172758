"""The first accounts: made once, with the store, and never touched by a later start."""
import pytest

import iamd
import keys

PASSWORD = iamd.SUPERUSER_PASSWORD
PEM = keys.rsa_key(4).public_pem


def login(daemon, uid, password):
    return daemon.client().post("/auth/login", {"uid": uid, "password": password}).status


def service_login(daemon, uid, key=keys.rsa_key(4)):
    return daemon.client().post("/auth/login", {"uid": uid, "token": key.service_token(uid)})


def test_the_configured_superuser_is_there_and_may_everything(new_daemon):
    daemon = new_daemon().start()
    admin = daemon.superuser()
    user = admin.get("/users/bootstrapuser").json()
    assert user["description"] == "Bootstrap superuser"
    assert (user["is_remote"], user["is_service"], user["provider_type"]) == (False, False, "internal")
    assert daemon.sql("SELECT gid, uid FROM group_members") == [("superusers", "bootstrapuser")]
    assert daemon.sql("SELECT rid, description FROM acls") == [("dcos:superuser", "Superuser ACL")]
    assert daemon.sql("SELECT gid, rid, action FROM group_grants") == [("superusers", "dcos:superuser", 4)]
    assert daemon.sql("SELECT count(*) FROM user_grants") == [(0,)]


@pytest.mark.parametrize("form", ["text", "file"])
def test_the_superuser_service_account_is_there(new_daemon, tmp_path, form):
    (tmp_path / "key.pem").write_text(PEM)
    key = PEM.strip().replace("\n", "\\n") if form == "text" else tmp_path / "key.pem"
    daemon = new_daemon(superuser=False, superuser_service_account_uid="root-svc",
                        superuser_service_account_public_key=key).start()
    answer = service_login(daemon, "root-svc")
    assert answer.status == 200
    account = daemon.client(answer.json()["token"]).get("/users/root-svc").json()
    assert account["description"] == "Superuser service account defined via DC/OS config"
    assert account["is_service"] is True
    assert account["public_key"].strip() == PEM.strip()
    assert daemon.sql("SELECT gid, uid FROM group_members") == [("superusers", "root-svc")]
    assert daemon.client(answer.json()["token"]).get("/users").status == 200


def test_without_accounts_it_starts_and_says_how_to_make_one(new_daemon):
    daemon = new_daemon(superuser=False).start()
    assert login(daemon, "bootstrapuser", PASSWORD) == 401
    assert daemon.client().get("/auth/jwks").status == 200
    assert "superuser_username" in daemon.log()
    assert daemon.sql("SELECT count(*) FROM users") == [(0,)]
    assert daemon.sql("SELECT gid FROM groups") == [("superusers",)]
    assert daemon.sql("SELECT rid FROM acls") == [("dcos:superuser",)]
    assert daemon.sql("SELECT count(*) FROM group_grants") == [(1,)]


def test_gateway_mode_runs_on_empty_data(new_daemon):
    daemon = new_daemon(superuser=False, api_access="gateway").start()
    gw = daemon.client()
    assert gw.get("/users").json() == {"array": []}
    gw.expect(201, "PUT", "/users/first", {"password": "long enough"})
    gw.expect(204, "DELETE", "/users/first")


def test_later_starts_change_no_account(new_daemon):
    daemon = new_daemon().start()
    admin = daemon.superuser()
    admin.expect(204, "PATCH", "/users/bootstrapuser",
                 {"password": "changed by its owner", "current_password": PASSWORD})
    before = daemon.sql("SELECT * FROM users")
    daemon.stop()
    daemon.options["superuser_username"] = "somebody-else"
    daemon.options["superuser_password_hash"] = iamd.crypt_hash("of somebody else")
    daemon.options["superuser_service_account_uid"] = "late-svc"
    daemon.options["superuser_service_account_public_key"] = PEM.strip().replace("\n", "\\n")
    daemon.start()
    assert login(daemon, "bootstrapuser", "changed by its owner") == 200
    assert login(daemon, "bootstrapuser", PASSWORD) == 401
    assert login(daemon, "somebody-else", "of somebody else") == 401
    assert service_login(daemon, "late-svc").status == 401
    assert [r[1] for r in daemon.sql("SELECT * FROM users")] == [r[1] for r in before]


def test_a_deleted_first_account_does_not_come_back(new_daemon):
    daemon = new_daemon(superuser_service_account_uid="root-svc",
                        superuser_service_account_public_key=PEM.strip().replace("\n", "\\n")).start()
    daemon.client(service_login(daemon, "root-svc").json()["token"]).expect(204, "DELETE", "/users/bootstrapuser")
    daemon.restart()
    assert login(daemon, "bootstrapuser", PASSWORD) == 401
    assert service_login(daemon, "root-svc").status == 200


def test_a_hash_made_by_the_command_opens_the_account(new_daemon):
    made = iamd.run("--hash-password", input_=b"typed at the prompt")
    assert made.returncode == 0, made.stderr
    text = made.stdout.decode()
    assert text.startswith("$argon2id$") and text.endswith("\n") and text.count("\n") == 1
    daemon = new_daemon(superuser_password_hash=text.strip()).start()
    assert login(daemon, "bootstrapuser", "typed at the prompt") == 200
    assert login(daemon, "bootstrapuser", "typed at the prompt\n") == 401


def test_a_hash_of_a_line_is_the_hash_without_its_newline(new_daemon):
    made = iamd.run("--hash-password", input_=b"typed at the prompt\n")
    daemon = new_daemon(superuser_password_hash=made.stdout.decode().strip()).start()
    assert login(daemon, "bootstrapuser", "typed at the prompt") == 200


@pytest.mark.parametrize("typed", [b"", b"\n", b"p" * 1025, b"with\0nul", b"\xff\xfe not utf-8"])
def test_no_hash_is_made_of_what_could_never_log_in(typed):
    made = iamd.run("--hash-password", input_=typed)
    assert made.returncode != 0
    assert made.stdout == b""
    assert made.stderr


def test_two_hashes_of_one_password_differ():
    one, two = (iamd.run("--hash-password", input_=b"the same").stdout for _ in range(2))
    assert one != two


BROKEN = [
    ({"superuser_username": "x", "superuser_password_hash": ""}, "superuser_password_hash"),
    ({"superuser_username": "", "superuser_password_hash": "$6$x$y"}, "superuser_username"),
    ({"superuser_password_hash": "plain text"}, "superuser_password_hash"),
    ({"superuser_password_hash": "$1$abcdefgh$irWbblnpmw.5z7wgBnprh0"}, "superuser_password_hash"),
    ({"superuser_username": "not a uid"}, "superuser_username"),
    ({"superuser_username": "anonymous"}, "superuser_username"),
    ({"superuser_service_account_uid": "svc"}, "superuser_service_account_public_key"),
    ({"superuser_service_account_public_key": PEM.strip().replace("\n", "\\n")}, "superuser_service_account_uid"),
    ({"superuser_service_account_uid": "svc", "superuser_service_account_public_key": "nonsense"},
     "superuser_service_account_public_key"),
    ({"superuser_service_account_uid": "svc",
      "superuser_service_account_public_key": keys.ec_public_pem().strip().replace("\n", "\\n")},
     "superuser_service_account_public_key"),
    ({"superuser_service_account_uid": "svc",
      "superuser_service_account_public_key": keys.rsa_key(0, 1024).public_pem.strip().replace("\n", "\\n")},
     "superuser_service_account_public_key"),
    ({"superuser_service_account_uid": "bootstrapuser",
      "superuser_service_account_public_key": PEM.strip().replace("\n", "\\n")}, "same id"),
]


@pytest.mark.parametrize("options, named", BROKEN)
def test_a_broken_first_account_stops_the_start_and_leaves_nothing_half_made(new_daemon, options, named):
    daemon = new_daemon(**options)
    daemon.start(wait=False)
    assert daemon.process.wait(20) != 0
    daemon.process = None
    assert named in daemon.log()
    for name in list(daemon.options):
        if name.startswith("superuser"):
            del daemon.options[name]
    daemon.options["superuser_username"] = "bootstrapuser"
    daemon.options["superuser_password_hash"] = iamd.crypt_hash(PASSWORD)
    daemon.start()
    assert login(daemon, "bootstrapuser", PASSWORD) == 200, "the failed start used the bootstrap up"
