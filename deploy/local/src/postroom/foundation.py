"""Postgres and NATS of one home: their secrets, ports and parts."""

import asyncio
import contextlib
import secrets
import shutil
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import asyncpg

from postroom import services, tcp_ports
from postroom.child import Command
from postroom.config import Settings
from postroom.embedded import logins, nats, postgres
from postroom.embedded.identity import unprivileged
from postroom.errors import OperatorError
from postroom.home import Home, token_keys
from postroom.keeper import Part
from postroom_contract import streams
from postroom_contract.permissions import users

POSTGRES = "postgres"
NATS = "nats"
NATS_IN_PASSING = (
    "[INF]",
    "Healthcheck failed",  # it was asked before it was ready, which whoever asked says better
    "Plaintext passwords detected",  # nats.conf has mode 0600, and the port is loopback's
    "Maximum payloads over",  # a mail is one message, on purpose
)
DISK_FULL = "no space left on device"
ROOM_BYTES = 100_000_000
"""Free bytes with which it makes sense to start a broker again that could not write."""
ROOM_SECONDS = 1.0
LEFTOVER_SECONDS = 30.0
POLL_SECONDS = 0.1
SUPERUSER_PASSWORD = "postgres-superuser"  # noqa: S105 - the name of a file


@dataclass(frozen=True, slots=True)
class Foundation:
    """What the services stand on."""

    home: Home
    postgres: postgres.PostgresServer
    nats: nats.NatsServer
    environment: dict[str, str]

    @classmethod
    async def prepare(cls, home: Home, settings: Settings) -> "Foundation":
        """Make secrets, choose ports, write nats.conf. Nothing is started yet; the home is held."""
        await _until_quiet(home.postgres)
        before = home.read_state()
        # The services listen on theirs later: until then nothing shows that they are taken.
        taken = {settings.http_port, settings.smtp_port}
        postgres_port = tcp_ports.choose(before.postgres_port, besides=taken)
        nats_port = tcp_ports.choose(before.nats_port, besides=taken | {postgres_port})
        monitor = tcp_ports.choose(
            before.nats_monitor_port, besides=taken | {postgres_port, nats_port}
        )
        database = postgres.PostgresServer(
            data=home.postgres,
            port=postgres_port,
            password=home.secret(SUPERUSER_PASSWORD),
            identity=unprivileged(home.path),
        )
        allowed = users()
        broker = nats.NatsServer(
            directory=home.nats,
            port=nats_port,
            monitor_port=monitor,
            users=allowed,
            passwords={user: home.secret(services.nats_password(user)) for user in allowed},
        )
        broker.write_configuration()
        # Provisioning makes them again, and the owners fill them.
        broker.discard_half_made({s.name for s in streams.STREAMS if s.persist_mode == "async"})
        home.secret(services.TOKEN_KEYS, token_keys)
        home.secret(services.COMMAND_TOKEN, lambda: "prt_" + secrets.token_urlsafe(32))
        home.secret(services.SESSION_KEY, lambda: secrets.token_hex(32))
        _make_sealing_keys(home)
        _make_certificate(home, settings.caller.get("POSTROOM_SMTP_HOSTNAME") or "postroom.local")
        return cls(home, database, broker, settings.passed_on())

    def postgres_part(self) -> Part:
        """Postgres; ready when the logins and the database are there."""
        return Part(
            name=POSTGRES,
            command=lambda: Command(
                self.postgres.command(),
                self.environment,
                self.postgres.identity,
                stop_signal=postgres.STOP_SIGNAL,
                death_signal=postgres.STOP_SIGNAL,
            ),
            until_ready=self.postgres.wait_until_ready,
            when_ready=self._make_database,
            explain=lambda lines: OperatorError(
                f"Postgres ended at once: {lines[-1] if lines else 'it said nothing'}",
                f"look at {self.home.logs / 'postgres.log'}",
            ),
            shown=lambda line: " LOG:  " not in line,
        )

    def nats_part(self) -> Part:
        """NATS; ready when the streams are as the contract says."""
        return Part(
            name=NATS,
            command=lambda: Command(self.nats.command(), self.environment),
            until_ready=self.nats.wait_until_ready,
            when_ready=self._make_streams,
            explain=nats.explain,
            shown=lambda line: not any(said in line for said in NATS_IN_PASSING),
            # A stream of nats-server 2.15.1 that could not write does not try again.
            is_stuck=lambda line: DISK_FULL in line,
            until_worth_it=self._there_is_room,
        )

    async def _there_is_room(self) -> None:
        while shutil.disk_usage(self.home.path).free < ROOM_BYTES:  # noqa: ASYNC110 - a disk tells nobody
            await asyncio.sleep(ROOM_SECONDS)

    async def _make_database(self) -> None:
        passwords = {login: self.home.secret(f"postgres-{login}") for login in logins.LOGINS}
        connection = await self.postgres.connect()
        try:
            await logins.ensure_logins(connection, passwords)
            await logins.ensure_database(connection)
        finally:
            await connection.close()
        inside = await self.postgres.connect(logins.DATABASE)
        try:
            await logins.ensure_grants(inside)
        finally:
            await inside.close()
        for login, password in passwords.items():
            url = self.postgres.url(login, password, logins.DATABASE)
            self.home.secret_file(services.url_file(login), url)

    async def behind(self) -> list[str]:
        """Return the services whose schema lacks something; the others need no process to migrate.

        One that cannot be told counts: its migration says what is wrong.
        """
        from postroom_runtime.postgres import up_to_date  # late: `--help` is quick

        found = list(services.MIGRATIONS)
        with contextlib.suppress(OSError, asyncpg.PostgresError):
            inside = await self.postgres.connect(logins.DATABASE)
            try:
                for name, migration in services.MIGRATIONS.items():
                    directory = files(services.module_of(name)) / "migrations"
                    if await up_to_date(inside, migration.schema, directory):
                        found.remove(name)
            finally:
                await inside.close()
        return found

    async def _make_streams(self) -> None:
        from postroom_runtime.errors import OperatorError as Refused  # late: `--help` is quick
        from postroom_runtime.provision import provision

        try:
            await provision(
                self.nats.url,
                nats.OPERATOR,
                self.nats.passwords[nats.OPERATOR],
                intake_bytes=self.nats.intake_bytes,
            )
        except Refused as error:
            raise OperatorError(
                f"the broker refuses what the contract asks for: {error}",
                f"look at {self.home.logs / 'nats.log'}",
            ) from error


def _make_sealing_keys(home: Home) -> None:
    """Make the private keys of fetcher and smtp once; the fetcher's public one is derived."""
    from postroom_runtime.sealing import new_private_key, public_key_of  # late: `--help` is quick

    home.secret(services.SEALING_KEY, new_private_key)
    private = home.secret(services.FETCHER_KEY, new_private_key)
    home.secret_file(services.FETCHER_PUBLIC_KEY, public_key_of(private))


def _make_certificate(home: Home, name: str) -> None:
    """Make a certificate for the SMTP server once; who has a better one names it."""
    from postroom import self_signed  # late, as above

    key = home.secret(services.SMTP_KEY, self_signed.new_key)
    home.secret(services.SMTP_CERTIFICATE, lambda: self_signed.certificate(key, name))


async def _until_quiet(data: Path) -> None:
    """Wait for a Postgres that an `up` killed with -9 left in its shutdown.

    We hold the home, so nobody else may run one here. A pid file whose number meanwhile belongs to
    another program (after a power cut) would make Postgres refuse to start: it is removed.
    """
    pid_file = data / "postmaster.pid"
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LEFTOVER_SECONDS):
            while pid := _pid_in(pid_file):
                running = _command_line(pid)
                if str(data) not in running:
                    pid_file.unlink(missing_ok=True)
                    return
                await asyncio.sleep(POLL_SECONDS)
            return
    raise OperatorError(
        f"a Postgres of an earlier run (pid {_pid_in(pid_file)}) still uses {data}",
        f"stop it with `kill -INT {_pid_in(pid_file)}` and start again",
    )


def _pid_in(pid_file: Path) -> int:
    try:
        return int(pid_file.read_text(encoding="ascii").split(maxsplit=1)[0])
    except (OSError, ValueError, IndexError):
        return 0


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except (OSError, UnicodeDecodeError):
        return ""
