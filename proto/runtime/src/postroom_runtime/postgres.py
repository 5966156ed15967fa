"""A pool that never makes its caller wait for a frozen database, and forward-only migrations.

Law: every use of a connection ends within its deadline; after a timeout the connection is thrown
away, not asked to cancel.
"""

import asyncio
import contextlib
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.resources.abc import Traversable
from typing import Any, Final

import asyncpg
import asyncpg.pool
import asyncpg.transaction
import structlog

from postroom_runtime.errors import DatabaseDownError, OperatorError, UnavailableError

ACQUIRE_SECONDS: Final = 1.5
USE_SECONDS: Final = 3.5
_BEATEN: Final = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
"""Another transaction went first; this one may be tried again, and the database is well."""
_LOST: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    OSError,
    TimeoutError,
)

Connection = asyncpg.pool.PoolConnectionProxy
Prepare = Callable[[Connection], Awaitable[None]]


_NUL: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
"""An escaped NUL, and not a backslash that somebody wrote before `u0000`."""


def json_for_postgres(data: bytes) -> str:
    """Return JSON as Postgres takes it: its texts hold no NUL; mail may."""
    return _NUL.sub(r"\1", data.decode())


class Database:
    """One login to Postgres. UnavailableError is the only error that means "try later"."""

    def __init__(self, url: str, name: str, *, size: int = 8) -> None:
        self._url = url
        self._name = name
        self._size = size
        self._pool: asyncpg.Pool | None = None
        self._log = structlog.get_logger().bind(login=name)
        self.trouble: str | None = f"database login {name} is not connected yet"

    async def run(self) -> None:
        """Connect, however long it takes; then ask every 3 s whether the database answers."""
        while True:
            try:
                async with self.transaction() as connection:
                    await connection.execute("SELECT 1")
            except UnavailableError:
                await asyncio.sleep(0.5)
            else:
                await asyncio.sleep(3)

    async def close(self) -> None:
        """Throw all connections away."""
        if self._pool is not None:
            self._pool.terminate()

    async def _ready_pool(self) -> asyncpg.Pool:
        if self._pool is None:
            self._pool = asyncpg.create_pool(
                self._url,
                min_size=0,
                max_size=self._size,
                timeout=ACQUIRE_SECONDS,
                command_timeout=None,
                server_settings={
                    "application_name": f"postroom-{self._name}",
                    "statement_timeout": "3400",
                    "lock_timeout": "3000",
                    "idle_in_transaction_session_timeout": "20000",
                },
            )
            await self._pool
        return self._pool

    @asynccontextmanager
    async def transaction(
        self, prepare: Prepare | None = None, *, seconds: float = USE_SECONDS
    ) -> AsyncIterator[Connection]:
        """Give a connection within a transaction, for `seconds` at most.

        `prepare` runs first inside it (who asks, for row level security).
        """
        try:
            async with asyncio.timeout(ACQUIRE_SECONDS):
                pool = await self._ready_pool()
                connection = await pool.acquire()
        except _LOST as error:
            raise self._lost(error) from error
        try:
            async with asyncio.timeout(seconds):
                transaction = connection.transaction()
                await transaction.start()
                if prepare is not None:
                    await prepare(connection)
                yield connection
                await transaction.commit()
            self.trouble = None
        except _LOST as error:
            _throw_away(connection)
            raise self._lost(error) from error
        except (asyncio.CancelledError, GeneratorExit):
            _throw_away(connection)
            raise
        except _BEATEN as error:
            await _roll_back(connection, transaction)
            raise UnavailableError("two changes got in each other's way") from error
        except BaseException:
            await _roll_back(connection, transaction)
            raise
        finally:
            await asyncio.shield(pool.release(connection, timeout=1))

    def _lost(self, error: BaseException) -> DatabaseDownError:
        self.trouble = f"database login {self._name}: {error!r}"
        return DatabaseDownError(self.trouble)


async def _roll_back(connection: Connection, transaction: asyncpg.transaction.Transaction) -> None:
    try:
        async with asyncio.timeout(1):
            await transaction.rollback()
    except _LOST:
        _throw_away(connection)


def _throw_away(connection: Connection) -> None:
    # `close` may have thrown all of them away already, this one too.
    with contextlib.suppress(asyncpg.InterfaceError):
        connection.terminate()


async def migrate(url: str, schema: str, directory: Traversable) -> list[str]:
    """Apply the `*.sql` files not applied yet, in the order of their names; return their names.

    All under one advisory lock. OperatorError when an applied file has changed since.
    """
    try:
        connection = await asyncpg.connect(url, timeout=10)
    except (OSError, asyncpg.PostgresError) as error:
        raise OperatorError(f"cannot migrate schema {schema}: {error}") from error
    try:
        await connection.execute("SELECT pg_advisory_lock(hashtext($1))", f"migrate {schema}")
        # The login may own a schema that was made for it and have no right to make one, which
        # CREATE SCHEMA IF NOT EXISTS asks for first.
        if not await connection.fetchval("SELECT 1 FROM pg_namespace WHERE nspname = $1", schema):
            await connection.execute(f'CREATE SCHEMA "{schema}"')
        await connection.execute(
            f'CREATE TABLE IF NOT EXISTS "{schema}".migration'
            " (name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz DEFAULT now())"
        )
        return await _apply(connection, schema, directory)
    finally:
        await connection.close()


async def up_to_date(connection: asyncpg.Connection, schema: str, directory: Traversable) -> bool:
    """Return whether `migrate` would find each file applied as it is now, and so do nothing.

    Only looks, and needs no lock: a row is there when its file is.
    """
    table = "SELECT to_regclass(format('%I.migration', $1::text)) IS NOT NULL"
    if not directory.is_dir() or not await connection.fetchval(table, schema):
        return False
    wanted = {name: _digest(text) for name, text in _files(directory)}
    return await _applied(connection, schema) == wanted


async def _apply(connection: Any, schema: str, directory: Traversable) -> list[str]:
    applied = await _applied(connection, schema)
    fresh: list[str] = []
    for name, text in _files(directory):
        digest = _digest(text)
        if name in applied:
            if applied[name] != digest:
                raise OperatorError(f"migration {name} was changed after it was applied")
            continue
        async with connection.transaction():
            await connection.execute(text)
            await connection.execute(
                f'INSERT INTO "{schema}".migration (name, sha256) VALUES ($1, $2)',  # noqa: S608 - our own constant
                name,
                digest,
            )
        fresh.append(name)
    return fresh


async def _applied(connection: Any, schema: str) -> dict[str, str]:
    rows = await connection.fetch(f'SELECT name, sha256 FROM "{schema}".migration')  # noqa: S608 - our own constant
    return {row["name"]: row["sha256"] for row in rows}


def _files(directory: Traversable) -> list[tuple[str, str]]:
    """Return the names and texts of the `*.sql` files, in their order."""
    found = sorted(directory.iterdir(), key=lambda item: item.name)
    return [(f.name, f.read_text(encoding="utf-8")) for f in found if f.name.endswith(".sql")]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
