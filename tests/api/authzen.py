"""The house the AuthZEN tests ask about, and the questions in short."""
import iamd
import keys
import seed

PASSWORD = "correct horse battery"
ROOT = "/access/v1"


def question(subject, action, resource, **more):
    """("user", "alice"), "read", ("record", "record-1") as a request."""
    return {"subject": dict(zip(("type", "id"), subject)), "action": {"name": action},
            "resource": dict(zip(("type", "id"), resource)), **more}


class House:
    """
    alice may read and write record-1, bob may read it: the certification's scenario. More users,
    kinds, nested groups and grants beside. Written while the daemon was down.
    """

    def __init__(self, directory, **options):
        self.daemon = daemon = iamd.Daemon(directory, **options).start()
        self.tokens = {}
        admin = self("bootstrapuser")
        for name in ("alice", "bob", "carol", "dave", "off", "asker", "acs", "updater"):
            admin.expect(201, "PUT", f"/users/{name}", {"password": PASSWORD})
        for name in ("robot", "robot2"):
            admin.expect(201, "PUT", f"/users/{name}", {"public_key": keys.rsa_key().public_pem})
        admin.expect(204, "PATCH", "/users/off", {"enabled": False})
        daemon.stop()
        for name, rid, action in [
                ("alice", "record:record-1", "read"), ("alice", "record:record-1", "update"),
                ("bob", "record:record-1", "read"), ("off", "record:record-1", "full"),
                ("robot", "record:record-1", "full"), ("robot", "svc:übung/ß \"x\"".replace(" ", "-"), "read"),
                ("alice", "folder:", "read"), ("alice", "folder:a/b:c", "delete"), ("alice", "folder", "read"),
                ("alice", "folderx:1", "read"), ("alice", "plain", "create"),
                ("asker", "iam:decisions", "read"), ("acs", "dcos:adminrouter:acs", "full"),
                ("updater", "iam:decisions", "update")]:
            seed.grant(daemon, name, rid, action)
        seed.acl(daemon, "record:record-2")
        seed.group(daemon, "outer", [], [("record:record-3", "read"), ("svc:g", "full")])
        seed.group(daemon, "middle", [], inside=["outer"])
        seed.group(daemon, "inner", ["carol", "robot2"], inside=["middle"])
        daemon.sql("INSERT INTO group_nesting (gid, sub_gid) VALUES ('inner', 'outer')")  # a cycle
        daemon.start()

    def __call__(self, name="bootstrapuser"):
        if name not in self.tokens:
            self.tokens[name] = self.daemon.login() if name == "bootstrapuser" else self.daemon.login(name, PASSWORD)
        return self.daemon.client(self.tokens[name])


def post(client, path, body, **kw):
    return client.post(f"{ROOT}/{path}", body, root=True, **kw)


def decide(client, *args, **more):
    """The decision of one evaluation, which must succeed."""
    answer = post(client, "evaluation", question(*args, **more))
    assert answer.status == 200, answer
    return answer.json()["decision"]


def search(client, kind, body, limit=None):
    """All results, page by page."""
    found, token, pages = [], "", 0
    while True:
        page = {k: v for k, v in (("limit", limit), ("token", token)) if v}
        answer = post(client, f"search/{kind}", {**body, **({"page": page} if page else {})})
        assert answer.status == 200, answer
        document = answer.json()
        assert list(document) == ["page", "results"]
        assert document["page"]["count"] == len(document["results"]) <= (limit or 100)
        found += document["results"]
        token, pages = document["page"]["next_token"], pages + 1
        if not token:
            return found
        assert pages < 3000
