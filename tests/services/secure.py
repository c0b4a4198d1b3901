"""Apache Kafka with TLS and SASL listeners, and redis-server with TLS and ACL users."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from services.apache import ApacheKafka
from services.redis_server import RedisServer
from streams.embedded import free_port

USER, PASSWORD = "worker", "tell-nobody-7f3a"
_MODULE = "org.apache.kafka.common.security"


class Authority:
    """A certificate authority, and what it signed for a server on loopback."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.ca_file = str(folder / "ca.pem")
        authority.cert_pem.write_to_path(self.ca_file)
        signed = authority.issue_cert("127.0.0.1", "localhost")
        chain = b"".join(blob.bytes() for blob in signed.cert_chain_pems)
        private = load_pem_private_key(signed.private_key_pem.bytes(), None)
        # Kafka reads keys in this form only.
        key = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self.certificate_file, self.key_file, self.both_file = (
            str(folder / name) for name in ("cert.pem", "key.pem", "both.pem")
        )
        Path(self.certificate_file).write_bytes(chain)
        Path(self.key_file).write_bytes(key)
        Path(self.both_file).write_bytes(key + chain)


@dataclass(frozen=True)
class SecureKafka:
    """Addresses by `Settings.kafka_security`."""

    addresses: dict[str, str]
    ca_file: str


@contextmanager
def secure_kafka(folder: Path, *, asks_for_rights: bool = False) -> Iterator[SecureKafka]:
    """Run a broker with a listener for each way to talk to it.

    Where it asks for rights, nobody has any but who comes over the plaintext one; `USER` has those that it is given.
    """
    authority = Authority(folder)
    addresses = {security: f"127.0.0.1:{free_port()}" for security in ("ssl", "sasl_ssl", "sasl_plaintext")}
    more = {
        "listeners": ",".join(f"{security.upper()}://{address}" for security, address in addresses.items()),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": authority.both_file,
        "sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
    }
    for listener in ("sasl_ssl", "sasl_plaintext"):
        prefix = f"listener.name.{listener}"
        more[f"{prefix}.scram-sha-512.sasl.jaas.config"] = f"{_MODULE}.scram.ScramLoginModule required;"
        more[f"{prefix}.plain.sasl.jaas.config"] = f'{_MODULE}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
    if asks_for_rights:
        more["authorizer.class.name"] = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
        more["super.users"] = "User:ANONYMOUS"
    with ApacheKafka(1, more, {USER: PASSWORD}, is_short_lived=True) as cluster:
        yield SecureKafka({**addresses, "plaintext": cluster.address}, authority.ca_file)


class SecureRedis(RedisServer):
    """A redis-server that answers over TLS only, to users that it is told of."""

    title = "redis-server with TLS"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.authority = Authority(folder)

    def command(self) -> list[str]:
        """Return its command line."""
        files = self.authority
        tls = {
            "tls-port": str(self.port), "tls-cert-file": files.certificate_file, "tls-key-file": files.key_file,
            "tls-ca-cert-file": files.ca_file, "tls-auth-clients": "no",
        }  # fmt: skip
        plain = super().command()
        at = plain.index("--port")
        plain[at : at + 2] = ["--port", "0"]
        return [*plain, *(part for name, value in tls.items() for part in (f"--{name}", value))]

    def hello(self) -> bytes:
        """Return the beginning of a TLS handshake."""
        received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.create_default_context(cafile=self.authority.ca_file)
        with contextlib.suppress(ssl.SSLWantReadError):
            context.wrap_bio(received, sent, server_hostname="127.0.0.1").do_handshake()
        return sent.read()

    def url_for(self, user: str, password: str) -> str:
        """Return the URL for a user."""
        return f"rediss://{user}:{password}@{self.address}/0?ssl_ca_certs={self.authority.ca_file}"
