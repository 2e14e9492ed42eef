"""The connection goes to the checked address, but the certificate must be the name's."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from knowledge import fetch
from knowledge.errors import FetchFailed
from knowledge.fetch import Fetcher


def certificate(name: str, folder: Path) -> Path:
    """A self-signed certificate with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{name}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + built.public_bytes(serialization.Encoding.PEM))
    return file


@contextmanager
def tls_server(file: Path, asked: list[str | None]) -> Iterator[int]:
    """Answers one request per connection with a page; `asked` collects the names of the TLS greetings."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    context.sni_callback = lambda sock, name, ctx: asked.append(name)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(5)

    def serve() -> None:
        try:
            raw, _ = listener.accept()
            with raw, context.wrap_socket(raw, server_side=True) as conn:
                conn.recv(4096)
                conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi")
        except OSError:
            pass  # the client did not like the certificate

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        thread.join()
        listener.close()


def trust(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.create_default_context(cafile=str(file))
    monkeypatch.setattr(fetch, "_tls", lambda: context)


def test_the_name_is_greeted_and_verified_at_the_pinned_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, asked = certificate("docs.shop.example", tmp_path), list[str | None]()
    trust(file, monkeypatch)
    with tls_server(file, asked) as port:
        listed = frozenset({f"docs.shop.example:{port}"})
        fetcher = Fetcher(allow_private=listed, resolve=lambda host, port: ["127.0.0.1"])
        page = fetcher.get(f"https://docs.shop.example:{port}/")
    assert (page.status, page.body, asked) == (200, b"hi", ["docs.shop.example"])


def test_a_certificate_of_another_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = certificate("other.example", tmp_path)
    trust(file, monkeypatch)
    with tls_server(file, []) as port:
        listed = frozenset({f"docs.shop.example:{port}"})
        fetcher = Fetcher(allow_private=listed, resolve=lambda host, port: ["127.0.0.1"])
        with pytest.raises(FetchFailed) as failure:
            fetcher.get(f"https://docs.shop.example:{port}/")
    assert failure.value.code == "network"
