"""Fixtures: one iamd and one service for all; each gateway once directly, once with a tap before iamd."""
import os
import resource
import time

import pytest

import gateways
import iamd
import keys
import serving
import wire

HELLO = "dcos:adminrouter:service:hello"
PASSWORD = "correct horse battery"


def pytest_sessionstart():
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(limit, 16384), limit))


class World:
    """iamd with a protected service: alice has a right to it through the group `crew`, bob has none."""

    def __init__(self, directory):
        self.daemon = iamd.Daemon(directory, audit_decisions="all").start()
        self.service = serving.Service()
        self.tap = serving.Tap(self.daemon.address)
        self.admin = self.daemon.superuser()
        for uid in ("alice", "bob"):
            self.admin.expect(201, "PUT", f"/users/{uid}", {"password": PASSWORD})
        self.admin.expect(201, "PUT", f"/acls/{HELLO}", {"description": "the service hello"})
        self.admin.expect(201, "PUT", "/groups/crew", {"description": "who may use hello"})
        self.admin.expect(204, "PUT", f"/acls/{HELLO}/groups/crew/full")
        self.admin.expect(204, "PUT", "/groups/crew/users/alice")
        self.alice = self.daemon.login("alice", PASSWORD)
        self.bob = self.daemon.login("bob", PASSWORD)
        self.numbers = 0

    def allow(self, uid):
        self.admin.expect(204, "PUT", f"/groups/crew/users/{uid}")

    def forbid(self, uid):
        self.admin.expect(204, "DELETE", f"/groups/crew/users/{uid}")

    def new_user(self):
        """A user with a right, and its token."""
        self.numbers += 1
        uid = f"user{self.numbers}"
        self.admin.expect(201, "PUT", f"/users/{uid}", {"password": PASSWORD})
        self.allow(uid)
        return uid, self.daemon.login(uid, PASSWORD)

    def short_token(self, seconds):
        """A token that ends soon, of a service account with a right; and when it ends."""
        self.numbers += 1
        uid = f"service{self.numbers}"
        self.admin.expect(201, "PUT", f"/users/{uid}", {"public_key": keys.rsa_key().public_pem})
        self.allow(uid)
        end = int(time.time()) + seconds
        answer = self.daemon.client().post("/auth/login", {"uid": uid, "token": keys.rsa_key().service_token(uid), "exp": end})
        assert answer.status == 200, answer
        return answer.json()["token"], end

    def close(self):
        self.tap.close()
        self.service.close()
        self.daemon.stop()


class Client:
    """A kept connection to a gateway."""

    def __init__(self, gateway, token=None):
        self.gateway = gateway
        self.token = token
        self.connection = wire.Connection(gateway.address, 30)
        self.reconnects = 0
        self.closed = False  # by the answer before

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.sock.close()

    def reconnect(self):
        self.connection.sock.close()
        self.connection = wire.Connection(self.gateway.address, 30)
        self.reconnects += 1

    def ask(self, target="/service/hello/x", method="GET", headers=(), body=None, token=None):
        if self.closed:
            self.reconnect()
        token = token or self.token
        sent = ([("Authorization", f"token={token}")] if token else []) + list(headers)
        if isinstance(target, bytes):
            target = target.decode("latin-1")
        data = wire.request_bytes(method, target, sent, body)
        answer = self.connection.ask(data, method)
        assert answer is not None, f"{self.gateway.kind} gave no answer:\n{self.gateway.log()[-3000:]}"
        self.closed = answer.closed
        return answer


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    w = World(tmp_path_factory.mktemp("world"))
    yield w
    w.close()


def gateway_of(kind, world, address):
    why = gateways.missing(kind)
    if why:
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    return gateways.Gateway(kind, address, world.service.address)


def per_kind(kinds, through_tap):
    @pytest.fixture(scope="session", params=kinds)
    def fixture(request, world):
        g = gateway_of(request.param, world, world.tap.address if through_tap else world.daemon.address)
        g.start()
        yield g
        g.close()
    return fixture


STRICT = ["nginx", "dcos-router", "caddy", "haproxy", "apache"]
gateway = per_kind(STRICT, False)
tapped = per_kind(STRICT, True)
cached = per_kind(["nginx-cached"], False)
every = per_kind(STRICT + ["nginx-cached"], False)


@pytest.fixture
def client(gateway):
    """Makes clients of the gateway; closed at the end."""
    made = []

    def make(token=None):
        made.append(Client(gateway, token))
        return made[-1]

    yield make
    for c in made:
        c.connection.sock.close()
