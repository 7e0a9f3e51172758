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


def rfc7515():
    """RFC 7515 appendix A.2."""
    n = ("ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yR"
         "T-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS"
         "-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2et"
         "hFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ")
    signature = ("cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9"
                 "uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB"
                 "_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rq"
                 "VtFf8W_5Kr4gd2jNyYWdyfoTlPpvBX-PxLcIvGC5cw")
    text = ("eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290"
            "Ijp0cnVlfQ")
    number = int.from_bytes(base64.urlsafe_b64decode(n + "=="), "big")
    row = describe(rsa.RSAPublicNumbers(65537, number).public_key())
    row["tokens"] = [case("RFC 7515 A.2", text + "." + signature, True),
                     case("RFC 7515 A.2, last bit", text + "." + signature[:-2] + "dw", False)]
    return row


if __name__ == "__main__":
    keys = [rfc7515(), made(2048, 65537), made(3072, 3), made(4096, 65537)]
    print(json.dumps({"keys": keys}, indent=1, sort_keys=True))
