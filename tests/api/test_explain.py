"""Why: explanations are told by decisions, name what is there, and lead to what they promise."""
import itertools
import random

import pytest

PASSWORD = "correct horse battery"
ACTIONS = ("create", "read", "update", "delete", "full")
BODIES = {"users": {"password": PASSWORD}, "acls": {"description": "made as told"}}


def ask(client, uid, rid, action):
    """The explanation, which says what the decision says."""
    answer = client.expect(200, "GET", f"/internal/policyquery?uid={uid}&rid={rid}&action={action}&explain=true").json()
    why = answer["explanation"]
    assert answer["allowed"] == (why["decision"] == "allow")
    assert why["text"].startswith("denied: ") != answer["allowed"]
    return why


def follow(client, why):
    """Makes the calls that are told to be needed."""
    for step in why["needed"]:
        folder = step["url"].split("/")[4]
        whole = step["url"].count("/") == 5
        body = {"enabled": True} if step["method"] == "PATCH" else BODIES[folder] if whole else None
        args = () if body is None else (body,)
        client.expect(201 if step["method"] == "PUT" and whole else 204, step["method"], step["url"], *args, root=True)


class House:
    """A few users, groups in groups, and resources, with random links between them."""

    def __init__(self, admin, seed):
        self.admin, self.random = admin, random.Random(seed)
        name = f"why{seed}"
        self.users = [f"{name}-user{i}" for i in range(3)]
        self.groups = [f"{name}-group{i}" for i in range(5)]
        self.rids = [f"{name}:a/b", f"{name}:c"]
        for uid in self.users:
            admin.expect(201, "PUT", f"/users/{uid}", {"password": PASSWORD})
        for gid in self.groups:
            admin.expect(201, "PUT", f"/groups/{gid}", {"description": ""})
        for rid in self.rids:
            admin.expect(201, "PUT", f"/acls/{self.quoted(rid)}", {"description": ""})
        for _ in range(6):
            self.link("users", self.random.choice(self.users))
            self.link("groups", self.random.choice(self.groups))
            self.grant()

    @staticmethod
    def quoted(rid):
        return rid.replace("/", "%252F")

    def link(self, kind, member):
        gid = self.random.choice(self.groups)
        assert self.admin.put(f"/groups/{gid}/{kind}/{member}").status in (204, 409)

    def grant(self):
        who = self.random.choice(self.users + self.groups)
        kind = "users" if who in self.users else "groups"
        rid = self.quoted(self.random.choice(self.rids))
        assert self.admin.put(f"/acls/{rid}/{kind}/{who}/{self.random.choice(ACTIONS)}").status in (204, 409)

    def questions(self):
        return itertools.product(self.users, self.rids, ACTIONS)

    def is_path(self, uid, chain):
        """The user is in the first, which is in the second, and so on."""
        members = [("users", "user", "uid", uid)] + [("groups", "group", "gid", g) for g in chain[:-1]]
        for gid, (kind, member, key, name) in zip(chain, members):
            listed = self.admin.expect(200, "GET", f"/groups/{gid}/{kind}").json()["array"]
            assert name in [row[member][key] for row in listed], (gid, kind, name)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_named_grant_is_there_and_without_it_the_answer_is_another(admin, seed):
    house = House(admin, seed)
    told = {q: ask(admin, *q) for q in house.questions()}
    assert {w["decision"] for w in told.values()} == {"allow", "deny"}
    for (uid, rid, action), why in told.items():
        taken = []
        why = ask(admin, uid, rid, action)  # earlier rounds took grants away
        while why["decision"] == "allow":
            grant = why["grant"]
            assert grant["rid"] == rid and grant["action"] in (action, "full")
            assert why["groups_total"] == len(why["groups"])
            assert (grant.get("gid") is None) == (why["groups"] == [])
            if why["groups"]:
                assert why["groups"][-1] == grant["gid"]
                house.is_path(uid, why["groups"])
            assert admin.get(grant["url"], root=True).json() == {"allowed": True}
            assert grant["url"] not in taken
            admin.expect(204, "DELETE", grant["url"], root=True)
            taken.append(grant["url"])
            why = ask(admin, uid, rid, action)
        assert why["why"] == "no-grant"


def test_what_is_told_to_be_needed_allows_it(admin, enforce, uid):
    """From nothing at all: no account, no ACL, no grant; then disabled."""
    rid = f"needed:{uid}/x"
    why = ask(admin, uid, rid, "update")
    assert why["why"] == "unknown-user"
    assert [s["method"] for s in why["needed"]] == ["PUT", "PUT", "PUT"]
    follow(admin, why)
    why = ask(admin, uid, rid, "update")
    assert why["why"] == "grant" and why["grant"]["uid"] == uid and why["grant"]["action"] == "update"
    why = ask(admin, uid, rid, "full")
    assert why["why"] == "no-grant" and len(why["needed"]) == 1
    admin.expect(204, "PATCH", f"/users/{uid}", {"enabled": False})
    why = ask(admin, uid, rid, "full")
    assert why["why"] == "disabled-user"
    assert [s["method"] for s in why["needed"]] == ["PATCH", "PUT"]
    follow(admin, why)
    assert ask(admin, uid, rid, "full")["decision"] == "allow"
    # and oneself may ask why
    own = enforce.client(enforce.login(uid, PASSWORD))
    assert ask(own, uid, rid, "full")["grant"]["uid"] == uid


def test_a_superuser_is_explained_by_the_superuser_grant(admin):
    why = ask(admin, "bootstrapuser", "never:heard:of", "delete")
    assert why["why"] == "superuser"
    assert why["grant"]["rid"] == "dcos:superuser"
    assert why["groups"] == ["superusers"]
    assert ask(admin, "bootstrapuser", "never:heard:of", "fly")["why"] == "bad-action"


def test_of_a_long_chain_the_ends_are_told(admin, user, acl, gid):
    chain = [f"{gid}-{i:02}" for i in range(70)]
    for name in chain:
        admin.expect(201, "PUT", f"/groups/{name}", {"description": ""})
    for inner, outer in zip(chain, chain[1:]):
        admin.expect(204, "PUT", f"/groups/{outer}/groups/{inner}")
    admin.expect(204, "PUT", f"/groups/{chain[0]}/users/{user}")
    admin.expect(204, "PUT", f"/acls/{acl}/groups/{chain[-1]}/read")
    why = ask(admin, user, acl, "read")
    assert why["groups_total"] == 70
    assert why["groups"] == chain[:63] + chain[-1:]
    assert why["text"].endswith(f"{chain[6]} is in {chain[7]}, and so on through 62 more to {chain[-1]}")
    # closed into a cycle it is no longer, and no shorter
    admin.expect(204, "PUT", f"/groups/{chain[0]}/groups/{chain[-1]}")
    assert ask(admin, user, acl, "read")["groups_total"] == 70
