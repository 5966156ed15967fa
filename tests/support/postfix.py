"""Postfix as a peer: an instance of its own in a directory of its own, which discards all mail, or
delivers it to a next hop; and its own next hop, smtp-sink.
"""

import os
import pwd
import re
import shutil
import smtplib
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import psutil

from postroom import tcp_ports
from support.processes import Process
from support.waiting import eventually_sync

PEERS = Path(__file__).parents[1] / "bench" / "peers"
PROGRAMS = "/usr/sbin:/usr/lib/postfix/sbin:" + os.environ.get("PATH", "")
RECIPIENT = re.compile(rb"X-Rcpt-Args: *<?([^>\r\n]*)")
QUEUES = ("maildrop", "incoming", "active", "deferred")


def missing() -> str | None:
    """Say why there is no Postfix here and what would bring it, or None."""
    if shutil.which("postfix", path=PROGRAMS) is None or smtp_source() is None:
        return "Postfix is not installed: apt-get install --no-install-recommends postfix"
    return None if os.geteuid() == 0 else "Postfix starts only as root: run it with sudo -E"


def smtp_source() -> str | None:
    """Return Postfix's load generator."""
    return shutil.which("smtp-source", path=PROGRAMS)


class Postfix:
    """`with Postfix(directory) as peer`: takes mail for a@ours.example on 127.0.0.1:peer.port.

    With `sink`, a port, it takes mail for everybody and delivers it there. `settings` go into its
    main.cf.
    """

    def __init__(
        self,
        directory: Path,
        sink: int | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._settings = dict(settings or {})
        self.directory = directory
        self._sink = sink
        self.port = tcp_ports.choose()
        self._process: Process | None = None

    def __enter__(self) -> Self:
        self._prepare()
        environment = {**os.environ, "PATH": PROGRAMS}
        etc = str(self.directory / "etc")
        checked = ["postfix", "-c", etc, "check"]  # makes the queue's directories
        subprocess.run(checked, env=environment, check=True, timeout=60)
        # Not `postfix start-fg`: of that the handle would be a shell, and Postfix would outlive it.
        argv = ["/usr/lib/postfix/sbin/master", "-c", etc, "-d"]
        self._process = Process(argv, environment, self.directory / "postfix.log")

        def answers() -> bool:
            assert self._process is not None
            if not self._process.running:
                raise RuntimeError(f"Postfix ended:\n{self._process.log[-2000:]}")
            with smtplib.SMTP("127.0.0.1", self.port, timeout=5):
                return True

        try:
            eventually_sync(answers, what="Postfix answers")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()

    def _prepare(self) -> None:
        for folder in ("etc", "queue", "data"):
            (self.directory / folder).mkdir(parents=True)
        for folder in (self.directory, self.directory.parent):
            folder.chmod(folder.stat().st_mode | 0o055)  # Postfix's own users pass through
        os.chown(self.directory / "data", pwd.getpwnam("postfix").pw_uid, -1)
        for template in (PEERS / ("postfix-out" if self._sink else "postfix")).glob("*.cf"):
            text = template.read_text().replace("@DIRECTORY@", str(self.directory))
            text = text.replace("@SINK@", str(self._sink))
            target = self.directory / "etc" / template.name
            target.write_text(text.replace("@PORT@", str(self.port)))
        main = self.directory / "etc" / "main.cf"
        kept = [
            line
            for line in main.read_text().splitlines()
            if line.partition("=")[0].strip() not in self._settings
        ]
        own = [f"{name} = {value}" for name, value in self._settings.items()]
        main.write_text("\n".join([*kept, *own, ""]))

    def waiting(self) -> int:
        """How many mails are in its queues."""
        files = (self.directory / "queue" / name for name in QUEUES)
        return sum(one.is_file() for folder in files for one in folder.rglob("*"))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold its queue manager still: mail is queued, and delivered only afterwards."""
        assert self._process is not None
        (manager,) = (
            one
            for one in psutil.Process(self._process.pid).children(recursive=True)
            if one.name() == "qmgr"
        )
        manager.suspend()
        try:
            yield
        finally:
            manager.resume()


class SmtpSink:
    """Postfix's smtp-sink, in a directory of its own: `with SmtpSink(directory) as sink`, `start`."""

    def __init__(self, directory: Path) -> None:
        self._kept = directory / "kept"
        self._log = directory / "smtp-sink.log"
        self._before = 0
        self._keeping = False
        self._process: Process | None = None
        self.port = tcp_ports.choose()

    def __enter__(self) -> Self:
        self._kept.mkdir(parents=True)
        shutil.chown(self._kept, "postfix")
        self._kept.parent.chmod(0o755)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill9()

    def start(self, *, keeping: bool = False) -> None:
        """Start it, or anew on the same port. `keeping`: all mail, in a file, which costs it time."""
        self.__exit__()
        self._log.write_bytes(b"")
        self._before, self._keeping = 0, keeping
        program = shutil.which("smtp-sink", path=PROGRAMS)
        assert program is not None
        kept = ["-D", f"{self._kept}/mail"] if keeping else []
        argv = [program, "-u", "postfix", "-c", *kept, f"127.0.0.1:{self.port}", "1000"]
        self._process = Process(argv, {"PATH": PROGRAMS}, self._log)

        def answers() -> bool:
            with smtplib.SMTP("127.0.0.1", self.port, timeout=5):
                return True

        eventually_sync(answers, what="smtp-sink answers")

    def count(self) -> int:
        """How many mails it has taken since `taken` was asked."""
        with self._log.open("rb") as said:
            said.seek(max(0, self._log.stat().st_size - 200))
            found = re.findall(rb"mesg=([0-9]+)\r", said.read())
        return (int(found[-1]) if found else 0) - self._before

    def taken(self) -> tuple[int, list[str] | None]:
        """How many mails it has taken since the last time, and whose they were if they are kept."""
        count = self.count()
        self._before += count
        if not self._keeping:
            return count, None
        found = []
        for one in self._kept.iterdir():
            with one.open("rb") as lines:
                found += [to[1].decode() for to in map(RECIPIENT.match, lines) if to]
            one.unlink()
        return count, found


def load(
    port: int,
    recipient: str,
    *,
    mails: int,
    octets: int,
    sessions: int = 20,
    numbered: bool = False,
) -> float:
    """Send mails with a connection each; return the seconds. RuntimeError unless each got 250.

    `numbered`: each to a recipient of its own, kept connections.
    """
    program = smtp_source()
    assert program is not None
    options = [
        "-s",
        str(sessions),
        "-m",
        str(mails),
        "-l",
        str(octets),
    ]  # without -d: a connection per mail
    if numbered:
        options += ["-d", "-N"]
    addresses = ["-f", "sender@theirs.example", "-t", recipient]
    began = time.monotonic()
    done = subprocess.run(
        [program, *options, *addresses, f"127.0.0.1:{port}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )
    took = time.monotonic() - began
    if done.returncode or done.stderr.strip():
        raise RuntimeError(f"smtp-source: {done.stderr or done.returncode}")
    return took
