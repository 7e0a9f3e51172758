"""C8: clients that send a byte a second, or nothing, are cut and harm nobody."""
import resource
import selectors
import socket
import time

import pytest

import iamd
import wire

REQUEST = wire.request_bytes("GET", wire.API + "/auth/jwks", [("User-Agent", "s" * 200)])
BODY = wire.request_bytes("POST", wire.API + "/auth/login",
                          [("Content-Type", "application/json"), ("Content-Length", "60000")])


@pytest.fixture(scope="module", autouse=True)
def many_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Crowd:
    """Connections that each send one byte of `data` when told to."""

    def __init__(self, address, count, data):
        self.data = data
        self.selector = selectors.DefaultSelector()
        self.sent = {}
        for _ in range(count):
            s = socket.create_connection(address, 10)
            s.setblocking(False)
            self.sent[s] = 0
            self.selector.register(s, selectors.EVENT_READ)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for s in list(self.sent):
            self.drop(s)

    def drop(self, s):
        self.selector.unregister(s)
        del self.sent[s]
        s.close()

    def drip(self):
        for s in list(self.sent):
            try:
                s.send(self.data[self.sent[s]:self.sent[s] + 1])
                self.sent[s] += 1
            except BlockingIOError:
                pass
            except OSError:
                self.drop(s)

    def notice_cuts(self):
        for key, _ in self.selector.select(0):
            try:
                if key.fileobj.recv(4096) == b"":
                    self.drop(key.fileobj)
            except BlockingIOError:
                pass
            except OSError:
                self.drop(key.fileobj)
        return len(self.sent)


def test_c8_a_thousand_clients_of_a_byte_a_second_leave_others_unharmed(new_daemon):
    daemon = new_daemon(header_timeout=3).start()
    token = daemon.login()
    threads_before = daemon.thread_count()
    slowest = 0.0
    with Crowd(daemon.address, 1000, REQUEST) as crowd:
        began = time.monotonic()
        next_drip, cut_at = began, None
        while time.monotonic() - began < 8:
            if time.monotonic() >= next_drip:
                crowd.drip()
                next_drip += 1
            asked = time.monotonic()
            assert daemon.client(token).get("/users/bootstrapuser").status == 200
            slowest = max(slowest, time.monotonic() - asked)
            if crowd.notice_cuts() == 0:
                cut_at = time.monotonic() - began
                break
            time.sleep(0.02)
        assert daemon.thread_count() <= threads_before + 2, "a thread a client"
        assert slowest < 1.0, f"somebody else waited {slowest:.2f} s"
        assert cut_at is not None, f"{len(crowd.sent)} slow clients are still connected"
        assert cut_at > 2.5, "cut before the deadline"
    assert daemon.login()
    assert daemon.metric(r"iamd_\w*cut\w*") >= 1000


def test_c8_a_slow_body_is_cut(new_daemon):
    daemon = new_daemon().start()
    with Crowd(daemon.address, 50, b"x" * 1000) as crowd:
        for s in crowd.sent:
            s.send(BODY)
        began = time.monotonic()
        while crowd.notice_cuts() and time.monotonic() - began < 12:
            crowd.drip()
            time.sleep(0.25)
        assert not crowd.sent, "a body of four bytes a second lives on"
        assert time.monotonic() - began > 4
    assert daemon.login()


def test_c8_a_body_that_is_slow_but_not_too_slow_is_read(new_daemon):
    daemon = new_daemon(header_timeout=1, idle_timeout=3).start()
    body = b'{"uid": "u", "password": "x", "y": "%s"}' % (b"z" * 12000)
    with wire.Connection(daemon.address) as c:
        c.send(wire.request_bytes("POST", wire.API + "/auth/login", [("Content-Type", "application/json")], body)[:-12000])
        for _ in range(8):
            c.send(b"z" * 1500)
            time.sleep(0.8)
        # the tail was cut off above: the 12 000 bytes just sent are the body's last ones
        assert c.receive().status in (400, 401)


def test_c8_an_idle_connection_is_closed(new_daemon):
    daemon = new_daemon(idle_timeout=1, header_timeout=2).start()
    fresh = wire.Connection(daemon.address)
    used = wire.Connection(daemon.address)
    assert used.ask(REQUEST).status == 200
    began = time.monotonic()
    assert used.is_closed(within=6)
    assert time.monotonic() - began > 0.5
    assert fresh.is_closed(within=6), "a connection without a request"


def test_c8_a_client_that_left_in_the_middle_is_noticed_at_once(new_daemon):
    """Not only when its deadline comes: what it held is free for others."""
    daemon = new_daemon(header_timeout=30).start()
    admin = daemon.superuser()
    whole = wire.request_bytes("POST", wire.API + "/auth/login", [("Content-Type", "application/json")], b'{"uid": "u"}')
    for number in range(200):
        with wire.Connection(daemon.address) as c:
            c.send(whole[:-1 - number % (len(whole) - 1)])  # the end of the connection comes with the data
    iamd.wait_until(lambda: daemon.metric("iamd_connections", admin) <= 2, 5, "connections of clients that are gone")


def test_c8_a_client_that_does_not_read_harms_nobody(new_daemon):
    daemon = new_daemon(idle_timeout=2).start()
    admin = daemon.superuser()
    for number in range(60):
        admin.expect(201, "PUT", f"/users/u{number}", {"password": "long enough", "description": "d" * 4000})
    request = wire.request_bytes("GET", wire.API + "/users", [("Authorization", f"token={admin.token}")])
    deaf = []
    for _ in range(20):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(daemon.address)
        s.sendall(request * 5)
        deaf.append(s)
    for _ in range(20):
        assert len(admin.get("/users").json()["array"]) == 61
        assert admin.put("/users/u0", {"password": "long enough"}).status == 409
    for s in deaf:
        s.close()


def test_connections_of_one_address_are_limited_for_strangers_only(new_daemon):
    """Loopback is exempt."""
    daemon = new_daemon(connection_limit_per_address=5).start()
    many = [wire.Connection(daemon.address) for _ in range(40)]
    assert [c.ask(REQUEST).status for c in many] == [200] * 40
    for c in many:
        c.sock.close()


def test_the_connection_limit_holds_and_frees_itself(new_daemon):
    daemon = new_daemon(connection_limit=32, header_timeout=2).start()
    with Crowd(daemon.address, 100, REQUEST):
        time.sleep(0.3)
        assert daemon.running()
    iamd.wait_until(lambda: can_ask(daemon), what="room again")


def can_ask(daemon):
    try:
        return daemon.client().get("/auth/jwks").status == 200
    except (AssertionError, OSError):
        return False


def test_a_thousand_logins_at_once_are_answered_or_refused_but_never_lost(new_daemon):
    """The password lane has a bound; beyond it the answer is 503 with Retry-After, and nothing else suffers."""
    daemon = new_daemon().start()
    token = daemon.login()
    data = wire.request_bytes("POST", wire.API + "/auth/login", [("Content-Type", "application/json")],
                              b'{"uid": "bootstrapuser", "password": "a wrong password"}')
    connections = [wire.Connection(daemon.address, timeout=60) for _ in range(600)]
    for c in connections:
        c.send(data)
    asked = time.monotonic()
    assert daemon.client(token).get("/users/bootstrapuser").status == 200
    assert time.monotonic() - asked < 2
    answers = [c.receive() for c in connections]
    for c in connections:
        c.sock.close()
    assert {a.status for a in answers} <= {401, 503}
    assert all(a.header("retry-after") for a in answers if a.status == 503)
    assert [a.status for a in answers].count(401) >= 1
    assert daemon.login()
