"""Postfix as a peer: an instance of its own in a directory of its own, which discards all mail."""

import os
import pwd
import shutil
import smtplib
import subprocess
import time
from pathlib import Path
from typing import Self

from postroom import tcp_ports
from support.processes import Process
from support.waiting import eventually_sync

TEMPLATES = Path(__file__).parents[1] / "bench" / "peers" / "postfix"
PROGRAMS = "/usr/sbin:/usr/lib/postfix/sbin:" + os.environ.get("PATH", "")
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
    """`with Postfix(directory) as peer`: takes mail for a@ours.example on 127.0.0.1:peer.port."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
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
        for template in TEMPLATES.glob("*.cf"):
            text = template.read_text().replace("@DIRECTORY@", str(self.directory))
            target = self.directory / "etc" / template.name
            target.write_text(text.replace("@PORT@", str(self.port)))

    def waiting(self) -> int:
        """How many mails are in its queues."""
        files = (self.directory / "queue" / name for name in QUEUES)
        return sum(one.is_file() for folder in files for one in folder.rglob("*"))


def load(port: int, recipient: str, *, mails: int, octets: int, sessions: int = 20) -> float:
    """Send mails with a connection each; return the seconds. RuntimeError unless each got 250."""
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
