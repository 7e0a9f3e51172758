"""
A2: each role calls each route that the daemon has, on its own objects and on others', protected or not. Who may is
written in words below; a route without words fails. What a request would change that may be made is mended.
"""
import itertools
import json

import pytest

import iamd
import wire

PASSWORD = "correct horse battery"
ACTIONS = ("create", "read", "update", "delete", "full")
AREAS = ("users", "groups", "acls", "metrics", "decisions", "audit")

# The words, separated by "; ". One of these must hold:
#   everybody               without a token, too
#   a token                 whoever has a good one
#   iam:x ACTION            that grant or its full, dcos:adminrouter:acs full, or superuser
#   exactly iam:x ACTION    the same without dcos:adminrouter:acs
#   oneself                 the user it is about is the caller
#   a superuser             and nobody else
# And, where it is said, of the objects named:
#   a protected {x} takes a superuser
# "judged: " before them: the route is for everybody, and its answer is the judgement itself.
API = wire.API
QUESTION = {"subject": {"type": "user", "id": "{uid}"}, "action": {"name": "read"}, "resource": {"type": "app", "id": "a"}}
DIRECTORY = {"host": "localhost", "port": 1, "enforce-starttls": True, "use-ldaps": False, "dntemplate": "uid=%(username)s"}
RULES = [
    ("POST", f"{API}/auth/login", {}, "everybody"),
    ("GET", f"{API}/auth/login", None, "everybody"),
    ("GET", f"{API}/auth/logout", None, "everybody"),
    ("GET", f"{API}/auth/jwks", None, "everybody"),
    ("GET", f"{API}/auth/providers", None, "everybody"),
    ("GET", f"{API}/auth/oidc/providers", None, "everybody"),
    ("GET", f"{API}/auth/saml/providers", None, "everybody"),
    ("GET", f"{API}/uiconfig", None, "everybody"),
    ("GET", f"{API}/internal/openapispec.yaml", None, "everybody"),
    ("GET", "/health/live", None, "everybody"),
    ("GET", "/health/ready", None, "everybody"),
    ("GET", "/metrics", None, "exactly iam:metrics read"),
    ("POST", f"{API}/auth/revoke", {"token": "nonsense"}, "a token"),
    ("POST", f"{API}/auth/revoke", {"token": "token of {uid}"},
     "iam:users update; oneself; a protected {uid} takes a superuser"),

    ("GET", f"{API}/users", None, "iam:users read"),
    ("GET", f"{API}/users?type=service&limit=1", None, "iam:users read"),
    ("GET", f"{API}/users/{{uid}}", None, "iam:users read; oneself"),
    ("PUT", f"{API}/users/{{uid}}", {}, "iam:users create"),
    ("PATCH", f"{API}/users/{{uid}}", {"description": "x"}, "iam:users update"),
    ("PATCH", f"{API}/users/{{uid}}", {"password": "x"},
     "iam:users update; oneself; a protected {uid} takes a superuser"),
    ("PATCH", f"{API}/users/{{uid}}", {"enabled": True}, "iam:users update; a protected {uid} takes a superuser"),
    ("PATCH", f"{API}/users/{{uid}}", {"public_key": "x"}, "iam:users update; a protected {uid} takes a superuser"),
    ("PATCH", f"{API}/users/{{uid}}", {"description": "x", "password": "x"},
     "iam:users update; a protected {uid} takes a superuser"),
    ("DELETE", f"{API}/users/{{uid}}", None, "iam:users delete; a protected {uid} takes a superuser"),
    ("DELETE", f"{API}/users/{{uid}}/tokens", None, "iam:users update; oneself; a protected {uid} takes a superuser"),
    ("GET", f"{API}/users/{{uid}}/groups", None, "iam:groups read; oneself"),
    ("GET", f"{API}/users/{{uid}}/groups?effective=true", None, "iam:groups read; oneself"),
    ("GET", f"{API}/users/{{uid}}/permissions", None, "iam:acls read; oneself"),
    ("GET", f"{API}/users/{{uid}}/permissions?effective=true", None, "iam:acls read; oneself"),

    ("GET", f"{API}/groups", None, "iam:groups read"),
    ("GET", f"{API}/groups/{{gid}}", None, "iam:groups read"),
    ("PUT", f"{API}/groups/{{gid}}", {"description": "x", "provider_type": "none"}, "iam:groups create"),
    ("PATCH", f"{API}/groups/{{gid}}", {"description": "x"}, "iam:groups update"),
    ("DELETE", f"{API}/groups/{{gid}}", None, "iam:groups delete; a protected {gid} takes a superuser"),
    ("GET", f"{API}/groups/{{gid}}/permissions", None, "iam:acls read"),
    ("GET", f"{API}/groups/{{gid}}/users", None, "iam:groups read"),
    ("PUT", f"{API}/groups/{{gid}}/users/{{uid}}", None, "iam:groups update; a protected {gid} takes a superuser"),
    ("DELETE", f"{API}/groups/{{gid}}/users/{{uid}}", None, "iam:groups update; a protected {gid} takes a superuser"),
    ("GET", f"{API}/groups/{{gid}}/groups", None, "iam:groups read"),
    ("PUT", f"{API}/groups/{{gid}}/groups/{{sub}}", None,
     "iam:groups update; a protected {gid} takes a superuser; a protected {sub} takes a superuser"),
    ("DELETE", f"{API}/groups/{{gid}}/groups/{{sub}}", None,
     "iam:groups update; a protected {gid} takes a superuser; a protected {sub} takes a superuser"),

    ("GET", f"{API}/acls", None, "iam:acls read"),
    ("GET", f"{API}/acls/{{rid}}", None, "iam:acls read"),
    ("PUT", f"{API}/acls/{{rid}}", {"description": "x"}, "iam:acls create; a protected {rid} takes a superuser"),
    ("PATCH", f"{API}/acls/{{rid}}", {"description": "x"}, "iam:acls update; a protected {rid} takes a superuser"),
    ("DELETE", f"{API}/acls/{{rid}}", None, "iam:acls delete; a protected {rid} takes a superuser"),
    ("GET", f"{API}/acls/{{rid}}/permissions", None, "iam:acls read"),
    *[rule for of in ("users/{uid}", "groups/{gid}") for rule in [
        ("GET", f"{API}/acls/{{rid}}/{of}", None, "iam:acls read"),
        ("DELETE", f"{API}/acls/{{rid}}/{of}", None, "iam:acls update; a protected {rid} takes a superuser"),
        ("GET", f"{API}/acls/{{rid}}/{of}/{{action}}", None, "iam:acls read"),
        ("PUT", f"{API}/acls/{{rid}}/{of}/{{action}}", None, "iam:acls update; a protected {rid} takes a superuser"),
        ("DELETE", f"{API}/acls/{{rid}}/{of}/{{action}}", None,
         "iam:acls update; a protected {rid} takes a superuser")]],

    ("POST", f"{API}/ldap/config/test", {"uid": "x", "password": "x"}, "a superuser"),
    ("POST", f"{API}/ldap/directories/{{id}}/test", {"uid": "x", "password": "x"}, "a superuser"),
    ("GET", f"{API}/ldap/config", None, "a superuser"),
    ("PUT", f"{API}/ldap/config", DIRECTORY, "a superuser"),
    ("DELETE", f"{API}/ldap/config", None, "a superuser"),
    ("GET", f"{API}/ldap/directories", None, "a superuser"),
    ("GET", f"{API}/ldap/directories/{{id}}", None, "a superuser"),
    ("PUT", f"{API}/ldap/directories/{{id}}", DIRECTORY, "a superuser"),
    ("DELETE", f"{API}/ldap/directories/{{id}}", None, "a superuser"),
    *[rule for of in ("ldap", "ldap/directories/{id}") for rule in [
        ("POST", f"{API}/{of}/sync", {"dry_run": True}, "a superuser"),
        ("GET", f"{API}/{of}/sync", None, "a superuser"),
        ("DELETE", f"{API}/{of}/sync", None, "a superuser")]],
    ("POST", f"{API}/ldap/importuser", {"username": "x"}, "iam:users create"),
    ("POST", f"{API}/ldap/importgroup", {"groupname": "x"}, "iam:groups create"),
    ("POST", f"{API}/ldap/directories/{{id}}/importuser", {"username": "x"}, "iam:users create"),
    ("POST", f"{API}/ldap/directories/{{id}}/importgroup", {"groupname": "x"}, "iam:groups create"),

    ("GET", f"{API}/internal/policyquery?rid=app:a&action=read&uid={{uid}}", None, "iam:decisions read; oneself"),
    ("POST", "/access/v1/evaluation", QUESTION, "iam:decisions read; oneself"),
    ("POST", "/access/v1/evaluations", {**QUESTION, "evaluations": [{}, {}]}, "iam:decisions read; oneself"),
    ("POST", "/access/v1/search/subject", {**QUESTION, "subject": {"type": "user"}}, "iam:decisions read"),
    ("POST", "/access/v1/search/resource", QUESTION, "iam:decisions read; oneself"),
    ("POST", "/access/v1/search/action", QUESTION, "iam:decisions read; oneself"),
    ("GET", "/.well-known/authzen-configuration", None, "everybody"),
    ("GET", f"{API}/auth/check?rid=app:a&action=read", None, "judged: exactly app:a read"),
    ("GET", f"{API}/auth/check?rid=iam:metrics&action=read", None, "judged: exactly iam:metrics read"),
]

# -- the world, made through the interface

ROLES = {  # name: what it is granted; the last three come by their groups
    "plain": set(),
    **{f"{area}-{action}": {(f"iam:{area}", action)} for area in AREAS for action in ACTIONS},
    "router": {("dcos:adminrouter:acs", "full")}, "router-read": {("dcos:adminrouter:acs", "read")},
    "superuser": {("dcos:superuser", "read")}, "disabled": {("dcos:superuser", "full")},
    "manager": {("iam:users", "full"), ("iam:groups", "full"), ("iam:acls", "full")},
    "member": {("dcos:superuser", "full")}, "nested": {("dcos:superuser", "full")},
}
BY_GROUPS = {"manager": "juniors", "member": "superusers", "nested": "almost-superusers"}
STRANGERS = ("nobody", "forger", "disabled")  # who are 401
OBJECTS = {  # of the path; OWN is the caller
    "uid": {"ordinary": "victim", "protected": "guardian", "superuser": "root2", "unknown": "no-such-user"},
    "gid": {"ordinary": "team", "protected": "guards", "nested": "junior-guards", "superusers": "superusers",
            "unknown": "no-such-group"},
    "sub": {"ordinary": "other-team", "protected": "guards", "nested": "junior-guards", "superusers": "superusers"},
    "rid": {"ordinary": "app:a", "slashed": "app:x%252Fy", "unknown": "app:none",
            "protected": "iam:spare", "unmade": "iam:none", "superuser": "dcos:superuser",
            "router": "dcos:adminrouter:acs"},
    "action": {"ordinary": "read"},
    "id": {"ordinary": "branch"},
}
PROTECTED = {"protected", "superuser", "superusers", "nested", "unmade", "router"}
PROTECTED_GROUPS = ["guards", "junior-guards", "superusers", "almost-superusers", "managers", "juniors"]


def facts():
    """(path, body): each a PUT, in an order that works."""
    for uid in [*ROLES, "victim", "guardian", "root2"]:
        yield f"/users/{uid}", {"password": PASSWORD}
    for gid in ["team", "other-team", *(g for g in PROTECTED_GROUPS if g != "superusers")]:
        yield f"/groups/{gid}", {"description": gid}
    for outer, inner in (("guards", "junior-guards"), ("superusers", "almost-superusers"), ("managers", "juniors")):
        yield f"/groups/{outer}/groups/{inner}", None
    for uid, gid in [*BY_GROUPS.items(), ("guardian", "junior-guards"), ("root2", "almost-superusers")]:
        yield f"/groups/{gid}/users/{uid}", None
    for rid in ["app:a", "app:x%252Fy", "iam:spare", "dcos:adminrouter:acs", *(f"iam:{a}" for a in AREAS)]:
        yield f"/acls/{rid}", {"description": rid}
    for uid, granted in ROLES.items():
        for rid, action in granted if uid not in BY_GROUPS else ():
            yield f"/acls/{rid}/users/{uid}/{action}", None
    for rid, action in ROLES["manager"]:
        yield f"/acls/{rid}/groups/managers/{action}", None
    yield "/acls/iam:metrics/groups/guards/read", None


class World:
    def __init__(self, directory):
        self.daemon = iamd.Daemon(directory, public_url="https://iam.example.org").start()
        self.admin = self.daemon.superuser()
        self.facts = list(facts())
        self.connections = {}
        for path, body in self.facts:
            self.put(path, body, (201, 204))
        self.tokens = {name: self.daemon.login(name, PASSWORD) for name in ROLES}
        self.tokens["forger"] = self.tokens["superuser"][:-8] + "AAAAAAAA"
        self.tokens["nobody"] = None
        self.admin.expect(204, "PATCH", "/users/disabled", {"enabled": False})

    def put(self, path, body, statuses=(201, 204, 409)):
        answer = self.admin.put(path, body) if body else self.admin.put(path)
        assert answer.status in statuses, (path, answer)

    def mend(self, path):
        """Makes again what a deletion of this took along."""
        thing = path[len(API):]
        tail = "/" + "/".join(thing.split("/")[-2:])
        for fact, body in self.facts:
            if fact == thing or fact.startswith(thing + "/") or (thing.count("/") == 2 and tail + "/" in fact + "/"):
                self.put(fact, body)

    def ask(self, role, method, target, body):
        headers = [("Authorization", f"token={self.tokens[role]}")] if self.tokens[role] else []
        if body is not None:
            headers.append(("Content-Type", "application/json"))
            body = json.dumps(body).encode()
        for _ in range(2):
            c = self.connections.get(role) or wire.Connection(self.daemon.address)
            self.connections[role] = c
            answer = c.ask(wire.request_bytes(method, target, headers, body), method)
            if answer is None or answer.closed:
                c.__exit__()
                del self.connections[role]
            if answer is not None:
                return answer
        raise AssertionError(f"no answer to {role} {method} {target}")

    def after(self, role, method, path, objects):
        """A request was done: back to what was."""
        if method == "DELETE" and path.endswith("/tokens") and objects["uid"] == "own" or path.endswith("/logout"):
            if role not in STRANGERS:
                self.tokens[role] = self.daemon.login(role, PASSWORD)
        elif method == "DELETE":
            self.mend(path)
        elif method == "PUT" and not any(fact == path[len(API):] for fact, _ in self.facts):
            self.admin.expect(204, "DELETE", path[len(API):])


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    w = World(tmp_path_factory.mktemp("world"))
    yield w
    for c in w.connections.values():
        c.__exit__()
    w.daemon.stop()


# -- what is expected

def is_superuser(role):
    return any(rid == "dcos:superuser" for rid, _ in ROLES[role])


def holds(role, grant, by_router=True):
    rid, action = grant.split()
    granted = ROLES[role]
    return (is_superuser(role) or bool({(rid, action), (rid, "full")} & granted)
            or (by_router and ("dcos:adminrouter:acs", "full") in granted))


def expected(words, role, objects):
    """401, 403 or "done" (whatever else, but nothing of the kind)."""
    reasons, vetoed = [], False
    for clause in words.removeprefix("judged: ").split("; "):
        if clause == "everybody":
            return "done"
        if role in STRANGERS:
            return 401
        if clause.startswith("a protected {"):
            vetoed |= objects[clause[len("a protected {"):].split("}")[0]] in PROTECTED and not is_superuser(role)
        elif clause == "a token":
            reasons.append(True)
        elif clause == "a superuser":
            reasons.append(is_superuser(role))
        elif clause == "oneself":
            reasons.append(objects["uid"] == "own")
        elif clause.startswith("exactly "):
            reasons.append(holds(role, clause[len("exactly "):], by_router=False))
        else:
            reasons.append(holds(role, clause))
    return "done" if any(reasons) and not vetoed else 403


def outcome(answer, is_judgement):
    if answer.status == 401:
        assert answer.header("www-authenticate") == "acsjwt", answer
        assert is_judgement or answer.code == "ERR_UNAUTHENTICATED", answer
        return 401
    if answer.status == 403:
        assert answer.header("x-iam-reason") if is_judgement else answer.code == "ERR_FORBIDDEN", answer
        return 403
    assert answer.status == 200 or not is_judgement, answer
    assert answer.status < 500 and answer.status not in (404, 405), answer
    return "done"


def named(text):
    return [p for p in OBJECTS if "{" + p + "}" in text]


def choices(role, path, body):
    """Each combination of objects that the path and the body name: {parameter: kind}."""
    names = named(path + json.dumps(body))
    kinds = [[*OBJECTS[n], "own"] if n == "uid" and role in ROLES else [*OBJECTS[n]] for n in names]
    if body and "{uid}" in body.get("token", ""):
        kinds = [[x for x in kinds[0] if x != "unknown"]]  # nobody's token is no token
    if "rid" in names and len(names) > 1:  # whose grant it is decides nothing: fewer of them
        kinds = [k if n == "rid" else [x for x in k if x in ("ordinary", "own", "protected")] for n, k in zip(names, kinds)]
    return [dict(zip(names, c)) for c in itertools.product(*kinds)]


def fill(role, text, objects):
    for name, kind in objects.items():
        text = text.replace("{" + name + "}", role if kind == "own" else OBJECTS[name][kind])
    return text


def test_a2_each_route_has_its_words_and_each_word_its_route():
    done = iamd.run("--print-routes")
    table = {tuple(line.split()[:2]) for line in done.stdout.decode().splitlines() if line.strip()}
    assert len(table) > 40
    ruled = {(method, path.split("?")[0]) for method, path, *_ in RULES}
    assert table - ruled == set(), "routes that nobody has said who may call"
    assert ruled - table == set(), "said of no route"


@pytest.mark.parametrize("method, path, body, words", RULES,
                         ids=[f"{m} {p} {' '.join(b or [])}".strip() for m, p, b, _ in RULES])
def test_a2_who_may_call(world, method, path, body, words):
    wrong, seen = [], set()
    for role in ["nobody", "forger", *ROLES]:
        for objects in choices(role, path, body):
            want = expected(words, role, objects)
            if want == "done" and method == "DELETE" and path.endswith("/users/{uid}") and objects == {"uid": "own"}:
                continue  # would end the role
            target, sent = fill(role, path, objects), body and json.loads(fill(role, json.dumps(body), objects))
            if sent and sent.get("token", "").startswith("token of "):
                sent = {"token": token_of(world, sent["token"].removeprefix("token of "))}
            answer = world.ask(role, method, target, sent)
            got = outcome(answer, words.startswith("judged: "))
            seen.add(got)
            if got != want:
                wrong.append(f"{role} {method} {target} {body or ''}: {answer.status}, expected {want}")
            if answer.status in (200, 201, 204) and method != "PATCH":
                world.after(role, method, target, objects)
    assert not wrong, f"{len(wrong)} wrong:\n" + "\n".join(wrong[:20])
    assert seen == ({"done"} if words == "everybody" else {"done", 401} if words == "a token" else {"done", 401, 403})


@pytest.mark.parametrize("method, path, body", [r[:3] for r in RULES if r[0] != "GET" and r[3] != "everybody"
                                                and not r[1].startswith("/access/")])
def test_w5_with_a_cookie_no_other_site_changes_anything(world, method, path, body):
    """Whatever the superuser may. A decision changes nothing."""
    objects = {n: "ordinary" for n in named(path + json.dumps(body))}
    me = world.daemon.client(cookie=world.tokens["superuser"])
    for headers in ([("Sec-Fetch-Site", "cross-site")], [("Sec-Fetch-Site", "same-site")], [("Origin", "null")],
                    [("Origin", "https://evil.example")]):
        answer = me(method, fill("superuser", path, objects), **({"json_": body} if body is not None else {}),
                    headers=headers, root=True)
        assert (answer.status, answer.code) == (403, "ERR_CROSS_SITE"), answer


def token_of(world, uid):
    return world.tokens[uid] if uid == "disabled" else world.daemon.login(uid, PASSWORD)


def test_a2_the_objects_are_what_the_words_call_them(world):
    """The table would prove nothing if its protected objects were none."""
    permissions = world.admin.get("/groups/guards/permissions").json()["array"]
    assert [p["rid"] for p in permissions] == ["iam:metrics"]
    assert world.admin.get("/groups/junior-guards/permissions").json() == {"array": []}
    assert [m["user"]["uid"] for m in world.admin.get("/groups/junior-guards/users").json()["array"]] == ["guardian"]
    assert world.admin.get("/users/guardian/permissions").json() == {"direct": [], "groups": []}
    for name, granted in ROLES.items():
        if name not in BY_GROUPS:
            direct = world.admin.get(f"/users/{name}/permissions").json()["direct"]
            assert {(p["rid"], a["name"]) for p in direct for a in p["actions"]} == granted, name
