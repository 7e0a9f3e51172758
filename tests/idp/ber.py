"""As much of BER and of LDAP messages (RFC 4511) as a server for tests needs. Shares nothing with iamd."""
import collections

BIND, UNBIND, SEARCH, ABANDON, EXTENDED = 0x60, 0x42, 0x63, 0x50, 0x77
STARTTLS = "1.3.6.1.4.1.1466.20037"
NOTICE_OF_DISCONNECTION = "1.3.6.1.4.1.1466.20036"
PAGED_RESULTS = "1.2.840.113556.1.4.319"
AND, OR, NOT, EQUAL, PRESENT = 0xA0, 0xA1, 0xA2, 0xA3, 0x87

# op is bind, unbind, search, abandon, starttls, extended or other; controls {oid: value}
Message = collections.namedtuple("Message", "id op fields controls")


def length(count):
    if count < 0x80:
        return bytes([count])
    raw = count.to_bytes((count.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(raw)]) + raw


def tlv(tag, *parts):
    body = b"".join(parts)
    return bytes([tag]) + length(len(body)) + body


def integer(value, tag=0x02):
    return tlv(tag, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def octets(value, tag=0x04):
    return tlv(tag, value if isinstance(value, bytes) else value.encode())


def header(data):
    """(bytes of the header, bytes of the body), or None when there are too few to tell."""
    if len(data) < 2:
        return None
    if data[1] < 0x80:
        return 2, data[1]
    size = data[1] & 0x7F
    if len(data) < 2 + size:
        return None
    return 2 + size, int.from_bytes(data[2:2 + size], "big")


def elements(data):
    """[(tag, body)]"""
    found = []
    while data:
        start, size = header(data)
        found.append((data[0], data[start:start + size]))
        data = data[start + size:]
    return found


def message(raw):
    """A request from its bytes."""
    parts = elements(elements(raw)[0][1])
    (_, number), (tag, body) = parts[:2]
    controls = {}
    if len(parts) > 2:
        for _, control in elements(parts[2][1]):
            inner = elements(control)
            controls[inner[0][1].decode()] = inner[-1][1] if inner[-1][0] == 0x04 and len(inner) > 1 else b""
    op, fields = request(tag, body)
    return Message(int.from_bytes(number, "big"), op, fields, controls)


def request(tag, body):
    if tag == BIND:
        _, name, how = elements(body)[:3]
        return "bind", {"dn": name[1].decode(), "password": how[1].decode(errors="replace"), "simple": how[0] == 0x80}
    if tag == SEARCH:
        base, scope, _, _, _, _, query, wanted = elements(body)
        return "search", {"base": base[1].decode(), "scope": scope[1][0], "filter": query,
                          "attributes": [a.decode() for _, a in elements(wanted[1])]}
    if tag == EXTENDED:
        oid = elements(body)[0][1].decode()
        return "starttls" if oid == STARTTLS else "extended", {"oid": oid}
    return {UNBIND: "unbind", ABANDON: "abandon"}.get(tag, "other"), {"tag": tag}


def matches(query, dn, values):
    """Does an entry match a filter? What this knows not (substrings, rules) matches."""
    tag, body = query
    if tag in (AND, OR):
        return (all if tag == AND else any)(matches(q, dn, values) for q in elements(body))
    if tag == NOT:
        return not matches(elements(body)[0], dn, values)
    lowered = {n.split(";")[0].lower(): [str(v).lower() for v in vs] for n, vs in values.items()}
    if tag == PRESENT:
        return body.decode().lower() in lowered or body.lower() == b"objectclass"
    if tag == EQUAL:
        name, value = (raw.decode(errors="replace").lower() for _, raw in elements(body))
        return value in lowered.get(name, [])
    return True


def answer(number, tag, *parts, controls=()):
    more = [tlv(0xA0, *(tlv(0x30, octets(oid), octets(value)) for oid, value in controls))] if controls else []
    return tlv(0x30, integer(number), tlv(tag, *parts), *more)


def result(code, text="", referrals=()):
    parts = [integer(code, 0x0A), octets(""), octets(text)]
    if referrals:
        parts.append(tlv(0xA3, *(octets(url) for url in referrals)))
    return b"".join(parts)


def bind_answer(number, code=0, text="", referrals=()):
    return answer(number, 0x61, result(code, text, referrals))


def entry(number, dn, values):
    listed = (tlv(0x30, octets(n), tlv(0x31, *(octets(v) for v in vs))) for n, vs in values.items())
    return answer(number, 0x64, octets(dn), tlv(0x30, *listed))


def reference(number, *urls):
    return answer(number, 0x73, *(octets(url) for url in urls))


def done(number, code=0, text="", referrals=(), controls=()):
    return answer(number, 0x65, result(code, text, referrals), controls=controls)


def extended(number, code=0, text="", oid=None):
    return answer(number, 0x78, result(code, text), *([octets(oid, 0x8A)] if oid else []))


def page_size(value):
    size, _ = elements(elements(value)[0][1])
    return int.from_bytes(size[1], "big")


def page(cookie):
    return (PAGED_RESULTS, tlv(0x30, integer(0), octets(cookie)))
