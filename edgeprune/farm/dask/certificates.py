"""The farm's own authority, and a certificate for each host: nobody else is let in."""

from __future__ import annotations

import datetime
import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeprune.errors import ConfigError, from_extra
from edgeprune.files.whole_file import write_whole

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

AUTHORITY = "authority"
AUTHORITY_FILE, CERTIFICATE_FILE, KEY_FILE = "ca.pem", "host.pem", "host.key"
AUTHORITY_KEY_FILE = "ca.key"

AUTHORITY_DAYS = 3650
HOST_DAYS = 730
"""How long certificates hold. Source: ours."""

WARN_DAYS = 30
_REMEDY = "make new ones with `edgeprune farm certificates`"
_SLACK = datetime.timedelta(hours=1)
"""Clocks of a lab's hosts may differ."""


@dataclass(frozen=True)
class Certificates:
    """The files of one host, checked.

    Attributes:
        authority: Certificate of the farm's authority, whose word alone counts.
        certificate: This host's.
        key: Its private key.
        warning: What will soon be wrong, in a line, or empty.
    """

    authority: Path
    certificate: Path
    key: Path
    warning: str = ""


def checked_certificates(folder: Path, now: datetime.datetime | None = None) -> Certificates:
    """The certificates of this host.

    Args:
        folder: With ``ca.pem``, ``host.pem`` and ``host.key``.
        now: When they have to hold; now if None.

    Raises:
        ConfigError: A file is missing, the key is not kept from others, a certificate is not of
            the authority or has expired; the message has the remedy.
    """
    files = Certificates(folder / AUTHORITY_FILE, folder / CERTIFICATE_FILE, folder / KEY_FILE)
    try:
        mode = files.key.stat().st_mode
        authority, certificate = _read(files.authority), _read(files.certificate)
    except OSError as error:
        raise ConfigError(
            f"--certificates {folder}: {Path(str(error.filename)).name}: {error.strerror}: "
            f"`edgeprune farm certificates` makes {AUTHORITY_FILE}, {CERTIFICATE_FILE} and "
            f"{KEY_FILE}"
        ) from error
    if mode & 0o077:
        raise ConfigError(f"{files.key}: others can read it: chmod 600 {files.key}")
    _check_signed(certificate, authority, files)
    try:
        ssl.create_default_context().load_cert_chain(files.certificate, files.key)
    except (ssl.SSLError, OSError) as error:
        raise ConfigError(f"{files.key}: it is not the key of {CERTIFICATE_FILE}") from error
    warning = ""
    for file, one in ((files.authority, authority), (files.certificate, certificate)):
        left = _days_left(file, one, now or datetime.datetime.now(datetime.UTC))
        if left < WARN_DAYS:
            warning = f"{file} expires in {left} days: {_REMEDY}"
    return Certificates(files.authority, files.certificate, files.key, warning)


def make_certificates(folder: Path, hosts: Sequence[str]) -> list[Path]:
    """Makes a certificate for each host, and the authority if there is none yet.

    Args:
        folder: Gets a folder for each host, to be taken there, and ``authority``, which stays.
        hosts: Names of the hosts, each also the name of a folder.

    Returns:
        The folders of the hosts.

    Raises:
        ConfigError: There is a folder of that name already, or one cannot be written.
    """
    for host in hosts:
        if host == AUTHORITY or (folder / host).exists():
            raise ConfigError(f"{folder / host}: exists already: name another host, or remove it")
    try:
        authority, key = _authority(folder / AUTHORITY)
        return [_for_host(folder / host, host, authority, key) for host in hosts]
    except OSError as error:
        raise ConfigError(f"{error.filename or folder}: {error.strerror or error}") from error


def _authority(folder: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """The farm's authority, which is made the first time."""
    with from_extra("dask", "a farm's certificates"):
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    file, key_file = folder / AUTHORITY_FILE, folder / AUTHORITY_KEY_FILE
    if file.exists():
        key = load_pem_private_key(key_file.read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ConfigError(f"{key_file}: it is no key that this command made")
        return _read(file), key
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate("edgeprune farm", key, None, AUTHORITY_DAYS)
    _write_key(key_file, key)
    write_whole(file, _pem(certificate))
    return certificate, key


def _for_host(
    folder: Path, host: str, authority: x509.Certificate, key: ec.EllipticCurvePrivateKey
) -> Path:
    from cryptography.hazmat.primitives.asymmetric import ec

    folder.mkdir(mode=0o700, parents=True)
    own = ec.generate_private_key(ec.SECP256R1())
    _write_key(folder / KEY_FILE, own)
    write_whole(
        folder / CERTIFICATE_FILE, _pem(_certificate(host, own, (authority, key), HOST_DAYS))
    )
    write_whole(folder / AUTHORITY_FILE, _pem(authority))
    return folder


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None,
    days: int,
) -> x509.Certificate:
    """A certificate; of an authority where there is no issuer.

    Source: RFC 5280, section 4.2.1: what authorities and their certificates have to say.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer = key if issuer is None else issuer[1]
    now = datetime.datetime.now(datetime.UTC)
    ends = now + datetime.timedelta(days=days)
    if issuer is not None:
        ends = min(ends, issuer[0].not_valid_after_utc)
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
         "encipher_only", "decipher_only"), False,
    )  # fmt: skip
    is_authority = issuer is None
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer[0].subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SLACK)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(is_authority, 0 if is_authority else None), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False
        )
        .add_extension(
            x509.KeyUsage(
                digital_signature=not is_authority,
                key_cert_sign=is_authority,
                crl_sign=is_authority,
                **usage,
            ),
            True,
        )
    )
    if not is_authority:
        both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(x509.ExtendedKeyUsage(both), False)
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), False)
    return builder.sign(signer, hashes.SHA256())


def _check_signed(
    certificate: x509.Certificate, authority: x509.Certificate, files: Certificates
) -> None:
    from cryptography.exceptions import InvalidSignature

    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature) as error:
        raise ConfigError(
            f"{files.certificate}: it was not made by the authority of {files.authority.name}"
        ) from error


def _days_left(file: Path, certificate: x509.Certificate, now: datetime.datetime) -> int:
    """How long a certificate still holds.

    Raises:
        ConfigError: It does not.
    """
    if now > certificate.not_valid_after_utc:
        raise ConfigError(f"{file}: expired {certificate.not_valid_after_utc:%Y-%m-%d}: {_REMEDY}")
    if now < certificate.not_valid_before_utc:
        raise ConfigError(
            f"{file}: holds from {certificate.not_valid_before_utc:%Y-%m-%d} on: is this host's "
            "clock right?"
        )
    return (certificate.not_valid_after_utc - now).days


def _read(file: Path) -> x509.Certificate:
    """A certificate out of its file.

    Raises:
        ConfigError: It is none.
        OSError: It cannot be read.
    """
    with from_extra("dask", "--certificates"):
        from cryptography import x509
    try:
        return x509.load_pem_x509_certificate(file.read_bytes())
    except ValueError as error:
        raise ConfigError(f"{file}: it is no certificate in PEM format") from error


def _write_key(file: Path, key: Any) -> None:
    """A private key, which nobody else may read at any moment."""
    from cryptography.hazmat.primitives import serialization

    content = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)


def _pem(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)
