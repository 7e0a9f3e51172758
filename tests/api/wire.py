"""HTTP as bytes on a socket: requests no well-behaved library would send, answers seen whole."""
import http.client
import json
import socket
import ssl

API = "/acs/api/v1"
ABSENT = object()


class Response:
    def __init__(self, status, headers, body, closed):
        self.status = status
        self.headers = headers  # [(lower-case name, value)]
        self.body = body
        self.closed = closed  # the server closes the connection behind it

    def all(self, name):
        return [v for n, v in self.headers if n == name.lower()]

    def header(self, name):
        values = self.all(name)
        assert len(values) <= 1, f"{name} {len(values)} times: {values}"
        return values[0] if values else None

    def json(self):
        return json.loads(self.body.decode("utf-8"))

    @property
    def code(self):
        return self.json().get("code") if self.body else None

    @property
    def description(self):
        return self.json()["description"] if self.body else None

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:2000]!r}>"


class _Stream:
    """What HTTPResponse reads from: it may not close our file, nor read ahead of its answer."""

    def __init__(self, file):
        self.file = file

    def makefile(self, _mode):
        return self

    def __getattr__(self, name):
        return getattr(self.file, name)

    def close(self):
        pass


class Connection:
    """One connection; `address` is (host, port) or the path of a Unix socket."""

    def __init__(self, address, timeout=20, tls=None):
        if isinstance(address, tuple):
            self.sock = socket.create_connection(address, timeout)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        else:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(timeout)
            self.sock.connect(address)
        if tls:
            self.sock = tls.wrap_socket(self.sock, server_hostname="localhost")
        self.stream = _Stream(self.sock.makefile("rb"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused early; the answer may still be there to read

    def receive(self, method="GET"):
        """The next answer; None when the connection ended without one."""
        answer = http.client.HTTPResponse(self.stream, method=method)
        try:
            answer.begin()
            body = answer.read()
        except (http.client.BadStatusLine, http.client.IncompleteRead, ConnectionResetError):
            return None
        headers = [(n.lower(), v) for n, v in answer.getheaders()]
        return Response(answer.status, headers, body, answer.will_close)

    def ask(self, data, method="GET"):
        self.send(data)
        return self.receive(method)

    def is_closed(self, within=5):
        """Does the server close the connection?"""
        self.sock.settimeout(within)
        try:
            return self.stream.read(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False


def request_bytes(method, target, headers=(), body=None, version="1.1", host="localhost"):
    lines = [f"{method} {target} HTTP/{version}".encode("latin-1")]
    if host is not None:
        lines.append(f"Host: {host}".encode())
    names = {n.lower() for n, _ in headers}
    if body is not None and "content-length" not in names and "transfer-encoding" not in names:
        lines.append(f"Content-Length: {len(body)}".encode())
    for name, value in headers:
        value = value if isinstance(value, bytes) else value.encode("utf-8")
        lines.append(name.encode("latin-1") + b": " + value)
    return b"\r\n".join(lines) + b"\r\n\r\n" + (body or b"")


def chunked(body, size=7):
    pieces = [body[i:i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"


class Client:
    """
    Calls of one caller. A path is below /acs/api/v1 unless root=True. Each answer is held against
    the OpenAPI document, and each secret that passes is noted for the search in the logs.
    """

    def __init__(self, daemon, token=None, cookie=None, headers=()):
        self.daemon = daemon
        self.token = token
        self.cookie = cookie
        self.headers = list(headers)

    def __call__(self, method, path, json_=ABSENT, body=None, headers=(), root=False, address=None,
                 tls=None, timeout=20):
        target = path if root else API + path
        sent = list(self.headers) + list(headers)
        names = {n.lower() for n, _ in sent}
        if self.token and "authorization" not in names:
            sent.append(("Authorization", f"token={self.token}"))
        if self.cookie and "cookie" not in names:
            sent.append(("Cookie", f"dcos-acs-auth-cookie={self.cookie}"))
        if json_ is not ABSENT:
            body = json.dumps(json_).encode()
            if "content-type" not in names:
                sent.append(("Content-Type", "application/json"))
        with Connection(address or self.daemon.address, timeout, tls) as c:
            answer = c.ask(request_bytes(method, target, sent + [("Connection", "close")], body),
                           method)
        assert answer is not None, f"{method} {target}: no answer"
        self.daemon.note_exchange(method, target, json_, answer)
        return answer

    def get(self, path, **kw):
        return self("GET", path, **kw)

    def put(self, path, json_=ABSENT, **kw):
        return self("PUT", path, json_, **kw)

    def post(self, path, json_=ABSENT, **kw):
        return self("POST", path, json_, **kw)

    def patch(self, path, json_=ABSENT, **kw):
        return self("PATCH", path, json_, **kw)

    def delete(self, path, **kw):
        return self("DELETE", path, **kw)

    def expect(self, status, method, path, json_=ABSENT, **kw):
        answer = self(method, path, json_, **kw)
        assert answer.status == status, f"{method} {path}: {answer}"
        return answer


def trusting(certificate_file):
    """A TLS context that trusts exactly this certificate."""
    context = ssl.create_default_context(cafile=certificate_file)
    context.check_hostname = False
    return context
