"""Fixtures: directories started once a session, certificates, faults of the network, iamd."""
import os
import signal

import pytest

import directories
import hostile_ldap
import iamd


def end_session(*_):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # timeout(1) sends it twice
    pytest.exit("terminated", 143)


def pytest_sessionstart():
    # So that what was started is ended when a run is.
    signal.signal(signal.SIGTERM, end_session)


@pytest.fixture(scope="session")
def ca():
    """directories.Certificates"""
    made = directories.Certificates()
    yield made
    made.close()


def one_a_session(kind):
    @pytest.fixture(scope="session", name=kind.kind())
    def fixture(ca):
        made = started(kind, ca, kept=True)
        yield made
        made.close()
    return fixture


def started(kind, ca, *options, kept=False):
    why = kind.missing()
    if why:
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    made = kind(ca, *options, kept=kept)
    try:
        return made.start()
    except BaseException:
        made.close()
        raise


# Of all tests: what one changes there it changes back.
slapd = one_a_session(directories.Slapd)
ds389 = one_a_session(directories.Ds389)
samba = one_a_session(directories.Samba)


@pytest.fixture
def new_slapd(ca):
    """Makes slapds of this test alone, with options of slapd.sh: new_slapd("--require-tls"). 0.3 s each."""
    made = []

    def make(*options):
        made.append(started(directories.Slapd, ca, *options))
        return made[-1]

    yield make
    for directory in made:
        directory.close()


@pytest.fixture
def proxy():
    """Makes relays: proxy(slapd) or proxy((host, port)) is a directories.Proxy, which has the faults."""
    made = []

    def make(target):
        made.append(directories.Proxy(*getattr(target, "address", target)))
        return made[-1]

    yield make
    for relay in made:
        relay.close()


@pytest.fixture
def hostile():
    """Makes servers that misbehave: hostile("reset", at="search", entries=…); see hostile_ldap."""
    made = []

    def make(*args, **knobs):
        made.append(hostile_ldap.Hostile(*args, **knobs))
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.fixture
def new_daemon(tmp_path):
    """Makes iamds of this test alone: new_daemon(option=value) is not started yet."""
    made = []

    def make(name=None, **options):
        made.append(iamd.Daemon(tmp_path / (name or f"iamd{len(made)}"), **options))
        return made[-1]

    yield make
    for daemon in made:
        daemon.stop()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    """An iamd shared by a file of tests."""
    made = iamd.Daemon(tmp_path_factory.mktemp("iamd")).start()
    yield made
    made.stop()


@pytest.fixture
def admin(daemon):
    """The superuser there."""
    return daemon.superuser()
