#!/usr/bin/python3
"""Writes jose.json: tokens signed (and forged) by PyJWT and python-cryptography. Keys are new at each run."""
import base64
import hashlib
import json

import jwt
from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import rsa


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def uint(n):
    return b64(n.to_bytes((n.bit_length() + 7) // 8, "big"))


def describe(public):
    n = public.public_numbers()
    return {
        "pem": public.public_bytes(serialization.Encoding.PEM,
                                   serialization.PublicFormat.SubjectPublicKeyInfo).decode(),
        "kid": hashlib.sha256(f"{n.e}{n.n}RSA".encode()).hexdigest(), "n": uint(n.n), "e": uint(n.e)}


def case(name, token, ok, uid=None):
    return {"name": name, "token": token, "ok": ok, **({"uid": uid} if uid else {})}


def made(bits, exponent):
    key = rsa.generate_private_key(exponent, bits)
    row = describe(key.public_key())
    payload = {"uid": "alice", "exp": 1700000000, "iat": 1600000000}
    good = jwt.encode(payload, key, "RS256")
    text = b64(b'{"alg":"HS256","typ":"JWT"}') + "." + good.split(".")[1]
    mac = hmac.HMAC(row["pem"].encode(), hashes.SHA256())
    mac.update(text.encode())
    row["tokens"] = [
        case("RS256", good, True, "alice"),
        case("RS256 with kid", jwt.encode(payload, key, "RS256", headers={"kid": row["kid"]}), True, "alice"),
        case("unicode uid", jwt.encode({"uid": "Zo\u00eb"}, key, "RS256"), True, "Zo\u00eb"),
        case("RS384", jwt.encode(payload, key, "RS384"), False),
        case("RS512", jwt.encode(payload, key, "RS512"), False),
        case("PS256", jwt.encode(payload, key, "PS256"), False),
        case("none", jwt.encode(payload, None, "none"), False),
        case("HS256 with the public key", text + "." + b64(mac.finalize()), False),
    ]
    return row


if __name__ == "__main__":
    keys = [made(2048, 65537), made(3072, 3), made(4096, 65537)]
    print(json.dumps({"keys": keys}, indent=1, sort_keys=True))
