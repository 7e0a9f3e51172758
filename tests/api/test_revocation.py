"""W2: what ends a token ends it at once, in every thread, and for good."""
import hashlib
import time

import pytest

import iamd
import keys

PASSWORD = "correct horse battery"


def works(daemon, token, uid):
    """Asked often enough to meet every thread's cache."""
    seen = {daemon.client(token).get(f"/users/{uid}").status for _ in range(12)}
    assert len(seen) == 1, f"threads disagree: {seen}"
    return seen == {200}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A daemon that the tests may restart."""
    daemon = iamd.Daemon(tmp_path_factory.mktemp("revocation")).start()
    yield daemon
    daemon.stop()


@pytest.fixture
def someone(shop, uid):
    admin = shop.superuser()
    admin.expect(201, "PUT", f"/users/{uid}", {"password": PASSWORD})
    return uid


def disable(admin, uid, _):
    admin.expect(204, "PATCH", f"/users/{uid}", {"enabled": False})


def disable_and_enable(admin, uid, _):
    disable(admin, uid, _)
    admin.expect(204, "PATCH", f"/users/{uid}", {"enabled": True})


def delete(admin, uid, _):
    admin.expect(204, "DELETE", f"/users/{uid}")


def delete_and_create(admin, uid, _):
    delete(admin, uid, _)
    admin.expect(201, "PUT", f"/users/{uid}", {"password": PASSWORD})


def new_password(admin, uid, _):
    admin.expect(204, "PATCH", f"/users/{uid}", {"password": "another long password"})


def the_same_password_again(admin, uid, _):
    admin.expect(204, "PATCH", f"/users/{uid}", {"password": PASSWORD})


def end_all(admin, uid, _):
    admin.expect(204, "DELETE", f"/users/{uid}/tokens")


def end_one(admin, uid, token):
    admin.expect(204, "POST", "/auth/revoke", {"token": token})


@pytest.mark.parametrize("act", [disable, disable_and_enable, delete, delete_and_create, new_password,
                                 the_same_password_again, end_all, end_one])
def test_a_token_is_dead_at_once_and_after_a_restart(shop, someone, act):
    token = shop.login(someone, PASSWORD)
    assert works(shop, token, someone)
    act(shop.superuser(), someone, token)
    assert not works(shop, token, someone)
    shop.restart()
    assert not works(shop, token, someone)


def change_description(admin, uid):
    admin.expect(204, "PATCH", f"/users/{uid}", {"description": "x"})


def enable_an_enabled_one(admin, uid):
    admin.expect(204, "PATCH", f"/users/{uid}", {"enabled": True})


def fail_a_change(admin, uid):
    assert admin.patch(f"/users/{uid}", {"password": "short"}).status == 400


def log_in_again(admin, uid):
    admin.daemon.login(uid, PASSWORD)


@pytest.mark.parametrize("act", [change_description, enable_an_enabled_one, fail_a_change, log_in_again])
def test_what_changes_no_secret_ends_no_token(shop, someone, act):
    token = shop.login(someone, PASSWORD)
    act(shop.superuser(), someone)
    assert works(shop, token, someone)


def test_a_login_after_the_change_works(shop, someone):
    admin = shop.superuser()
    end_all(admin, someone, None)
    assert works(shop, shop.login(someone, PASSWORD), someone)
    delete_and_create(admin, someone, None)
    token = shop.login(someone, PASSWORD)
    shop.restart()
    assert works(shop, token, someone)


def test_a_new_key_ends_the_tokens_of_a_service_account(shop, uid):
    admin = shop.superuser()
    admin.expect(201, "PUT", f"/users/{uid}", {"public_key": keys.rsa_key(0).public_pem})
    answer = shop.client().post("/auth/login", {"uid": uid, "token": keys.rsa_key(0).service_token(uid)})
    token = answer.json()["token"]
    assert works(shop, token, uid)
    admin.expect(204, "PATCH", f"/users/{uid}", {"public_key": keys.rsa_key(1).public_pem})
    assert not works(shop, token, uid)


def test_ending_one_token_leaves_the_others(shop, someone):
    tokens = [shop.login(someone, PASSWORD) for _ in range(3)]
    end_one(shop.superuser(), someone, tokens[1])
    assert [works(shop, t, someone) for t in tokens] == [True, False, True]
    shop.restart()
    assert [works(shop, t, someone) for t in tokens] == [True, False, True]


def test_a_user_ends_the_own_tokens(shop, someone):
    one, two = shop.login(someone, PASSWORD), shop.login(someone, PASSWORD)
    shop.client(one).expect(204, "POST", "/auth/revoke", {"token": two})
    assert [works(shop, t, someone) for t in (one, two)] == [True, False]
    shop.client(one).expect(204, "DELETE", f"/users/{someone}/tokens")
    assert not works(shop, one, someone)


def test_revoking_twice_is_fine(shop, someone):
    token = shop.login(someone, PASSWORD)
    admin = shop.superuser()
    end_one(admin, someone, token)
    end_one(admin, someone, token)
    assert not works(shop, token, someone)


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é", "x" * 9000])
def test_revoking_what_is_no_token_is_a_4xx(shop, token):
    answer = shop.superuser().post("/auth/revoke", {"token": token})
    assert answer.status == 400, answer


@pytest.mark.parametrize("body", [{}, {"token": None}, {"token": 1}, {"token": "x", "y": 1}, [], {"tokens": "x"}])
def test_revoking_has_a_schema(shop, body):
    answer = shop.superuser().post("/auth/revoke", body)
    assert answer.status == 400
    assert answer.description.startswith("Unexpected JSON input. Hint: ")


def test_a_foreign_signature_is_not_revoked(shop):
    """Else anybody could fill the table with digests of nothing."""
    admin = shop.superuser()
    before = shop.sql("SELECT count(*) FROM revocations")
    token = keys.rsa_key(5).sign({"uid": "bootstrapuser", "exp": int(time.time()) + 100})
    assert admin.post("/auth/revoke", {"token": token}).status == 400
    assert shop.sql("SELECT count(*) FROM revocations") == before


def test_only_a_digest_is_stored(shop, someone):

    token = shop.login(someone, PASSWORD)
    end_one(shop.superuser(), someone, token)
    rows = shop.sql("SELECT expires_at_s FROM revocations WHERE digest = ?", hashlib.sha256(token.encode()).digest())
    assert rows == [(keys.payload(token)["exp"],)]


def test_a_generation_is_never_used_again(shop, someone):
    admin, seen = shop.superuser(), []
    for _ in range(4):
        seen.append(keys.payload(shop.login(someone, PASSWORD))["gen"])
        delete_and_create(admin, someone, None)
        seen.append(keys.payload(shop.login(someone, PASSWORD))["gen"])
        end_all(admin, someone, None)
    assert len(set(seen)) == len(seen)
    assert seen == sorted(seen)


def test_one_users_end_is_nobody_elses(shop, someone, uid):
    admin = shop.superuser()
    admin.expect(201, "PUT", f"/users/{uid}-b", {"password": PASSWORD})
    token = shop.login(f"{uid}-b", PASSWORD)
    end_all(admin, someone, None)
    delete(admin, someone, None)
    assert works(shop, token, f"{uid}-b")
