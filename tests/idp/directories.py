"""Real directories, certificates and a bad network for tests, from tests/components."""
import contextlib
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
COMPONENTS = ROOT / "tests" / "components"
sys.path[:0] = [str(ROOT / "tests" / "api"), str(COMPONENTS)]

import ldap3  # noqa: E402

import tcp_proxy  # noqa: E402

Proxy = tcp_proxy.Proxy
START_SECONDS = 300  # a machine that does something else as well
ANSWER_SECONDS = 20
# A folder where the shared directories go on running from one run of tests to the next.
KEPT = os.environ.get("IAMD_TEST_DIRECTORIES")
PATH = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin" + os.pathsep + "/sbin"


def free_ports(count):
    """All different, because all are held before the first is let go."""
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(socket.socket()) for _ in range(count)]
        for sock in socks:
            sock.bind(("127.0.0.1", 0))
        return [sock.getsockname()[1] for sock in socks]


def reachable_folder(name):
    """Not below pytest's: a server that gave up root's rights must reach it. Short, for Unix sockets."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"iamd-{name}."))
    folder.chmod(0o755)
    return folder


def run(*command, timeout=ANSWER_SECONDS, **more):
    """A command of a component or an LDAP client; never waits for ever."""
    env = {**{k: v for k, v in os.environ.items() if not k.startswith("LDAP")}, "PATH": PATH, **more.pop("env", {})}
    return subprocess.run([str(c) for c in command], capture_output=True, timeout=timeout, text=True,
                          stdin=subprocess.DEVNULL, env=env, check=False, **more)


class Certificates:
    """What ca.sh makes. ca and other_ca are paths; pem(name) is a text, client's with its key."""

    def __init__(self):
        self.folder = pathlib.Path(KEPT, "pki") if KEPT else reachable_folder("pki")
        made = run("sh", COMPONENTS / "ca.sh", self.folder, timeout=START_SECONDS)
        assert made.returncode == 0, made.stderr
        self.ca = self.folder / "ca.crt"
        self.other_ca = self.folder / "other-ca.crt"

    def certificate(self, name):
        return self.folder / f"{name}.crt"

    def key(self, name):
        return self.folder / f"{name}.key"

    @property
    def ca_pem(self):
        return self.ca.read_text()

    @property
    def client_pem(self):
        """Private key and certificate one after the other."""
        return self.pem("client")

    def pem(self, name):
        return self.key(name).read_text() + self.certificate(name).read_text()

    def close(self):
        if not KEPT:
            shutil.rmtree(self.folder, ignore_errors=True)


class Bound:
    """The outcome of a bind: result code, and all the client said."""

    def __init__(self, done):
        self.text = done.stdout + done.stderr
        found = re.search(r"ldap_\w+(?:\(\w+\))?: .*?\((-?\d+)\)", done.stderr)
        self.code = int(found[1]) if found else done.returncode

    def __repr__(self):
        return f"<Bound {self.code} {self.text!r}>"


class Directory:
    """
    A started server. Facts of its script are attributes: host, port, ldaps_port, base, user_base,
    group_base, bind_dn, bind_password, admin_dn, admin_password, user, user_password, ca, log, pid.
    """

    script, programs, packages = None, (), ""
    other_ports = ("--tls-port",)
    login, classes = "uid", "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup))"

    def __init__(self, certificates, *options, kept=False):
        self.certificates = certificates
        self.options = options
        self.kept = bool(kept and KEPT)
        self.folder = pathlib.Path(KEPT, self.kind()) if self.kept else reachable_folder(self.kind())
        self.ports = free_ports(1 + sum(len(o.split()) for o in self.other_ports) + self.other_ports.count("--gc-ports"))

    @classmethod
    def kind(cls):
        return cls.script.removesuffix(".sh")

    @classmethod
    def missing(cls):
        """Why it cannot run here; None when it can."""
        absent = [p for p in cls.programs if shutil.which(p, path=PATH) is None]
        return f"no {', '.join(absent)} here (packages {cls.packages})" if absent else None

    # -- the process

    def start(self):
        """Again after stop() it has the same ports, options and entries."""
        ports, more = iter(self.ports[1:]), []
        for option in self.other_ports:
            more += [option, next(ports)] + ([next(ports)] if option == "--gc-ports" else [])
        done = run("sh", COMPONENTS / self.script, "start", self.folder, self.ports[0], *more, "--pki",
                   self.certificates.folder, *self.options, timeout=START_SECONDS)
        assert done.returncode == 0, done.stderr
        for line in done.stdout.splitlines():
            name, _, value = line.partition("=")
            setattr(self, name.lower(), int(value) if value.isdigit() else value)
        return self

    def stop(self):
        done = run("sh", COMPONENTS / self.script, "stop", self.folder, timeout=60)
        assert done.returncode == 0, done.stderr

    def close(self):
        if not self.kept:
            self.stop()
            shutil.rmtree(self.folder, ignore_errors=True)

    # -- as clients see it

    @property
    def address(self):
        return (self.host, self.port)

    @property
    def url(self):
        return f"ldap://{self.host}:{self.port}"

    @property
    def ldaps_url(self):
        return f"ldaps://{self.host}:{self.ldaps_port}"

    def client(self, program, *args, url=None, tls=True, ca=None):
        """ldapsearch and the like; with StartTLS unless the URL has TLS or tls is False."""
        url = url or self.url
        starttls = ["-ZZ"] if tls and url.startswith("ldap:") else []
        env = {"LDAPTLS_CACERT": str(ca or self.certificates.ca), "LDAPTLS_REQCERT": "demand"}
        return run(program, "-x", "-H", url, *starttls, "-o", "nettimeout=5", *args, env=env)

    def bind(self, dn, password, **how):
        """With the password-policy control; what it said is in the text."""
        return Bound(self.client("ldapsearch", "-LLL", "-D", dn, "-w", password, "-e", "ppolicy", "-b", "", "-s",
                                 "base", "1.1", **how))

    def admin(self):
        """An ldap3 connection with all rights, over TLS."""
        tls = ldap3.Tls(validate=2, ca_certs_file=str(self.certificates.ca))
        server = ldap3.Server(self.host, port=self.ldaps_port, use_ssl=True, tls=tls, connect_timeout=5, get_info=ldap3.NONE)
        return ldap3.Connection(server, self.admin_dn, self.admin_password, auto_bind=True, auto_referrals=False,
                                receive_timeout=ANSWER_SECONDS, raise_exceptions=True)

    def search(self, query, base=None, attributes=("*",), scope=ldap3.SUBTREE):
        """{dn: {attribute: [value]}}, all pages, values as the server wrote them (bytes where no text)."""
        with self.admin() as connection:
            found = connection.extend.standard.paged_search(base or self.base, query, scope, attributes=list(attributes),
                                                            paged_size=500, generator=True)
            return {e["dn"]: {k: [text_of(v) for v in vs] for k, vs in e["raw_attributes"].items()}
                    for e in found if e["type"] == "searchResEntry"}

    @property
    def users(self):
        """{login name: dn} of those with one below user_base."""
        return self.names(self.login, self.user_base, f"({self.login}=*)")

    @property
    def groups(self):
        """{name: dn} of all groups below base."""
        return self.names("cn", self.base, self.classes)

    def names(self, attribute, base, query):
        return {values[attribute][0]: dn for dn, values in self.search(query, base, [attribute]).items()}

    def members(self, group, attribute="member"):
        """The DNs that a group itself names."""
        dn = self.groups[group]
        return self.search("(objectClass=*)", dn, [attribute], ldap3.BASE)[dn].get(attribute, [])

    def config(self, **more):
        """An LDAP configuration of iamd for this server: StartTLS, CA, search bind. None takes a member out."""
        members = {
            "host": self.host, "port": self.port, "enforce-starttls": True, "use-ldaps": False,
            "ca-certs": self.certificates.ca_pem, "lookup-dn": self.bind_dn, "lookup-password": self.bind_password,
            "user-search": {"search-base": self.user_base, "search-filter-template": f"({self.login}=%(username)s)"},
            "group-search": {"search-base": self.base,
                             "search-filter-template": f"(&{self.classes}(cn=%(groupname)s))"},
        }
        members.update({name.replace("_", "-"): value for name, value in more.items()})
        return {name: value for name, value in members.items() if value is not None}


def text_of(raw):
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


class Slapd(Directory):
    script, programs = "slapd.sh", ("slapd", "slapadd", "ldapsearch", "openssl")
    packages = "slapd ldap-utils openssl"

    def operations(self):
        """The log: a line for each operation."""
        return pathlib.Path(self.log).read_text(errors="replace")


class Ds389(Directory):
    script, programs = "ds389.sh", ("ns-slapd", "dscreate", "certutil", "ldapsearch", "openssl")
    packages = "389-ds-base python3-lib389 libnss3-tools ldap-utils openssl"


class Samba(Directory):
    script, programs = "samba.sh", ("samba", "samba-tool", "ldapsearch", "unshare", "ip", "openssl")
    packages = "samba-ad-dc samba-ad-provision samba-dsdb-modules samba-vfs-modules winbind ldb-tools ldap-utils"
    other_ports = ("--tls-port", "--gc-ports")
    login, classes = "sAMAccountName", "(objectClass=group)"

    @classmethod
    def missing(cls):
        return super().missing() or (None if os.geteuid() == 0 else "samba needs root, for a network namespace")
