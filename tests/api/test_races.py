"""What two callers do at the same moment."""
import threading
import time

import iamd
import keys

PASSWORD = "correct horse battery"
SLOW_HASH = {"argon2_opslimit": 3, "argon2_memory_kib": 65536}  # some 150 ms


def together(*functions):
    """Runs them at once; returns what each returned."""
    results, barrier = [None] * len(functions), threading.Barrier(len(functions))

    def run(i):
        barrier.wait()
        results[i] = functions[i]()

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(functions))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return results


def test_a_login_that_overlaps_the_end_of_sessions_yields_a_dead_token(new_daemon):
    daemon = new_daemon(**SLOW_HASH).start()
    admin = daemon.superuser()
    admin.expect(201, "PUT", "/users/u", {"password": PASSWORD})
    for method, path, body in [("DELETE", "/users/u/tokens", None), ("PATCH", "/users/u", {"enabled": False})]:
        def act():
            time.sleep(0.06)  # the login has read its row and hashes
            began = time.monotonic()
            answer = admin(method, path, body) if body else admin(method, path)
            assert answer.status == 204
            return began

        def login():
            answer = daemon.client().post("/auth/login", {"uid": "u", "password": PASSWORD})
            return answer, time.monotonic()

        (answer, ended), acted = together(login, act)
        assert answer.status == 200 and ended > acted, "the two did not overlap"
        token = answer.json()["token"]
        assert daemon.client(token).get("/users/u").status == 401


def test_a_rehash_does_not_bring_an_old_password_back(new_daemon):
    """A login with a legacy hash queues a rehash; the password changes before it is stored."""
    daemon = new_daemon(**SLOW_HASH).start()
    admin = daemon.superuser()
    for number in range(3):
        admin.expect(201, "PUT", f"/users/u{number}", {"password": PASSWORD})
    daemon.stop()
    daemon.sql("UPDATE users SET password_hash = ? WHERE uid LIKE 'u_'", iamd.crypt_hash("the legacy password"))
    daemon.start()
    admin = daemon.superuser()
    daemon.secrets.add("the legacy password")
    for number in range(3):
        uid = f"u{number}"
        login, change = together(
            lambda u=uid: daemon.client().post("/auth/login", {"uid": u, "password": "the legacy password"}),
            lambda u=uid: admin.patch(f"/users/{u}", {"password": "the changed password"}))
        assert login.status in (200, 401) and change.status in (204, 409)
        if change.status == 409:
            continue
        time.sleep(0.5)
        statuses = [daemon.client().post("/auth/login", {"uid": uid, "password": p}).status
                    for p in ("the changed password", "the legacy password")]
        assert statuses == [200, 401]


def test_the_own_password_does_not_change_once_the_sessions_are_ended(new_daemon):
    """The current password was verified against an account that is another by now."""
    daemon = new_daemon(**SLOW_HASH).start()
    admin = daemon.superuser()
    admin.expect(201, "PUT", "/users/u", {"password": PASSWORD})
    own = daemon.client(daemon.login("u", PASSWORD))

    def act():
        time.sleep(0.1)  # two hashes take far longer
        admin.expect(204, "DELETE", "/users/u/tokens")
        return time.monotonic()

    def change():
        answer = own.patch("/users/u", {"password": "of a thief perhaps", "current_password": PASSWORD})
        return answer, time.monotonic()

    (answer, ended), acted = together(change, act)
    assert ended > acted, "the two did not overlap"
    assert answer.status in (409, 401)  # 401: it came too late to overlap
    statuses = [daemon.client().post("/auth/login", {"uid": "u", "password": p}).status
                for p in ("of a thief perhaps", PASSWORD)]
    assert statuses == [401, 200]


def test_of_many_deletions_of_one_user_one_wins(enforce, admin, uid):
    for number in range(20):
        name = f"{uid}-{number}"
        admin.expect(201, "PUT", f"/users/{name}", {"password": PASSWORD})
        statuses = [a.status for a in together(*[lambda n=name: admin.delete(f"/users/{n}")] * 4)]
        assert sorted(statuses) == [204, 400, 400, 400]


def test_two_superusers_who_delete_each_other_leave_one(new_daemon):
    for number in range(8):
        daemon = new_daemon(f"duel{number}", superuser_service_account_uid="svc",
                            superuser_service_account_public_key=keys.rsa_key().public_pem.strip().replace("\n", "\\n"))
        daemon.start()
        human = daemon.superuser()
        service = daemon.client(daemon.client().post(
            "/auth/login", {"uid": "svc", "token": keys.rsa_key().service_token("svc")}).json()["token"])
        statuses = [a.status for a in together(lambda: human.delete("/users/svc"),
                                               lambda: service.delete("/users/bootstrapuser"))]
        assert statuses.count(204) == 1, statuses
        assert daemon.sql("SELECT count(*) FROM users") == [(1,)]
        daemon.stop()


def test_a_reader_sees_the_own_write_at_once(enforce, admin, uid):
    """The answer to a change comes after it is published to every thread."""
    for number in range(40):
        name = f"{uid}-{number}"
        admin.expect(201, "PUT", f"/users/{name}", {"password": PASSWORD})
        token = enforce.login(name, PASSWORD)
        assert {a.status for a in together(*[lambda: enforce.client(token).get(f"/users/{name}")] * 3)} == {200}
        admin.expect(204, "PATCH", f"/users/{name}", {"enabled": False})
        assert {a.status for a in together(*[lambda: enforce.client(token).get(f"/users/{name}")] * 3)} == {401}


def test_writers_at_once_are_all_answered(enforce, admin, uid):
    """Group commit: some 200 changes of 20 callers, each in one transaction or another."""
    def write(caller):
        return [admin.put(f"/users/{uid}-{caller}-{i}", {"password": PASSWORD}).status for i in range(10)]

    results = together(*[lambda c=c: write(c) for c in range(20)])
    assert {s for r in results for s in r} == {201}
    assert enforce.sql("SELECT count(*) FROM users WHERE uid LIKE ?", f"{uid}-%") == [(200,)]


def test_one_bad_change_in_a_batch_spoils_no_other(enforce, admin, uid):
    admin.expect(201, "PUT", f"/users/{uid}", {"password": PASSWORD})
    for number in range(10):
        results = together(*[lambda i=i: admin.put(f"/users/{uid}" if i % 2 else f"/users/{uid}-{number}-{i}",
                                                   {"password": PASSWORD}).status for i in range(8)])
        assert results == [201, 409] * 4


def test_changes_of_one_user_at_once_are_each_whole(enforce, admin, user):
    """A description and a state set together are found together."""
    for _ in range(15):
        answers = together(*[lambda i=i: admin.patch(f"/users/{user}", {"description": f"d{i}", "enabled": i % 2 == 0})
                             for i in range(4)])
        assert {a.status for a in answers} <= {204, 409}
        found = admin.get(f"/users/{user}?fields=all").json()
        assert found["enabled"] == (int(found["description"][1:]) % 2 == 0)


def test_a_change_that_waited_behind_the_loss_of_its_permission_is_refused(new_daemon):
    """The caller was permitted when the request came; by the time it is written, no more."""
    daemon = new_daemon(**SLOW_HASH).start()
    admin = daemon.superuser()
    for uid in ("delegate", "victim"):
        admin.expect(201, "PUT", f"/users/{uid}", {"password": PASSWORD})
    admin.expect(201, "PUT", "/acls/iam:users", {"description": ""})
    admin.expect(204, "PUT", "/acls/iam:users/users/delegate/update")
    delegate = daemon.client(daemon.login("delegate", PASSWORD))
    delegate.expect(204, "PATCH", "/users/victim", {"description": "may do so"})

    def act():
        time.sleep(0.05)  # the hash takes longer
        admin.expect(204, "DELETE", "/acls/iam:users/users/delegate/update")
        return time.monotonic()

    def change():
        answer = delegate.patch("/users/victim", {"password": "of a thief perhaps"})
        return answer, time.monotonic()

    (answer, ended), acted = together(change, act)
    assert ended > acted, "the two did not overlap"
    assert answer.status == 403
    assert daemon.client().post("/auth/login", {"uid": "victim", "password": PASSWORD}).status == 200
