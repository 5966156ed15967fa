"""An account goes: its configuration, forums, rows, and everything under its subjects.

Laws: each step may be repeated, so whoever is killed where, the next round finishes it. The order
is: configuration (no service takes anything more), forums, streams, rows; all of it a second time
after LINGER_SECONDS, for what was under way; the account's own row goes last.
"""

import asyncio
import json
from typing import Final

import structlog

from postroom_api.ports import Publisher, ServiceProblemError, Services
from postroom_api.postgres.worker_removal import ClosedAccount, RemovalRows
from postroom_contract.forum import ForgetAccount
from postroom_contract.streams import STREAMS
from postroom_contract.subjects import of_account
from postroom_runtime.bus import Bus
from postroom_runtime.clock import Clock
from postroom_runtime.errors import UnavailableError

LOOK_SECONDS: Final = 20.0
LINGER_SECONDS: Final = 60.0
SETTLE_SECONDS: Final = 5.0


class Removal:
    """Looks every 20 s, and when woken, at accounts that were closed."""

    def __init__(
        self, rows: RemovalRows, services: Services, publisher: Publisher, bus: Bus, clock: Clock
    ) -> None:
        self._rows = rows
        self._services = services
        self._publisher = publisher
        self._bus = bus
        self._clock = clock
        self._woken = asyncio.Event()
        self._log = structlog.get_logger()

    def wake(self) -> None:
        """Look now."""
        self._woken.set()

    async def run(self) -> None:
        """Remove for ever."""
        while True:
            try:
                for account in await self._rows.closed():
                    await self._remove(account)
            except (UnavailableError, ServiceProblemError) as error:
                self._log.warning("removal of an account waits", reason=str(error))
            pause = asyncio.create_task(self._clock.pause(LOOK_SECONDS))
            woken = asyncio.create_task(self._woken.wait())
            try:
                await asyncio.wait({pause, woken}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                pause.cancel()
                woken.cancel()
            self._woken.clear()

    async def _remove(self, account: ClosedAccount) -> None:
        """Do one round."""
        await self._rows.delete_configuration(account.id)
        await self._publisher.settled(SETTLE_SECONDS)
        while (await self._services.ask(ForgetAccount(account=account.id))).more:
            pass
        for stream, subject in _subjects(account.id):
            question = json.dumps({"filter": subject}).encode()
            await self._bus.ask(f"$JS.API.STREAM.PURGE.{stream}", question)
        await self._rows.delete_rest(account.id)
        if account.removed_at < self._clock.before(LINGER_SECONDS):
            await self._rows.forget(account.id)
            self._log.info("account removed", account=account.id)


def _subjects(account: str) -> list[tuple[str, str]]:
    """Return (stream, filter) of everything that names the account."""
    return [
        (stream.name, filtered)
        for stream in STREAMS
        for pattern in stream.subjects
        if (filtered := of_account(pattern, account)) is not None
    ]
