"""Mail by STARTTLS and a login, to a server whose authority the operator names."""

from datetime import datetime, timedelta, timezone
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from conftest import MAIL_FROM
from keyway import Keyway
from outside import MailServer
from waiting import until

SCHEME = "enterprise"
USER, PASSWORD = "keyway", "a pass:word with ünicode"


def certificate(name, signer=None, **about):
    """A certificate and its key; signed by `signer`, or by itself as an authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer, signing = (signer[0].subject, signer[1]) if signer else (subject, key)
    now = datetime.now(timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=signer is None, path_length=None), True)
    )
    for address in about.get("addresses", []):
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
        builder = builder.add_extension(names, False)
    return builder.sign(signing, hashes.SHA256()), key


def pem(made):
    return made[0].public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def files(folder):
    authority = certificate("Test authority")
    server = certificate("mail", authority, addresses=["127.0.0.1"])
    (folder / "authority.pem").write_bytes(pem(authority))
    (folder / "other.pem").write_bytes(pem(certificate("Another authority")))
    (folder / "server.pem").write_bytes(pem(server))
    (folder / "server.key").write_bytes(server[1].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ))
    (folder / "password").write_text(PASSWORD + "\n")
    (folder / "wrong").write_text("wrong\n")
    return folder


@pytest.fixture(scope="module")
def secured(files):
    server = MailServer(
        "--certificate", str(files / "server.pem"), "--key", str(files / "server.key"),
        "--user", USER, "--password", PASSWORD,
    )
    yield server
    server.stop()


@pytest.fixture
def sending(files, clock, secured, tmp_path):
    """A server that sends its mail there."""
    started = []

    def start(authority, password):
        options = ["--smtp", f"smtp://127.0.0.1:{secured.port}", "--smtp-user", USER,
                   "--smtp-password-file", str(files / password), "--mail-from", MAIL_FROM]
        started.append(Keyway(
            SCHEME, tmp_path, clock, *options, SSL_CERT_FILE=str(files / authority)
        ))
        return started[0]

    yield start
    for one in started:
        one.stop()


def test_a_letter_goes_encrypted_and_signed_in(sending, secured):
    account = sending("authority.pem", "password").account()
    boss = account.join("owner")
    account.create("key", grant="everything")
    letter = secured.wait(boss.email, "was created")[0]
    assert letter.facts["tls"] and letter.facts["signed_in"]


@pytest.mark.parametrize("authority, password, why", [
    ("other.pem", "password", "certificate"), ("authority.pem", "wrong", "535"),
])
def test_nothing_is_sent_without_trust_or_login_and_the_letter_waits(
    sending, secured, authority, password, why
):
    keyway = sending(authority, password)
    account = keyway.account()
    boss = account.join("owner")
    account.create("key", grant="everything")
    until(lambda: keyway.status()["mail"]["trouble"], "mail is in trouble")
    told = keyway.status()["mail"]
    assert why in told["trouble"]
    assert told["given_up"] == 0 and told["waiting"] >= 1
    assert PASSWORD not in keyway.log() and PASSWORD not in str(told)
    assert secured.letters(boss.email) == []
