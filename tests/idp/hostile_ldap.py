"""
An LDAP server that misbehaves on order, because no real one does.

    with Hostile("reset", at="search", entries=ENTRIES) as server:
        … server.host, server.port …
        assert server.seen("bind") == []

Until the request named by `at` (bind, search, starttls, or connect) it is a small correct server: it
takes every bind, answers searches from `entries` ({dn: {attribute: [value]}}), refuses what else there is.
Then it does what FAULTS says. It serves any number of connections, a thread each; close() ends them.
"""
import contextlib
import os
import socket
import ssl
import struct
import threading

import ber

MEGABYTE = 1 << 20
DEEP = 100_000


class Talk(threading.Thread):
    """One connection."""

    def __init__(self, server, sock):
        super().__init__(daemon=True)
        self.server = server
        self.sock = sock
        self.encrypted = False

    def run(self):
        with contextlib.suppress(OSError, ssl.SSLError):
            if self.server.ldaps:
                self.encrypt()
            if self.server.at == "connect":
                self.server.fault(self, None)
            while (message := self.receive()) is not None:
                self.server.note(self, message)
                if message.op == "search" and (code := self.server.codes(message)):
                    self.send(ber.done(message.id, code))
                elif message.op == self.server.at:
                    self.server.fault(self, message)
                else:
                    self.reply(message)
        with contextlib.suppress(OSError):
            self.sock.close()

    def receive(self):
        data = b""
        while not (size := ber.header(data)) or len(data) < sum(size):
            more = self.sock.recv(1 if not size else sum(size) - len(data))
            if not more:
                return None
            data += more
        try:
            return ber.message(data)
        except (ValueError, IndexError, TypeError):
            return None  # no LDAP: a client that began TLS after starttls_lie

    def send(self, data):
        self.sock.sendall(data)
        self.server.sent += len(data)

    def encrypt(self):
        self.sock = self.server.context.wrap_socket(self.sock, server_side=True)
        self.encrypted = True

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()
        raise ConnectionResetError

    def wait(self, seconds=None):
        """Nothing, until the server is closed."""
        if self.server.ended.wait(seconds):
            raise ConnectionAbortedError

    # -- as it should be

    def reply(self, message):
        if message.op == "bind":
            self.send(ber.bind_answer(message.id, *self.server.bind(message.fields)))
        elif message.op == "search":
            self.send(self.server.found(message) + ber.done(message.id))
        elif message.op == "starttls" and self.server.context:
            self.send(ber.extended(message.id, 0, "", ber.STARTTLS))
            self.encrypt()
        elif message.op in ("starttls", "extended"):
            self.send(ber.extended(message.id, 2, "unsupported"))
        elif message.op == "unbind":
            raise ConnectionAbortedError


def right_answer(talk, message):
    """What a correct server would say to a bind or a search."""
    if message.op == "search":
        return talk.server.found(message) + ber.done(message.id)
    return ber.bind_answer(message.id)


# -- silence and broken connections


def silent(talk, _):
    talk.wait()


def close(talk, _):
    talk.sock.close()
    raise ConnectionAbortedError


def reset(talk, message):
    """Half of the answer, then a reset."""
    if message is not None:
        data = right_answer(talk, message)
        talk.send(data[:len(data) // 2])
        talk.wait(0.2)  # the client has read it: a reset would take it away
    talk.reset()


def slow(talk, message):
    """The right answer, a byte at a time."""
    for byte in right_answer(talk, message):
        talk.send(bytes([byte]))
        talk.wait(talk.server.seconds)


def disconnect(talk, _):
    """Notice of disconnection (RFC 4511 section 4.4.1), and the connection ends."""
    talk.send(ber.extended(0, 52, "going down", ber.NOTICE_OF_DISCONNECTION))
    close(talk, None)


# -- answers that are no answers


def garbage(talk, _):
    talk.send(bytes(os.urandom(4096)))
    talk.wait()


def http(talk, _):
    talk.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    talk.wait()


def long_length(talk, _):
    """An element of 2^32 - 1 bytes is announced; some come."""
    talk.send(b"\x30\x84\xff\xff\xff\xff" + bytes(65536))
    talk.wait()


def indefinite(talk, message):
    """A length of the form that LDAP forbids (RFC 4511 section 5.1)."""
    talk.send(b"\x30\x80" + right_answer(talk, message)[2:] + b"\x00\x00")
    talk.wait()


def short_inside(talk, message):
    """The envelope is right; an element inside is longer than it."""
    talk.send(ber.tlv(0x30, ber.integer(message.id), b"\x61\x20\x0a\x01\x00"))
    talk.wait()


def deep(talk, message):
    """A sequence in a sequence in a sequence …"""
    talk.send(ber.tlv(0x30, ber.integer(message.id), b"\x30\x80" * DEEP))
    talk.wait()


def wrong_type(talk, message):
    """A search result for a bind, a bind's for a search."""
    data = ber.done(message.id) if message.op == "bind" else ber.bind_answer(message.id)
    talk.send(data)
    talk.wait()


def wrong_id(talk, message):
    """The right answer, to another message."""
    talk.send(right_answer(talk, message._replace(id=message.id + 1000)))
    talk.wait()


def early(talk, message):
    """Success for the next message as well, which was not sent yet: a wrong password must not use it."""
    talk.send(b"".join(ber.bind_answer(message.id + n) for n in range(4)))


# -- too much


def huge(talk, message):
    """One entry with a value of `size` bytes."""
    size = talk.server.size
    head = b"\x04" + ber.length(size)

    for tag, before in ((0x31, b""), (0x30, ber.octets("description")), (0x30, b""), (0x64, ber.octets("cn=huge")),
                        (0x30, ber.integer(message.id))):
        inner = before + head
        head = bytes([tag]) + ber.length(len(inner) + size) + inner
    talk.send(head)
    for left in range(size, 0, -MEGABYTE):
        talk.send(b"x" * min(MEGABYTE, left))
    talk.send(ber.done(message.id))


def endless(talk, message):
    """Entries without end, at full speed."""
    number = 0
    while not talk.server.ended.is_set():
        talk.send(b"".join(ber.entry(message.id, f"uid=u{number + i},dc=example", {"uid": [f"u{number + i}"]})
                           for i in range(500)))
        number += 500


def endless_pages(talk, message):
    """Always one entry and a cookie for more."""
    talk.server.pages += 1
    talk.send(talk.server.found(message) + ber.done(message.id, controls=[ber.page(b"more")]))


def huge_cookie(talk, message):
    talk.send(talk.server.found(message) + ber.done(message.id, controls=[ber.page(bytes(4 * MEGABYTE))]))


# -- referrals


def referral(talk, message):
    """Look at myself."""
    url = f"ldap://{talk.server.host}:{talk.server.port}/"
    if message.op == "bind":
        talk.send(ber.bind_answer(message.id, 10, "", [url]))
    else:
        talk.send(ber.done(message.id, 10, "", [url]))


def references(talk, message):
    """Entries between references to myself."""
    url = f"ldap://{talk.server.host}:{talk.server.port}/dc=example??sub"
    talk.send(ber.reference(message.id, url) * 100 + talk.server.found(message) + ber.done(message.id))


# -- StartTLS


def starttls_refused(talk, message):
    talk.send(ber.extended(message.id, 52, "TLS is not available"))


def starttls_stripped(talk, message):
    """As by somebody between: the server is said not to know it."""
    talk.send(ber.extended(message.id, 2, "unsupported extended operation"))


def starttls_lie(talk, message):
    """Success, and on in plain text."""
    talk.send(ber.extended(message.id, 0, "", ber.STARTTLS))
    talk.send(b"".join(ber.bind_answer(message.id + n) for n in range(1, 4)))


def starttls_injected(talk, message):
    """Success for the bind to come, slipped in before TLS begins; then TLS, where nobody may bind."""
    talk.send(ber.extended(message.id, 0, "", ber.STARTTLS) + ber.bind_answer(message.id + 1))
    talk.server.bind = lambda _: (49, "")
    talk.encrypt()


# -- Active Directory's ranges


def ranges(talk, message, step=None):
    """Long attributes come in pieces of `step`, asked for or not."""
    out = b""
    for dn, values in talk.server.entries_for(message):
        out += ber.entry(message.id, dn, ranged(values, message.fields["attributes"], step or talk.server.step))
    talk.send(out + ber.done(message.id))


def ranged(values, wanted, step):
    begins = {}
    for name in wanted:
        plain, _, begin = name.partition(";range=")
        if begin:
            begins[plain.lower()] = int(begin.split("-")[0])
    out = {}
    for name, all_values in values.items():
        begin = begins.get(name.lower(), 0)
        if len(all_values) <= step and name.lower() not in begins:
            out[name] = all_values
            continue
        end = begin + step
        last = "*" if end >= len(all_values) else str(end - 1)
        out[f"{name};range={begin}-{last}"] = all_values[begin:end]
        if name.lower() not in begins:
            out[name] = []
    return out


def ranges_without_end(talk, message):
    """The first piece again and again."""
    step = talk.server.step
    talk.send(b"".join(ber.entry(message.id, dn, {
        n if len(v) <= step else f"{n};range=0-{step - 1}": v[:step] for n, v in values.items()})
        for dn, values in talk.server.entries_for(message)) + ber.done(message.id))


def ranges_of_nonsense(talk, message):
    names = ("member;range=abc", "member;range=5-1", "member;range=99999999999999999999-*", "member;range=", "member;range=0-")
    talk.send(b"".join(ber.entry(message.id, dn, {**values, **{n: ["cn=nonsense"] for n in names}})
                       for dn, values in talk.server.entries_for(message)) + ber.done(message.id))


FAULTS = {f.__name__: f for f in (
    silent, close, reset, slow, disconnect, garbage, http, long_length, indefinite, short_inside, deep, wrong_type,
    wrong_id, early, huge, endless, endless_pages, huge_cookie, referral, references, starttls_refused,
    starttls_stripped, starttls_lie, starttls_injected, ranges, ranges_without_end, ranges_of_nonsense)}
AT = {**{n: "search" for n in FAULTS if n.startswith(("huge", "endless", "ranges", "referen"))},
      **{n: "starttls" for n in FAULTS if n.startswith("starttls")}}


class Hostile:
    """
    at: the request that meets the fault (by FAULTS' nature when not said). seconds: of slow, per byte.
    size: of huge. step: of ranges. certificates: directories.Certificates, for StartTLS and ldaps.
    password: binds with another one get 49; None takes all. codes: of a search message, the result code
    it is refused with (0: answered), asked each time.
    """

    def __init__(self, fault=None, at=None, entries=None, certificates=None, ldaps=False, **knobs):
        self.fault = FAULTS[fault] if fault else None
        self.at = (at or AT.get(fault, "bind")) if fault else None
        self.entries = entries or {}
        self.ldaps = ldaps
        self.seconds = knobs.pop("seconds", 1)
        self.size = knobs.pop("size", 100 * MEGABYTE)
        self.step = knobs.pop("step", 1500)
        self.password = knobs.pop("password", None)
        self.codes = knobs.pop("codes", lambda message: 0)
        assert not knobs, knobs
        self.context = None
        if certificates:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificates.certificate("server"), certificates.key("server"))
        self.ended = threading.Event()
        self.messages = []  # (message, was it encrypted?)
        self.talks = []
        self.sent = self.pages = 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.host, self.port = self.listener.getsockname()
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def address(self):
        return (self.host, self.port)

    @property
    def accepted(self):
        """Connections since the beginning."""
        return len(self.talks)

    def accept(self):
        while not self.ended.is_set():
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            talk = Talk(self, sock)
            self.talks.append(talk)
            talk.start()

    def note(self, talk, message):
        self.messages.append((message, talk.encrypted))

    def seen(self, op):
        """The requests of that kind, in order."""
        return [m for m, _ in self.messages if m.op == op]

    def seen_plain(self, op):
        """Those that came without TLS."""
        return [m for m, encrypted in self.messages if m.op == op and not encrypted]

    def bind(self, fields):
        good = self.password is None or fields["password"] == self.password
        return (0, "") if good else (49, "")

    def entries_for(self, message):
        base, scope = message.fields["base"].lower(), message.fields["scope"]
        for dn, values in self.entries.items():
            inside = dn.lower() == base if scope == 0 else dn.lower().endswith(base)
            if inside and ber.matches(message.fields["filter"], dn, values):
                yield dn, values

    def found(self, message):
        return b"".join(ber.entry(message.id, dn, values) for dn, values in self.entries_for(message))

    def close(self):
        self.ended.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(5)
        for talk in self.talks:
            with contextlib.suppress(OSError):
                talk.sock.shutdown(socket.SHUT_RDWR)
        for talk in self.talks:
            talk.join(5)
            assert not talk.is_alive(), "a connection did not end"
