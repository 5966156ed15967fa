"""The SMTP server and whom it turned away, for both faces."""

from collections import Counter
from typing import Final

from postroom_api.domain.smtp_server import RefusalRow, SmtpProcess, SmtpServer
from postroom_api.domain.values import PageOf, Principal
from postroom_api.http.entries import require_administrator
from postroom_api.http.staff import require_all_accounts
from postroom_api.ports import Publisher
from postroom_api.postgres.smtp_server import SmtpServerRows
from postroom_api.vitals import Vitals
from postroom_contract.beats import Peer
from postroom_contract.streams import SMTP_COMMANDS
from postroom_runtime.bus import Bus
from postroom_runtime.errors import UnavailableError

LIVE_SECONDS: Final = 3.0
MOST_PEERS: Final = 50


class SmtpServerDesk:
    """What administrators of all accounts ask about the server, and each about refusals."""

    def __init__(
        self, rows: SmtpServerRows, bus: Bus, publisher: Publisher, vitals: Vitals
    ) -> None:
        self._rows = rows
        self._bus = bus
        self._publisher = publisher
        self._vitals = vitals

    async def refusals(self, who: Principal, cursor: str | None, limit: int) -> PageOf[RefusalRow]:
        """Return a page of what the SMTP server turned away."""
        require_administrator(who)
        return await self._rows.refusals(who, cursor, limit)

    async def server(self, who: Principal) -> SmtpServer:
        """Return the state of the SMTP server: it is all accounts'."""
        require_all_accounts(who)
        door = await self._rows.door(who)
        beats = [one for one, lives in self._vitals.processes() if one.service == "smtp" and lives]
        numbers: Counter[str] = Counter()
        peers: list[Peer] = []
        for beat in beats:
            numbers.update(beat.numbers)
            peers.extend(beat.peers)
        return SmtpServer(
            open=door is None or door["open"],
            changed_at=door and door["changed_at"],
            changed_by=door["changed_by"] if door else "",
            processes=[
                SmtpProcess(
                    instance=beat.instance,
                    started_at=beat.started_at,
                    ready=not beat.reasons,
                    sessions=beat.numbers.get("connections", 0),
                )
                for beat in beats
            ],
            numbers=dict(sorted(numbers.items())),
            peers=sorted(peers, key=lambda one: one.since)[:MOST_PEERS],
            waiting=await self._waiting(),
        )

    async def set_door(self, who: Principal, *, open_: bool) -> SmtpServer:
        """Open or close it: new sessions hear 421, those that are here go on."""
        require_all_accounts(who)
        await self._rows.set_door(who, open_=open_)
        await self._publisher.settled(LIVE_SECONDS)
        return await self.server(who)

    async def _waiting(self) -> int | None:
        try:
            info = await self._bus.ask(f"$JS.API.CONSUMER.INFO.COMMANDS.{SMTP_COMMANDS.name}")
        except UnavailableError:
            return None
        return int(info["num_pending"])
