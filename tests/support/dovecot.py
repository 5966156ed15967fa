"""A real Dovecot in a temporary directory: IMAP and POP3 on free loopback ports, with TLS.

`missing()` says which command is missing, for tests to skip with.
"""

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from postroom import dovecot, tcp_ports
from postroom.dovecot import DovecotServer, Ports
from support.processes import Process
from support.waiting import eventually_sync

PASSWORD = "s3cret word"
USER = "alice@example.org"


def missing() -> str | None:
    """The command a test needs and does not find."""
    return dovecot.missing() or (None if shutil.which("openssl") else "openssl")


class Dovecot:
    """One server; `start` and `stop` as often as needed, mails stay."""

    def __init__(self) -> None:
        # Not below pytest's directory, which only its owner may enter: mail belongs to `nobody`.
        self.root = Path(tempfile.mkdtemp(prefix="postroom-dovecot-"))
        self.root.chmod(0o755)
        ports: list[int] = []
        for _ in range(4):
            ports.append(tcp_ports.choose(besides=tuple(ports)))
        self.imap, self.imaps, self.pop3, self.pop3s = ports
        self._server = DovecotServer(self.root, Ports(self.imap, self.pop3, self.imaps, self.pop3s))
        self.process: Process | None = None
        self._make_certificate()
        self._server.prepare({USER: PASSWORD})

    @property
    def ca(self) -> str:
        """The certificate to believe."""
        return (self.root / "cert.pem").read_text()

    def _make_certificate(self) -> None:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
             "-nodes", "-days", "2",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
             "-keyout", self.root / "key.pem", "-out", self.root / "cert.pem"],
            check=True, capture_output=True,
        )  # fmt: skip

    def trust(self, provider: str, mechanisms: str = "xoauth2 oauthbearer") -> None:
        """Let in who has a token of this provider's (its address); before `start`."""
        (self.root / "oauth2.conf.ext").write_text(
            f"introspection_mode = get\nintrospection_url = {provider}/introspect?token=\n"
            "username_attribute = email\nactive_attribute = active\nactive_value = true\n"
        )
        with (self.root / "dovecot.conf").open("a") as file:
            file.write(
                f"auth_mechanisms = plain login {mechanisms}\n"
                f"passdb {{\n  driver = oauth2\n  mechanisms = {mechanisms}\n"
                f"  args = {self.root}/oauth2.conf.ext\n}}\n"
            )

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.process = Process(self._server.command(), os.environ, self.root / "dovecot.log")

        def greets() -> bool:
            assert self.process is not None
            if not self.process.running:
                raise RuntimeError(self.process.log)
            for port, word in ((self.imap, b"* OK"), (self.pop3, b"+OK")):
                with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
                    assert connection.recv(100).startswith(word)
            return True

        eventually_sync(greets, what="Dovecot greets")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process = None

    def remove(self) -> None:
        """End it at once: asked to stop, it takes some seconds, and its files go anyway."""
        if self.process is not None:
            self.process.kill9()
            self.process = None
        shutil.rmtree(self.root, ignore_errors=True)

    # mails

    def maildir(self, user: str = USER) -> Path:
        """The user's INBOX."""
        return self._server.maildir(user)

    def configure(self, text: str) -> None:
        """Start anew with this besides."""
        with (self.root / "dovecot.conf").open("a") as file:
            file.write(text)
        if self.process is not None:
            self.stop()
            self.start()

    def add_user(self, user: str) -> None:
        with (self.root / "users").open("a") as file:
            file.write(f"{user}:{PASSWORD}\n")

    def put(self, *mails: bytes, user: str = USER) -> None:
        """Deliver mails, in this order."""
        self._server.put(mails, user)

    def files(self, user: str = USER) -> list[Path]:
        """What lies in INBOX now."""
        return self._server.files(user)

    def contents(self, user: str = USER) -> list[bytes]:
        return [path.read_bytes().replace(b"\n", b"\r\n") for path in self.files(user)]

    def renumber(self, user: str = USER) -> None:
        """Let UIDVALIDITY change, as after a restore from a backup; stop the server before."""
        assert self.process is None
        self.set_validity(1_900_000_000, user)

    def set_validity(self, validity: int, user: str = USER) -> None:
        """Number the user's mails anew, from 1, under this UIDVALIDITY."""
        for path in self.maildir(user).glob("dovecot*"):
            path.unlink()
        uidlist = self.maildir(user) / "dovecot-uidlist"
        uidlist.write_text(f"3 V{validity} N1\n")
        self._server.give(uidlist)
