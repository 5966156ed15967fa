"""A real Dovecot in a temporary directory: IMAP and POP3 on free loopback ports, with TLS.

`available()` says which command is missing, for tests to skip with.
"""

import getpass
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

from postroom import tcp_ports
from support.processes import Process
from support.waiting import eventually_sync

PROGRAM = shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
LIBRARY = Path("/usr/lib/dovecot")
PASSWORD = "s3cret word"
USER = "alice@example.org"

CONFIGURATION = """
base_dir = {root}/run
state_dir = {root}/state
log_path = /dev/stderr
protocols = imap pop3
listen = 127.0.0.1
ssl = yes
ssl_cert = <{root}/cert.pem
ssl_key = <{root}/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain login apop
auth_failure_delay = 0
mail_max_userip_connections = 1000
default_internal_user = {user}
default_login_user = {user}
default_internal_group = {group}
first_valid_uid = 1
mail_location = maildir:{root}/mail/%u
mail_fsync = never
pop3_uidl_format = %08Xu%08Xv
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {root}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={root}/mail/%u
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service imap-login {{
  chroot =
  process_min_avail = 1
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service pop3-login {{
  chroot =
  process_min_avail = 1
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
}}
service stats {{
  chroot =
}}
"""


def missing() -> str | None:
    """The command a test needs and does not find."""
    if PROGRAM is None or not (LIBRARY / "imap").exists():
        return "dovecot (dovecot-imapd)"
    if not (LIBRARY / "pop3").exists():
        return "dovecot pop3 (dovecot-pop3d)"
    return None if shutil.which("openssl") else "openssl"


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
        as_root = os.geteuid() == 0
        self._owner = pwd.getpwnam("nobody" if as_root else getpass.getuser())
        self.process: Process | None = None
        self._prepare()

    @property
    def ca(self) -> str:
        """The certificate to believe."""
        return (self.root / "cert.pem").read_text()

    def _prepare(self) -> None:
        import grp

        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
             "-keyout", self.root / "key.pem", "-out", self.root / "cert.pem"],
            check=True, capture_output=True,
        )  # fmt: skip
        (self.root / "mail").mkdir()
        self._give(self.root / "mail")
        (self.root / "users").write_text(f"{USER}:{PASSWORD}\n")
        (self.root / "dovecot.conf").write_text(
            CONFIGURATION.format(
                root=self.root, user=self._owner.pw_name, uid=self._owner.pw_uid,
                gid=self._owner.pw_gid, group=grp.getgrgid(self._owner.pw_gid).gr_name,
                imap=self.imap, imaps=self.imaps, pop3=self.pop3, pop3s=self.pop3s,
            )
        )  # fmt: skip

    def _give(self, path: Path) -> None:
        os.chown(path, self._owner.pw_uid, self._owner.pw_gid)

    def start(self) -> None:
        """Start it and wait until it answers."""
        import socket

        assert PROGRAM is not None
        self.process = Process(
            [PROGRAM, "-F", "-c", str(self.root / "dovecot.conf")],
            os.environ,
            self.root / "dovecot.log",
        )

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
        self.stop()
        shutil.rmtree(self.root, ignore_errors=True)

    # mails

    def maildir(self, user: str = USER) -> Path:
        """The user's INBOX."""
        folder = self.root / "mail" / user
        for name in ("", "cur", "new", "tmp"):
            if not (folder / name).exists():
                (folder / name).mkdir()
                self._give(folder / name)
        return folder

    def add_user(self, user: str) -> None:
        with (self.root / "users").open("a") as file:
            file.write(f"{user}:{PASSWORD}\n")

    def put(self, *mails: bytes, user: str = USER) -> None:
        """Deliver mails, in this order."""
        folder = self.maildir(user)
        before = sum(1 for _ in self.files(user))
        for number, raw in enumerate(mails, before):
            path = folder / "tmp" / f"{1700000000 + number}.M{number:06}.host"
            path.write_bytes(raw.replace(b"\r\n", b"\n"))
            self._give(path)
            path.rename(folder / "new" / path.name)

    def files(self, user: str = USER) -> list[Path]:
        """What lies in INBOX now."""
        folder = self.maildir(user)
        return [*(folder / "cur").iterdir(), *(folder / "new").iterdir()]

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
        self._give(uidlist)
