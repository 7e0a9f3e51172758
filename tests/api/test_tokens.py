"""Tokens and the JWKS as a stranger with any JWT library sees them; key files and key change."""
import os
import signal
import stat
import time

import jwt
import pytest

import iamd
import keys

PASSWORD = "correct horse battery"


def verify(daemon, token):
    """As Debian's PyJWT does from the JWKS alone."""
    keyset = jwt.PyJWKSet.from_dict(daemon.client().get("/auth/jwks").json())
    kid = jwt.get_unverified_header(token)["kid"]
    key = next(k for k in keyset.keys if k.key_id == kid)
    return jwt.decode(token, key.key, algorithms=["RS256"])


def test_any_jwt_library_verifies_a_token_from_the_jwks_alone(enforce, user):
    before = int(time.time())
    claims = verify(enforce, enforce.login(user, PASSWORD))
    assert claims["uid"] == user
    assert before <= claims["iat"] <= time.time() + 1
    assert claims["exp"] == claims["iat"] + 432000
    assert set(claims) == {"uid", "exp", "iat", "jti", "gen"}
    assert type(claims["exp"]) is int and type(claims["gen"]) is int


def test_the_header_is_typ_alg_and_kid(enforce, user):
    head = keys.header(enforce.login(user, PASSWORD))
    assert head == {"typ": "JWT", "alg": "RS256", "kid": enforce.client().get("/auth/jwks").json()["keys"][0]["kid"]}


def test_each_token_has_an_id_of_its_own(enforce, user):
    claims = [keys.payload(enforce.login(user, PASSWORD)) for _ in range(5)]
    assert len({c["jti"] for c in claims}) == 5
    assert len({c["gen"] for c in claims}) == 1


def test_another_users_generation_is_another(enforce, admin, user, uid):
    admin.expect(201, "PUT", f"/users/{uid}-2", {"password": PASSWORD})
    one, two = (keys.payload(enforce.login(u, PASSWORD))["gen"] for u in (user, f"{uid}-2"))
    assert one != two


def test_the_jwks_has_the_members_in_order_and_the_kid_by_the_formula(nobody):
    answer = nobody.get("/auth/jwks")
    document = answer.json()
    assert list(document) == ["keys"]
    for key in document["keys"]:
        assert list(key) == ["kid", "kty", "n", "e", "alg", "use"]
        assert key["kid"] == keys.jwks_kid(key)
        assert keys.unb64(key["n"])[0] != 0, "n has a leading zero octet"
        assert len(keys.unb64(key["n"])) * 8 >= 2048
        assert "=" not in key["n"] + key["e"]


def test_the_jwks_says_how_long_to_keep_it_or_nothing(nobody):
    control = nobody.get("/auth/jwks").header("cache-control")
    assert control is None or "no-" in control or "max-age" in control


@pytest.mark.parametrize("bits", [2048, 3072])
def test_the_first_start_makes_a_private_key_only_the_owner_reads(new_daemon, bits):
    daemon = new_daemon(signing_key_bits=bits).start()
    pem = daemon.state_dir / "keys" / "signing.pem"
    assert pem.read_text().startswith("-----BEGIN PRIVATE KEY-----")
    assert stat.S_IMODE(pem.stat().st_mode) == 0o600
    assert stat.S_IMODE(daemon.state_dir.stat().st_mode) == 0o700
    assert len(keys.unb64(daemon.client().get("/auth/jwks").json()["keys"][0]["n"])) * 8 == bits
    assert verify(daemon, daemon.login())


def test_keys_and_tokens_survive_a_restart(new_daemon):
    daemon = new_daemon().start()
    token = daemon.login()
    before = daemon.client().get("/auth/jwks").body
    daemon.restart()
    assert daemon.client().get("/auth/jwks").body == before
    assert daemon.client(token).get("/users").status == 200
    assert verify(daemon, token)


def write_key(path, pem, mode=0o600):
    path.write_text(pem)
    os.chmod(path, mode)
    return path


def test_an_existing_key_signs(new_daemon, tmp_path):
    key = write_key(tmp_path / "k.pem", keys.rsa_key(2).private_pem)
    daemon = new_daemon(signing_key_file=key).start()
    jwk = daemon.client().get("/auth/jwks").json()["keys"][0]
    assert jwk["n"] == keys.rsa_key(2).jwk()["n"]
    assert verify(daemon, daemon.login())


def test_j8_a_former_key_verifies_behind_the_signing_key(new_daemon, tmp_path):
    old = write_key(tmp_path / "old.pem", keys.rsa_key(2).private_pem)
    new = write_key(tmp_path / "new.pem", keys.rsa_key(3).private_pem)
    former = write_key(tmp_path / "former.pem", keys.rsa_key(2).public_pem)
    daemon = new_daemon(signing_key_file=old).start()
    token = daemon.login()
    daemon.stop()
    daemon.options["signing_key_file"] = new
    daemon.options["verification_key_files"] = former
    daemon.start()
    published = [k["n"] for k in daemon.client().get("/auth/jwks").json()["keys"]]
    assert published == [keys.rsa_key(3).jwk()["n"], keys.rsa_key(2).jwk()["n"]]
    assert daemon.client(token).get("/users").status == 200
    assert keys.header(daemon.login())["kid"] != keys.header(token)["kid"]
    daemon.stop()
    daemon.options["verification_key_files"] = ""
    daemon.start()
    assert daemon.client(token).get("/users").status == 401


def test_a_reload_takes_a_new_signing_key_and_keeps_the_former_one(new_daemon, tmp_path):
    key = write_key(tmp_path / "k.pem", keys.rsa_key(2).private_pem)
    daemon = new_daemon(signing_key_file=key).start()
    token = daemon.login()
    former = write_key(tmp_path / "former.pem", keys.rsa_key(2).public_pem)
    write_key(key, keys.rsa_key(3).private_pem)
    daemon.options["verification_key_files"] = former
    daemon.write_config()
    daemon.signal(signal.SIGHUP)
    first = keys.rsa_key(3).jwk()["n"]
    iamd.wait_until(lambda: daemon.client().get("/auth/jwks").json()["keys"][0]["n"] == first, what="new key")
    assert daemon.client(token).get("/users").status == 200
    assert verify(daemon, daemon.login())


def test_rotation_by_command_keeps_old_tokens_good(new_daemon):
    daemon = new_daemon().start()
    token = daemon.login()
    done = iamd.run("--config", str(daemon.config_file), "--rotate-key")
    assert done.returncode == 0, done.stderr
    daemon.signal(signal.SIGHUP)
    old = keys.header(token)["kid"]
    iamd.wait_until(lambda: daemon.client().get("/auth/jwks").json()["keys"][0]["kid"] != old, what="new key")
    assert old in [k["kid"] for k in daemon.client().get("/auth/jwks").json()["keys"]]
    assert daemon.client(token).get("/users").status == 200
    assert verify(daemon, daemon.login())["uid"] == iamd.SUPERUSER
    for path in (daemon.state_dir / "keys").iterdir():
        if path.name.startswith("previous"):
            assert "PRIVATE" not in path.read_text()
    daemon.restart()
    assert daemon.client(token).get("/users").status == 200


def test_rotation_by_command_leaves_a_configured_key_alone(new_daemon, tmp_path):
    key = write_key(tmp_path / "own.pem", keys.rsa_key(2).private_pem)
    daemon = new_daemon(signing_key_file=key)
    daemon.write_config()
    before = (tmp_path / "own.pem").read_bytes()
    done = iamd.run("--config", str(daemon.config_file), "--rotate-key")
    assert done.returncode == 2 and "verification_key_files" in str(done.stderr)
    assert (tmp_path / "own.pem").read_bytes() == before


# -- tokens of the time before the change-over

@pytest.fixture
def imported(new_daemon, tmp_path):
    key = write_key(tmp_path / "k.pem", keys.rsa_key(2).private_pem)

    def make(accept):
        return new_daemon(signing_key_file=key, accept_foreign_tokens=accept).start()
    return make


def foreign(uid, kid=None, **more):
    head = {"typ": "JWT", "alg": "RS256", **({"kid": kid} if kid else {})}
    return keys.rsa_key(2).sign({"uid": uid, "exp": int(time.time()) + 600, **more}, head)


def test_a_token_without_gen_is_good_only_when_configured(imported):
    assert imported("no").client(foreign("bootstrapuser")).get("/users").status == 401


def test_a_token_without_gen_is_good_while_its_user_was_never_raised(imported):
    daemon = imported("yes")
    admin = daemon.superuser()
    for name in ("same", "changed", "disabled", "ended", "again"):
        admin.expect(201, "PUT", f"/users/{name}", {"password": PASSWORD})
    admin.expect(204, "PATCH", "/users/changed", {"password": "another password"})
    admin.expect(204, "PATCH", "/users/disabled", {"enabled": False})
    admin.expect(204, "PATCH", "/users/disabled", {"enabled": True})
    admin.expect(204, "DELETE", "/users/ended/tokens")
    admin.expect(204, "DELETE", "/users/again")
    admin.expect(201, "PUT", "/users/again", {"password": PASSWORD})
    for _ in range(2):
        found = {n: daemon.client(foreign(n)).get(f"/users/{n}").status
                 for n in ("same", "changed", "disabled", "ended", "again", "unknown")}
        assert found == {"same": 200, "changed": 401, "disabled": 401, "ended": 401, "again": 401, "unknown": 401}
        daemon.restart()


def test_a_token_without_gen_still_expires_and_can_be_revoked(imported):
    daemon = imported("yes")
    assert daemon.client(foreign("bootstrapuser", exp=int(time.time()) - 5)).get("/users").status == 401
    token = foreign("bootstrapuser", x=1)
    admin = daemon.client(token)
    assert admin.get("/users").status == 200
    daemon.superuser().expect(204, "POST", "/auth/revoke", {"token": token})
    assert admin.get("/users").status == 401


def test_a_rehash_of_the_password_raises_nothing(imported):
    daemon = imported("yes")
    daemon.login()  # its crypt(3) hash is replaced
    assert daemon.client(foreign("bootstrapuser")).get("/users").status == 200
