"""The program ldap_driver beside the daemon of IAMD_BIN: iamd's connections and pools without the rest of it."""
import json
import os
import pathlib
import select
import subprocess
import time

PROGRAM = pathlib.Path(os.environ.get("IAMD_BIN", "build/iamd/iamd")).resolve().parents[1] / "tests/idp/ldap_driver"
SANITIZED = b"__asan_init" in PROGRAM.read_bytes()
STATES = ["ok", "code", "timeout", "unreachable", "tls", "protocol", "memory"]


class Driver:
    """with Driver(servers=[(host, port)], tls="starttls", ca=pem) as d: d.open() …: each call answers a dict."""

    def __init__(self, leaks_of_libldap=None, **settings):
        # The reason, where libldap itself leaks: then the leak sanitizer has nothing to say.
        env = {**os.environ, "ASAN_OPTIONS": f"detect_leaks={int(not leaks_of_libldap)}:exitcode=9", "LDAPTLS_REQCERT": "never",
               "LDAPURI": "ldap://127.0.0.1:1"}  # which must change nothing
        self.process = subprocess.Popen([PROGRAM, json.dumps(settings)], stdin=subprocess.PIPE, text=True, env=env,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        _, said = self.process.communicate(timeout=20)  # closing its input ends it
        if kind is None:
            assert self.process.returncode == 0, said  # a leak or a fault is seen here

    def call(self, op, seconds=20, **more):
        self.begin(op, **more)
        return self.end(seconds)

    def begin(self, op, **more):
        self.process.stdin.write(json.dumps({"op": op, **more}) + "\n")
        self.process.stdin.flush()

    def end(self, seconds=20):
        assert select.select([self.process.stdout], [], [], seconds)[0], "no answer: something waits without end"
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        return json.loads(line)

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def __getattr__(self, op):
        return lambda **more: self.call(op, **more)

    def census(self):
        """Files and threads, once the resolver's threads have gone (they linger for a second)."""
        deadline = time.monotonic() + 5
        while True:
            seen = self.call("census")
            if seen["threads"] == 3 or time.monotonic() > deadline:  # with . and ..
                return seen
            time.sleep(0.1)


def settings(directory, **more):
    """For a directories.Directory: StartTLS, verified, its reader for look-ups."""
    return {"servers": [[directory.host, directory.port]], "tls": "starttls", "ca": directory.certificates.ca_pem,
            "lookup_dn": directory.bind_dn, "lookup_password": directory.bind_password, **more}
