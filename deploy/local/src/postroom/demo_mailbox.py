"""The demo's mailbox on another server: a Dovecot of its own, fetched from by IMAP once.

The Dovecot lives as long as the demo is made; afterwards the mailbox is switched off, so that
nothing looks for a server that is no longer there.
"""

import base64
import contextlib
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from postroom import tcp_ports
from postroom.client import Client
from postroom.dovecot import DovecotServer, Ports, missing

LOGIN: Final = "office@example.org"
NAME: Final = "Office (IMAP)"
START_SECONDS: Final = 15.0
CHECK_SECONDS: Final = 30.0


def _mail(number: int, head: str, body: bytes) -> bytes:
    lines = (f"Message-ID: <demo-imap-{number}@example.net>", "To: office@example.org", head, "")
    return "\r\n".join(lines).encode("ascii") + b"\r\n" + body


MAILS: Final = (
    _mail(
        1,
        "From: Kaede <kaede@example.com>\r\nSubject: =?iso-2022-jp?B?GyRCQEE1YT1xGyhC?=\r\n"
        "Content-Type: text/plain; charset=iso-2022-jp",
        "請求書をお送りします。\r\n".encode("iso-2022-jp"),
    ),
    _mail(
        2,
        "From: Ivan <ivan@example.net>\r\nSubject: =?koi8-r?B?89DJ08/L?=\r\n"
        "Content-Type: text/plain; charset=koi8-r",
        "Список участников готов.\r\n".encode("koi8-r"),
    ),
    _mail(
        3,
        "From: News <news@example.com>\r\nSubject: Spring catalogue\r\n"
        "List-Unsubscribe: <mailto:leave@example.com>\r\nContent-Type: text/html; charset=utf-8",
        b"<h1>Spring</h1><p>New <b>spades</b>, and a hose that does not kink.</p>\r\n",
    ),
    _mail(
        4,
        "From: Accounts <accounts@example.com>\r\nSubject: Invoice 2031\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/mixed; boundary=cut",
        b"--cut\r\nContent-Type: text/plain\r\n\r\nPlease find it attached.\r\n"
        b"--cut\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n"
        b"Content-Disposition: attachment; filename*=utf-8''Rechnung%202031%20%C3%BC.pdf\r\n\r\n"
        + base64.encodebytes(b"%PDF-1.4\n% a demo\n").replace(b"\n", b"\r\n")
        + b"--cut--\r\n",
    ),
    _mail(5, "From: broken\r\nSubject: No address, no date, no charset", b"caf\xe9 au lait\r\n"),
)


def make(client: Client) -> str:
    """Make the mailbox and fetch from it; return a sentence about what came of it."""
    if reason := missing():
        return f"no mailbox on another server: {reason} is not installed"
    with tempfile.TemporaryDirectory(prefix="postroom-demo-") as name:
        root = Path(name)
        root.chmod(0o755)  # the mail belongs to somebody else when root makes the demo
        password = secrets.token_urlsafe(12)
        with _running(root, password) as port:
            stored = _fetch(client, port, password)
        shutil.rmtree(root / "mail", ignore_errors=True)
    return f"one mailbox fetched by IMAP from a Dovecot: {stored} mails"


@contextlib.contextmanager
def _running(root: Path, password: str) -> Iterator[int]:
    imap = tcp_ports.choose()
    server = DovecotServer(root, Ports(imap, tcp_ports.choose(besides=(imap,))))
    server.prepare({LOGIN: password})
    server.put(MAILS, LOGIN)
    with (root / "log").open("wb") as log:
        process = subprocess.Popen(server.command(), stdout=log, stderr=log)  # noqa: S603 - our own command
    try:
        _wait_for(imap)
        yield imap
    finally:
        process.terminate()
        process.wait(START_SECONDS)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 2) as one:
            if one.recv(100).startswith(b"* OK"):
                return
        time.sleep(0.1)


def _fetch(client: Client, port: int, password: str) -> int:
    source = {
        "type": "imap",
        "host": "127.0.0.1",
        "port": port,
        "tls": "none",
        "login": LOGIN,
        "password": password,
    }
    box = client.post("/mailboxes", name=NAME, source=source)["id"]
    client.post(f"/mailboxes/{box}/receive")
    deadline = time.monotonic() + CHECK_SECONDS
    stored = 0
    while time.monotonic() < deadline:
        check = client.get(f"/mailboxes/{box}")["last_check"]
        if check is not None:
            stored = int(check["stored"])
            break
        time.sleep(0.2)
    words = "Its Dovecot ran while the demo was made; now it is gone, and this is switched off."
    client.patch(f"/mailboxes/{box}", active=False, description=words)
    return stored
