"""Fixtures: shared daemons of both modes, fresh ones, users with ids nobody else has."""
import itertools

import pytest

import iamd
import keys

_numbers = itertools.count(1)
PASSWORD = "correct horse battery"


def pytest_collection_modifyitems(items):
    """The comparison of what was seen with openapi.yaml comes last."""
    items.sort(key=lambda item: "test_openapi" in item.nodeid)


@pytest.fixture(scope="session")
def enforce(tmp_path_factory):
    """A daemon in enforce mode, shared by all tests that leave it as it was."""
    daemon = iamd.Daemon(tmp_path_factory.mktemp("enforce")).start()
    yield daemon
    daemon.stop()


@pytest.fixture(scope="session")
def gateway(tmp_path_factory):
    daemon = iamd.Daemon(tmp_path_factory.mktemp("gateway"), api_access="gateway").start()
    yield daemon
    daemon.stop()


@pytest.fixture(scope="session")
def admin(enforce):
    """The superuser at the shared enforce-mode daemon."""
    return enforce.superuser()


@pytest.fixture
def gw(gateway):
    """Anybody at the shared gateway-mode daemon."""
    return gateway.client()


@pytest.fixture
def nobody(enforce):
    """A caller without a token."""
    return enforce.client()


@pytest.fixture
def new_daemon(tmp_path):
    """Makes daemons of this test alone: new_daemon(option=value) is not started yet."""
    daemons = []

    def make(name=None, **options):
        daemons.append(iamd.Daemon(tmp_path / (name or f"iamd{len(daemons)}"), **options))
        return daemons[-1]

    yield make
    for daemon in daemons:
        daemon.stop()


@pytest.fixture
def uid():
    """A uid nobody has yet."""
    return f"user-{next(_numbers)}"


@pytest.fixture
def gid():
    """A gid nobody has yet."""
    return f"group-{next(_numbers)}"


@pytest.fixture
def group(admin, gid):
    """A group at the shared enforce-mode daemon."""
    admin.expect(201, "PUT", f"/groups/{gid}", {"description": "Some people"})
    return gid


@pytest.fixture
def rid():
    """A resource id nothing has yet."""
    return f"test:resource-{next(_numbers)}"


@pytest.fixture
def acl(admin, rid):
    """An ACL at the shared enforce-mode daemon; it goes with all grants on it."""
    admin.expect(201, "PUT", f"/acls/{rid}", {"description": "Something"})
    yield rid
    admin.delete(f"/acls/{rid}")


@pytest.fixture
def user(admin, uid):
    """A regular user at the shared enforce-mode daemon, with PASSWORD."""
    admin.expect(201, "PUT", f"/users/{uid}", {"password": PASSWORD, "description": "Somebody"})
    return uid


@pytest.fixture
def service(admin, uid):
    """A service account with the key keys.rsa_key()."""
    account = f"svc-{uid}"
    admin.expect(201, "PUT", f"/users/{account}", {"public_key": keys.rsa_key().public_pem})
    return account


@pytest.fixture
def own(enforce, user):
    """The regular user as a caller."""
    return enforce.client(enforce.login(user, PASSWORD))
