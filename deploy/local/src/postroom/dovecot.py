"""A Dovecot of this machine's own, where one is installed: for the demo, and for tests.

It serves IMAP and POP3 on loopback from Maildirs below `root`; whoever starts `command` stops it.
"""

import getpass
import grp
import os
import pwd
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PROGRAM = shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
LIBRARY = Path("/usr/lib/dovecot")

_CONFIGURATION = """
base_dir = {root}/run
state_dir = {root}/state
log_path = /dev/stderr
protocols = imap pop3
listen = 127.0.0.1
{tls}
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
    ssl = {with_tls}
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
    ssl = {with_tls}
  }}
}}
service stats {{
  chroot =
}}
"""
_TLS = "ssl = yes\nssl_cert = <{root}/cert.pem\nssl_key = <{root}/key.pem"


def missing() -> str | None:
    """Return what is not installed, with the Debian package that brings it, or None."""
    if PROGRAM is None or not (LIBRARY / "imap").exists():
        return "dovecot (dovecot-imapd)"
    if not (LIBRARY / "pop3").exists():
        return "dovecot pop3 (dovecot-pop3d)"
    return None


@dataclass(frozen=True, slots=True)
class Ports:
    """Where it listens; 0 = not at all."""

    imap: int
    pop3: int
    imaps: int = 0
    pop3s: int = 0


class DovecotServer:
    """Its files. Mail belongs to who runs it, or to `nobody` when root does.

    `root` must be enterable by everybody; with TLS, cert.pem and key.pem lie in it.
    """

    def __init__(self, root: Path, ports: Ports) -> None:
        self.root = root
        self._ports = ports
        self._owner = pwd.getpwnam("nobody" if os.geteuid() == 0 else getpass.getuser())

    def prepare(self, passwords: Mapping[str, str]) -> None:
        """Write its configuration and users."""
        (self.root / "mail").mkdir(exist_ok=True)
        self.give(self.root / "mail")
        (self.root / "users").write_text("".join(f"{u}:{p}\n" for u, p in passwords.items()))
        owner, ports, tls = self._owner, self._ports, bool(self._ports.imaps)
        text = _CONFIGURATION.format(
            root=self.root,
            user=owner.pw_name,
            uid=owner.pw_uid,
            gid=owner.pw_gid,
            group=grp.getgrgid(owner.pw_gid).gr_name,
            tls=_TLS.format(root=self.root) if tls else "ssl = no",
            with_tls="yes" if tls else "no",
            imap=ports.imap,
            imaps=ports.imaps,
            pop3=ports.pop3,
            pop3s=ports.pop3s,
        )
        (self.root / "dovecot.conf").write_text(text)

    def command(self) -> list[str]:
        """Return the command line of the server in the foreground."""
        return [str(PROGRAM), "-F", "-c", str(self.root / "dovecot.conf")]

    def give(self, path: Path) -> None:
        """Let `path` belong to who owns the mail."""
        os.chown(path, self._owner.pw_uid, self._owner.pw_gid)

    def maildir(self, user: str) -> Path:
        """Return the user's INBOX, made if need be."""
        folder = self.root / "mail" / user
        for name in ("", "cur", "new", "tmp"):
            if not (folder / name).exists():
                (folder / name).mkdir()
                self.give(folder / name)
        return folder

    def put(self, mails: Sequence[bytes], user: str) -> None:
        """Deliver mails, in this order, behind those that are there."""
        folder = self.maildir(user)
        before = len(self.files(user))
        for number, raw in enumerate(mails, before):
            path = folder / "tmp" / f"{1700000000 + number}.M{number:06}.host"
            path.write_bytes(raw.replace(b"\r\n", b"\n"))
            self.give(path)
            path.rename(folder / "new" / path.name)

    def files(self, user: str) -> list[Path]:
        """Return what lies in INBOX now."""
        folder = self.maildir(user)
        return [*(folder / "cur").iterdir(), *(folder / "new").iterdir()]
