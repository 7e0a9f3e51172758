"""
Random changes of users, groups, nesting, ACLs and grants against a naive model: each answer's status, then every
listing and every decision, at once and after a restart (which reads what was stored instead of what was published).
"""
import os
import random

import pytest

STEPS = 3000 if os.environ.get("IAMD_TEST_LONG") == "1" else 250
USERS = [f"u{i}" for i in range(5)]
GROUPS = [f"g{i}" for i in range(6)]
RIDS = ["svc:a", "svc:b", "dcos:superuser"]
ACTIONS = ["create", "read", "update", "delete", "full"]


class Model:
    """What is true, and what the next call must answer."""

    def __init__(self):
        self.users, self.groups, self.acls = {"root"}, {"superusers"}, {"dcos:superuser"}
        self.members, self.nested = {("superusers", "root")}, set()       # (gid, uid), (gid, sub)
        self.grants = {("dcos:superuser", "groups", "superusers", "full")}  # (rid, kind, id, action)

    def groups_of(self, uid):
        found = {g for g, u in self.members if u == uid}
        while True:
            more = found | {g for g, s in self.nested if s in found}
            if more == found:
                return found
            found = more

    def inside(self, gid):
        found = {gid}
        while True:
            more = found | {s for g, s in self.nested if g in found}
            if more == found:
                return found
            found = more

    def members_of(self, gid):
        return {u for g, u in self.members if g in self.inside(gid)}

    def granted(self, uid, rid):
        subjects = {("users", uid)} | {("groups", g) for g in self.groups_of(uid)}
        return {a for r, k, i, a in self.grants if r == rid and (k, i) in subjects}

    def allowed(self, uid, rid, action):
        if uid not in self.users:
            return False
        return bool(self.granted(uid, "dcos:superuser") or self.granted(uid, rid) & {action, "full"})

    def user(self, uid, make):
        if make:
            status = 409 if uid in self.users else 201
            self.users.add(uid)
            return status
        if uid not in self.users:
            return 400
        self.users.discard(uid)
        self.members = {m for m in self.members if m[1] != uid}
        self.grants = {g for g in self.grants if g[1:3] != ("users", uid)}
        return 204

    def group(self, gid, make):
        if make:
            status = 409 if gid in self.groups else 201
            self.groups.add(gid)
            return status
        if gid not in self.groups:
            return 400
        self.groups.discard(gid)
        self.members = {m for m in self.members if m[0] != gid}
        self.nested = {n for n in self.nested if gid not in n}
        self.grants = {g for g in self.grants if g[1:3] != ("groups", gid)}
        return 204

    def acl(self, rid, make):
        if make:
            status = 409 if rid in self.acls else 201
            self.acls.add(rid)
            return status
        if rid not in self.acls or rid == "dcos:superuser":
            return 400
        self.acls.discard(rid)
        self.grants = {g for g in self.grants if g[0] != rid}
        return 204

    @staticmethod
    def relation(known, pairs, pair, make):
        if not known:
            return 400
        if make:
            status = 409 if pair in pairs else 204
            pairs.add(pair)
            return status
        status = 204 if pair in pairs else 400
        pairs.discard(pair)
        return status

    def step(self, dice):
        """(method, path, body, status) of a random call."""
        make = dice.random() < 0.6
        method = "PUT" if make else "DELETE"
        uid, gid, sub = dice.choice(USERS), dice.choice(GROUPS + ["superusers"]), dice.choice(GROUPS)
        kind = dice.choices(["user", "group", "acl", "member", "nest", "grant"], [2, 2, 1, 6, 6, 6])[0]
        if kind == "user":
            body = {"password": "long enough"} if make else None
            return method, f"/users/{uid}", body, self.user(uid, make)
        if kind == "group":
            return method, f"/groups/{sub}", {"description": ""} if make else None, self.group(sub, make)
        if kind == "acl":
            rid = dice.choice(RIDS)
            return method, f"/acls/{rid}", {"description": ""} if make else None, self.acl(rid, make)
        if kind == "member":
            status = self.relation(gid in self.groups and uid in self.users, self.members, (gid, uid), make)
            return method, f"/groups/{gid}/users/{uid}", None, status
        if kind == "nest":
            if gid == sub:
                return method, f"/groups/{gid}/groups/{sub}", None, (409 if make else 400) if gid in self.groups else 400
            status = self.relation({gid, sub} <= self.groups, self.nested, (gid, sub), make)
            return method, f"/groups/{gid}/groups/{sub}", None, status
        rid = dice.choice(["svc:a", "svc:b", "svc:a", "svc:b", "dcos:superuser"])
        kind, name = dice.choice([("users", uid), ("groups", sub)])
        action = dice.choice(ACTIONS)
        known = rid in self.acls and name in (self.users if kind == "users" else self.groups)
        status = self.relation(known, self.grants, (rid, kind, name, action), make)
        return method, f"/acls/{rid}/{kind}/{name}/{action}", None, status


def told(entries, kind, name):
    """The grants that a listing shows, {(rid, kind, id, action)}; `name` tells whose an entry is."""
    shown = [(e["rid"], kind, name(e), a["name"]) for e in entries for a in e["actions"]]
    assert len(shown) == len(set(shown))
    return set(shown)


def compare_permissions(gw, model):
    assert [a["rid"] for a in gw.get("/acls").json()["array"]] == sorted(model.acls)
    for rid in model.acls:
        listed = gw.get(f"/acls/{rid}/permissions").json()
        shown = [{**e, "rid": rid} for e in listed["users"]], [{**e, "rid": rid} for e in listed["groups"]]
        assert (told(shown[0], "users", lambda e: e["uid"]) | told(shown[1], "groups", lambda e: e["gid"])
                == {g for g in model.grants if g[0] == rid})
    for gid in model.groups:
        listed = gw.get(f"/groups/{gid}/permissions").json()["array"]
        assert told(listed, "groups", lambda _, g=gid: g) == {g for g in model.grants if g[1:3] == ("groups", gid)}
    for uid in model.users:
        own = {g for g, u in model.members if u == uid}
        for query, groups in (("", own), ("?effective=true", model.groups_of(uid))):
            listed = gw.get(f"/users/{uid}/permissions{query}").json()
            assert (told(listed["direct"], "users", lambda _, u=uid: u) | told(listed["groups"], "groups", lambda e: e["gid"])
                    == {g for g in model.grants if g[1:3] == ("users", uid) or (g[1] == "groups" and g[2] in groups)})


def compare(gw, model):
    compare_permissions(gw, model)
    for uid in USERS + ["root"]:
        for rid in RIDS:
            for action in ACTIONS:
                answer = gw.get(f"/internal/policyquery?rid={rid}&uid={uid}&action={action}")
                assert answer.json() == {"allowed": model.allowed(uid, rid, action)}, (uid, rid, action)
        if uid in model.users:
            listed = gw.get(f"/users/{uid}/groups?effective=true").json()["array"]
            assert [m["group"]["gid"] for m in listed] == sorted(model.groups_of(uid))
    assert [g["gid"] for g in gw.get("/groups").json()["array"]] == sorted(model.groups)
    for gid in model.groups:
        listed = gw.get(f"/groups/{gid}/users?effective=true").json()["array"]
        assert [m["user"]["uid"] for m in listed] == sorted(model.members_of(gid))
        listed = gw.get(f"/groups/{gid}/groups?effective=true").json()["array"]
        assert [m["group"]["gid"] for m in listed] == sorted(model.inside(gid) - {gid})


@pytest.mark.parametrize("seed", range(3))
def test_what_is_answered_listed_and_decided_follows_the_calls(new_daemon, seed):
    dice, model = random.Random(seed), Model()
    daemon = new_daemon(superuser=False, api_access="gateway", superuser_username="root",
                        superuser_password_hash="$6$rounds=1000$saltsalt$" + "x" * 86).start()
    daemon.validate = False
    gw = daemon.client()
    for number in range(STEPS):
        method, path, body, status = model.step(dice)
        answer = gw(method, path, body) if body is not None else gw(method, path)
        assert answer.status == status, (number, method, path, answer)
        if number % 25 == 24:
            compare(gw, model)
    daemon.restart()
    compare(gw, model)
