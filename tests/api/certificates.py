"""Self-signed server certificates."""
import datetime
import typing

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

import keys


class Pair(typing.NamedTuple):
    certificate: str
    key: str
    der: bytes


def make(directory, name, key_number=9):
    """Writes <name>.crt and <name>.key for localhost; the same name is overwritten."""
    key = keys.rsa_key(key_number)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.utcnow()
    certificate = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject)
        .public_key(key.private.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key.private, hashes.SHA256()))
    paths = [directory / f"{name}.crt", directory / f"{name}.key"]
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_text(key.private_pem)
    paths[1].chmod(0o600)
    return Pair(str(paths[0]), str(paths[1]), certificate.public_bytes(serialization.Encoding.DER))
