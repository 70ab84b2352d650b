"""A database over TLS: only the server whose certificate proves itself is spoken to, whoever else answers at its address.

Debian's Postgres serves here: the embedded one is reached by its socket alone, and its wheel has no TLS.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from psycopg.conninfo import make_conninfo

from core.ports.unavailable import Unavailable
from gateways.postgres.connections import Connections
from gateways.postgres.event_store import PostgresEventStore, datastore
from gateways.postgres.migrate import SERVER_MIN, UnbearableSetting, migrate
from gateways.postgres.server import EmbeddedPostgres
from tests.support.patience import until

NAME: Final = "database.example"
PASSWORD: Final = "of-a-test-only"
DAY: Final = timedelta(days=1)


class Authority:
    """A certificate authority of the test's own."""

    def __init__(self, folder: Path, name: str) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.path = folder / f"{name}.pem"
        ca = x509.BasicConstraints(ca=True, path_length=None)
        self.path.write_bytes(_pem(_certificate(self.name, self, self.key).add_extension(ca, critical=True), self))

    def issue(self, folder: Path, name: str, until_days: int) -> tuple[Path, Path]:
        """Certificate and key for a server."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = x509.SubjectAlternativeName([x509.DNSName(name)])
        certificate = _certificate(subject, self, key, until_days).add_extension(names, critical=False)
        paths = folder / "server.crt", folder / "server.key"
        paths[0].write_bytes(_pem(certificate, self))
        encryption = serialization.NoEncryption()
        form = serialization.PrivateFormat.PKCS8
        paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, form, encryption))
        paths[1].chmod(0o600)
        return paths


def _certificate(
    subject: x509.Name, issuer: Authority, key: ec.EllipticCurvePrivateKey, until_days: int = 30
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 3 * DAY)
        .not_valid_after(now + until_days * DAY)
    )


def _pem(certificate: x509.CertificateBuilder, issuer: Authority) -> bytes:
    return certificate.sign(issuer.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


class Server(NamedTuple):
    """Debian's Postgres, which lets nobody in without TLS. Certificates are changed while it runs."""

    folder: Path
    binaries: Path
    port: int
    authority: Authority
    user: str | None

    def presents(self, authority: Authority, name: str = NAME, until_days: int = 30) -> None:
        """Show such a certificate from now on."""
        for path in authority.issue(self.folder / "data", name, until_days):
            if self.user:
                shutil.chown(path, self.user)
        self.run("pg_ctl", "reload", "-D", str(self.folder / "data"))

    def url(self, authority: Authority | None = None, *, user: str = "owner", mode: str = "verify-full") -> str:
        """As an operator writes it, the address given so that no name need be known."""
        return make_conninfo(
            host=NAME,
            hostaddr="127.0.0.1",
            port=self.port,
            user=user,
            password=PASSWORD,
            dbname="postgres",
            sslmode=mode,
            sslrootcert=str((authority or self.authority).path),
        )

    def run(self, program: str, *arguments: str) -> None:
        command = [str(self.binaries / program), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, user=self.user, cwd="/")
        assert done.returncode == 0, done.stdout + done.stderr


def binaries() -> Path:
    """Of the newest server with TLS. Skips where none is installed."""
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda it: int(it.parent.name), reverse=True):
        with_tls = subprocess.run([folder / "pg_config", "--configure"], capture_output=True, text=True, check=False)
        if (folder / "postgres").exists() and "openssl" in with_tls.stdout:
            return folder
    pytest.skip("no Postgres with TLS is installed: apt-get install postgresql")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    programs = binaries()
    user = None
    if os.geteuid() == 0:
        names = {each.pw_name for each in pwd.getpwall()}
        user = "postgres" if "postgres" in names else "nobody"
    with tempfile.TemporaryDirectory(prefix="cf-tls-") as made, socket.create_server(("127.0.0.1", 0)) as free:
        folder, port = Path(made), free.getsockname()[1]
        free.close()
        folder.chmod(0o755)
        (folder / "data").mkdir()
        secret = folder / "password"
        secret.write_text(PASSWORD)
        if user:
            shutil.chown(folder / "data", user)
            shutil.chown(secret, user)
        found = Server(folder, programs, port, Authority(folder, "authority"), user)
        data = str(folder / "data")
        login = ["--username=owner", f"--pwfile={secret}", "--auth=scram-sha-256"]
        found.run("initdb", "-D", data, "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8", *login)
        (folder / "data" / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 scram-sha-256\n")
        for path in found.authority.issue(folder / "data", NAME, 30):
            if user:
                shutil.chown(path, user)
        options = f"-c ssl=on -c fsync=off -c port={port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
        found.run("pg_ctl", "start", "-w", "-D", data, "-l", f"{data}/log", "-o", options)
        try:
            yield found
        finally:
            found.run("pg_ctl", "stop", "-m", "immediate", "-D", data)


@pytest.fixture(autouse=True)
def its_own_certificate(server: Server) -> None:
    """Each test begins with a server that proves itself."""
    server.presents(server.authority)
    until(lambda: connects(server.url()), "the server shows a good certificate again")


def connects(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def refusal(url: str) -> str:
    """Why neither the event store nor the tables beside it are reached."""
    tables = Connections(url, wait_s=0.5)
    with pytest.raises(Unavailable):
        tables.execute("SELECT 1")
    tables.close()
    store = datastore(url, open_timeout_s=0.5)
    with pytest.raises(Unavailable):
        PostgresEventStore(store)
    store.close()
    with pytest.raises(psycopg.OperationalError) as raised:
        psycopg.connect(url)
    return str(raised.value)


def test_everything_is_said_over_tls(server: Server) -> None:
    """The events' connections and the tables' are verified ones, and without TLS nobody is let in."""
    store = PostgresEventStore(datastore(server.url()))
    encrypted = "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    tables = Connections(server.url())
    assert tables.execute(encrypted)[0] == (True, "TLSv1.3")
    with store.datastore.transaction(commit=False) as cursor:
        cursor.execute(encrypted)
        row = cursor.fetchone()
        assert row is not None
        assert row["ssl"] is True
    tables.close()
    store.close()
    assert "no encryption" in refusal(server.url(mode="disable"))


def test_a_server_of_another_name_is_not_spoken_to(server: Server) -> None:
    """Its certificate is good, and somebody else's."""
    server.presents(server.authority, "other.example")
    until(lambda: not connects(server.url()), "the server shows another name")
    assert f'does not match host name "{NAME}"' in refusal(server.url())


def test_a_server_that_another_authority_vouches_for_is_not_spoken_to(server: Server) -> None:
    """Whoever stands between can make certificates, too."""
    server.presents(Authority(server.folder, "stranger"))
    until(lambda: not connects(server.url()), "the server shows a stranger's certificate")
    assert "certificate verify failed" in refusal(server.url())


def test_a_certificate_that_has_run_out_is_not_believed(server: Server) -> None:
    """It waits for a new one, and goes on by itself when that is there."""
    server.presents(server.authority, until_days=-1)
    until(lambda: not connects(server.url()), "the server shows an old certificate")
    tables = Connections(server.url(), wait_s=0.5)
    with pytest.raises(Unavailable):
        tables.execute("SELECT 1")
    assert "certificate verify failed" in refusal(server.url())
    server.presents(server.authority)
    until(lambda: answers(tables), "it goes on with the new certificate")
    tables.close()


def test_a_server_that_is_too_old_is_refused_before_anything_is_changed(server: Server) -> None:
    """The sentence names both versions; there is no half of a schema afterwards."""
    with psycopg.connect(server.url()) as conn:
        if conn.info.server_version >= SERVER_MIN * 10_000:
            pytest.skip(f"Postgres {conn.info.server_version // 10_000} is installed here, which is new enough")
        with pytest.raises(UnbearableSetting, match=f"needs? {SERVER_MIN} or newer"):
            migrate(server.url())
        assert conn.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)


def answers(tables: Connections) -> bool:
    try:
        return bool(tables.execute("SELECT 1"))
    except Unavailable:
        return False


def test_the_embedded_server_has_no_tls_and_says_so(postgres: EmbeddedPostgres) -> None:
    """It is reached by its socket alone; whoever wants to switch TLS on is told that it was built without."""
    with psycopg.connect(postgres.url, autocommit=True) as conn:
        assert conn.execute("SHOW ssl").fetchone() == ("off",)
        assert conn.execute("SHOW listen_addresses").fetchone() == ("",)
        with pytest.raises(psycopg.Error, match="SSL is not supported by this build"):
            conn.execute("ALTER SYSTEM SET ssl = on")
