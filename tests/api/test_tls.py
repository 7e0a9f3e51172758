"""TLS on the listener, and a new certificate without dropping a connection."""
import signal
import socket
import ssl

import pytest

import certificates
import iamd
import wire


@pytest.fixture
def served(new_daemon, tmp_path):
    """(daemon, pair): the daemon speaks TLS with this certificate."""
    pair = certificates.make(tmp_path, "server")
    daemon = new_daemon(tls_certificate_file=pair.certificate, tls_key_file=pair.key)
    daemon.start(wait=False)

    def up():
        try:
            return presented(daemon) == pair.der
        except OSError:
            return False

    iamd.wait_until(up, 20, "TLS is up")
    return daemon, pair


def anything():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def presented(daemon):
    with wire.Connection(daemon.address, tls=anything()) as c:
        return c.sock.getpeercert(binary_form=True)


def jwks(connection):
    return connection.ask(wire.request_bytes("GET", wire.API + "/auth/jwks")).status


def test_a_client_that_trusts_the_certificate_logs_in(served):
    daemon, pair = served
    tls = wire.trusting(pair.certificate)
    answer = daemon.client().post("/auth/login", {"uid": iamd.SUPERUSER, "password": iamd.SUPERUSER_PASSWORD}, tls=tls)
    assert answer.status == 200
    assert all("Secure" in c for c in answer.all("set-cookie") if c.startswith("dcos-acs-auth-cookie"))
    assert daemon.client(answer.json()["token"]).get("/users", tls=tls).status == 200


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_1_2_and_1_3_are_spoken(served, version):
    context = anything()
    context.minimum_version = context.maximum_version = version
    with wire.Connection(served[0].address, tls=context) as c:
        assert jwks(c) == 200


def test_older_tls_and_plain_http_are_refused(served):
    daemon, _ = served
    context = anything()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(OSError):
        wire.Connection(daemon.address, tls=context)
    with wire.Connection(daemon.address, timeout=5) as c:
        answer = c.ask(wire.request_bytes("GET", wire.API + "/auth/jwks"))
        assert answer is None or answer.status >= 400


def test_a_reload_changes_the_certificate_and_drops_no_connection(served, tmp_path):
    daemon, old = served
    with wire.Connection(daemon.address, tls=anything()) as c:
        assert jwks(c) == 200
        new = certificates.make(tmp_path, "server", key_number=8)
        assert new.der != old.der
        daemon.signal(signal.SIGHUP)
        iamd.wait_until(lambda: presented(daemon) == new.der, what="the new certificate")
        assert jwks(c) == 200, "the reload dropped a connection"
        assert c.sock.getpeercert(binary_form=True) == old.der


@pytest.mark.parametrize("broken", ["certificate", "key", "pair"])
def test_a_reload_of_a_broken_pair_keeps_the_old_one(served, tmp_path, broken):
    daemon, old = served
    if broken == "pair":
        other = certificates.make(tmp_path, "other", key_number=8)
        (tmp_path / "server.key").write_text(open(other.key, encoding="ascii").read())
    else:
        (tmp_path / ("server.crt" if broken == "certificate" else "server.key")).write_text("broken")
    size = len(daemon.log())
    daemon.signal(signal.SIGHUP)
    iamd.wait_until(lambda: "server." in daemon.log()[size:] or "tls" in daemon.log()[size:].lower(), what="a log line")
    assert presented(daemon) == old.der


def test_a_client_that_never_shakes_hands_harms_nobody(served):
    daemon, _ = served
    silent = [socket.create_connection(daemon.address) for _ in range(50)]
    for s in silent[::2]:
        s.sendall(b"\x16\x03\x01")
    with wire.Connection(daemon.address, tls=anything()) as c:
        assert jwks(c) == 200
    for s in silent:
        s.close()
