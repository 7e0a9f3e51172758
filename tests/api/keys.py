"""RSA and EC keys, and tokens made by hand: good ones, and forgeries no library would make."""
import base64
import functools
import hashlib
import hmac
import json
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa


def b64(data):
    if not isinstance(data, bytes):
        data = json.dumps(data, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def payload(token):
    return json.loads(unb64(token.split(".")[1]))


def header(token):
    return json.loads(unb64(token.split(".")[0]))


class Key:
    def __init__(self, private):
        self.private = private

    @property
    def public_pem(self):
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()

    @property
    def pkcs1_pem(self):
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.PKCS1).decode()

    @property
    def private_pem(self):
        return self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()).decode()

    def jwk(self):
        n = self.private.public_key().public_numbers()
        return {"kty": "RSA", "n": b64(n.n.to_bytes((n.n.bit_length() + 7) // 8, "big")),
                "e": b64(n.e.to_bytes((n.e.bit_length() + 7) // 8, "big"))}

    def sign(self, claims, head=None, alg="RS256"):
        """A JWT with this header (default typ and alg) signed by what `alg` says."""
        signed = f"{b64(head or {'typ': 'JWT', 'alg': alg})}.{b64(claims)}"
        return f"{signed}.{b64(self.signature(signed.encode(), alg))}"

    def signature(self, data, alg):
        if alg == "none":
            return b""
        digest = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}[alg[2:]]()
        if alg.startswith("PS"):
            pad = padding.PSS(padding.MGF1(digest), padding.PSS.DIGEST_LENGTH)
            return self.private.sign(data, pad, digest)
        return self.private.sign(data, padding.PKCS1v15(), digest)

    def service_token(self, uid, exp=300, **more):
        """A service login token that ends in `exp` seconds (None: never)."""
        claims = {"uid": uid, **more}
        if exp is not None:
            claims["exp"] = int(time.time()) + exp
        return self.sign(claims)


@functools.lru_cache(maxsize=None)
def _made(_which, bits):
    return Key(rsa.generate_private_key(65537, bits))


def rsa_key(which=0, bits=2048):
    """The same key for the same arguments: making one is slow."""
    return _made(which, bits)


@functools.lru_cache(maxsize=None)
def ec_public_pem():
    return Key(ec.generate_private_key(ec.SECP256R1())).public_pem


def jwks_kid(jwk):
    e = int.from_bytes(unb64(jwk["e"]), "big")
    n = int.from_bytes(unb64(jwk["n"]), "big")
    return hashlib.sha256(f"{e}{n}RSA".encode()).hexdigest()


def jwk_to_pem(jwk):
    numbers = rsa.RSAPublicNumbers(int.from_bytes(unb64(jwk["e"]), "big"),
                                   int.from_bytes(unb64(jwk["n"]), "big"))
    return numbers.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def hmac_token(claims, head, secret, alg="HS256"):
    digest = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}[alg]
    signed = f"{b64(head)}.{b64(claims)}"
    return f"{signed}.{b64(hmac.new(secret, signed.encode(), digest).digest())}"
