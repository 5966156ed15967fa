"""POSTROOM_HOME: everything one machine's Postroom keeps between two starts.

Laws:
- The home is readable by its owner alone, and every secret is a file of mode 0600 in `secrets/`.
- A secret is made once and never overwritten: losing one would lock the data away.
- At most one process holds the home. The kernel releases the lock when that process dies, however
  it dies, so no stale lock ever has to be removed by hand.
"""

import fcntl
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from postroom.errors import OperatorError

PRIVATE_FILE = 0o600
PRIVATE_DIRECTORY = 0o700


class Running(msgspec.Struct, frozen=True):
    """A child process as `status` shows it; `health_port` is 0 where there is no health address."""

    name: str
    pid: int
    health_port: int


class State(msgspec.Struct, frozen=True):
    """What the running `up` writes down for `status`, and the next `up` for its ports."""

    pid: int = 0
    console: str = ""
    smtp: str = ""
    relay: str = ""
    """Where outgoing mail goes; empty: it is captured."""
    postgres_port: int = 0
    nats_port: int = 0
    nats_monitor_port: int = 0
    children: tuple[Running, ...] = ()


class Home:
    """The directory and what is in it; `create` before anything else."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.secrets = path / "secrets"
        self.logs = path / "log"
        self.postgres = path / "postgres"
        self.nats = path / "nats"

    def create(self) -> None:
        """Make the directories. Raise OperatorError when the place is not ours to write in."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            for directory in (self.path, self.secrets, self.logs):
                directory.mkdir(exist_ok=True)
                directory.chmod(PRIVATE_DIRECTORY)
        except OSError as error:
            raise OperatorError(
                f"cannot use {self.path} as home: {error.strerror}",
                "set POSTROOM_HOME to a directory you own",
            ) from error

    def secret(self, name: str, make: Callable[[], str] = lambda: secrets.token_urlsafe(24)) -> str:
        """The content of secrets/`name`, made by `make` the first time; no newline at its end."""
        path = self.secrets / name
        if not path.exists():
            write_private(path, make() + "\n")
        return path.read_text(encoding="utf-8").rstrip("\n")

    def secret_file(self, name: str, content: str) -> Path:
        """Write a file derived from secrets (a database URL); unlike a secret it may change."""
        path = self.secrets / name
        write_private(path, content + "\n")
        return path

    def read_state(self) -> State:
        """The last state written; an empty one when there is none or it cannot be read."""
        try:
            return msgspec.json.decode((self.path / "state.json").read_bytes(), type=State)
        except (OSError, msgspec.MsgspecError):
            return State()  # derived data: ports are chosen anew, `status` says "not running"

    def write_state(self, state: State) -> None:
        """Replace the state in one step."""
        write_private(self.path / "state.json", msgspec.json.encode(state).decode())

    @contextmanager
    def held(self, console: str) -> Iterator[None]:
        """Hold the home; raise OperatorError when another process does."""
        with (self.path / "lock").open("a+", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise self._refused(lock.read().split()) from None
            lock.truncate(0)
            lock.write(f"{os.getpid()} {console}\n")
            lock.flush()
            try:
                yield
            finally:
                lock.truncate(0)

    def is_held(self) -> bool:
        """Whether a process holds the home at this moment."""
        try:
            with (self.path / "lock").open("r", encoding="utf-8") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def _refused(self, holder: Sequence[str]) -> OperatorError:
        pid, console = (*holder, "?", "?")[:2]
        return OperatorError(
            f"Postroom is already running on {self.path} (pid {pid}), its console is at {console}",
            f"stop it with Ctrl-C in its terminal or `kill {pid}`, or set POSTROOM_HOME, "
            "POSTROOM_HTTP_PORT and POSTROOM_SMTP_PORT to run a second one beside it",
        )


def token_keys() -> str:
    """A first key file for tokens: lines of `<key id>:<64 hex digits>`, the first is current."""
    return f"1:{secrets.token_hex(32)}"


def write_private(path: Path, content: str) -> None:
    """Replace `path` in one step by a file of mode 0600; a crash leaves the old or the new one.

    When it returns, the new one outlives a power cut.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
        sync_directory(path.parent)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def sync_directory(directory: Path) -> None:
    """Bring the names in `directory` to the disk: a file's own sync need not."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
